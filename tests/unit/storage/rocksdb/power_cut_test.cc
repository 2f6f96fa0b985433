// The simulated power cut itself: what was synced survives it, the rest does not.
//
// RocksDB is used in child processes only: its threads would be missing after another fork().
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "rocksdb/file_system.h"
#include "tests/support/power_cut_fs.h"
#include "tests/support/power_cut_journal.h"
#include "tests/unit/storage/rocksdb/temp_database.h"

namespace skein::storage {
namespace {

using testing_support::MakePowerCutFileSystem;
using testing_support::PowerCutJournal;

class PowerCutTest : public ::testing::Test {
 protected:
  std::string journal() const { return temp_ / "journal"; }
  std::string data() const { return temp_ / "data"; }
  std::string File(const std::string& name) const { return temp_ / name; }

  void Cut(std::optional<uint64_t> seed = std::nullopt) { PowerCutJournal(journal()).Cut(seed); }

  // Runs in a process of its own, which ends without any cleaning up.
  void Killed(const std::function<void()>& work) {
    const pid_t child = fork();
    if (child == 0) {
      work();
      kill(getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  }

  std::unique_ptr<Database> OpenCut() {
    DatabaseOptions options = OptionsFor(data());
    options.file_system = MakePowerCutFileSystem(journal());
    auto database = Database::Open(options);
    if (!database.ok()) {
      ADD_FAILURE() << Text(database.status());
      return nullptr;
    }
    return std::move(*database);
  }

  // What a process of its own finds.
  std::string InChild(const std::function<std::string()>& look) {
    int ends[2];
    SKEIN_CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
      const std::string found = look();
      const auto size = static_cast<ssize_t>(found.size());
      _exit(write(ends[1], found.data(), found.size()) == size ? 0 : 1);
    }
    close(ends[1]);
    std::string found;
    char buffer[512];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
      found.append(buffer, static_cast<size_t>(got));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    return found;
  }

  // The keys and short values of all families, read without the wrapper.
  std::string Contents() {
    return InChild([this] {
      auto database = Database::Open(OptionsFor(data()));
      if (!database.ok()) return Text(database.status());
      std::string all;
      for (rocksdb::ColumnFamilyHandle* family : (*database)->all_families()) {
        const std::unique_ptr<rocksdb::Iterator> it((*database)->db()->NewIterator({}, family));
        for (it->SeekToFirst(); it->Valid(); it->Next()) {
          all +=
              family->GetName() + "/" + it->key().ToString() + "=" + it->value().ToString() + " ";
        }
      }
      (*database)->Abandon();
      return all;
    });
  }

  const TempFolder temp_;
};

// A small script on the file system, without RocksDB.
struct Script {
  explicit Script(const std::string& journal) : files(MakePowerCutFileSystem(journal)) {}

  void Write(const std::string& path, const std::string& synced, const std::string& unsynced = "") {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    SKEIN_CHECK(files->NewWritableFile(path, {}, &file, nullptr).ok());
    SKEIN_CHECK(file->Append(synced, {}, nullptr).ok());
    SKEIN_CHECK(synced.empty() || file->Fsync({}, nullptr).ok());
    SKEIN_CHECK(file->Append(unsynced, {}, nullptr).ok());
    SKEIN_CHECK(file->RangeSync(0, synced.size() + unsynced.size(), {}, nullptr).ok());
    SKEIN_CHECK(file->Flush({}, nullptr).ok());
    SKEIN_CHECK(file->Close({}, nullptr).ok());
  }
  void SyncFolder(const std::string& path) {
    std::unique_ptr<rocksdb::FSDirectory> folder;
    SKEIN_CHECK(files->NewDirectory(path, {}, &folder, nullptr).ok());
    SKEIN_CHECK(folder->Fsync({}, nullptr).ok());
  }
  void Rename(const std::string& from, const std::string& to) {
    SKEIN_CHECK(files->RenameFile(from, to, {}, nullptr).ok());
  }
  void Delete(const std::string& path) { SKEIN_CHECK(files->DeleteFile(path, {}, nullptr).ok()); }

  std::shared_ptr<rocksdb::FileSystem> files;
};

TEST_F(PowerCutTest, BytesThatWereNotSyncedAreGone) {
  Killed([this] {
    Script script(journal());
    script.Write(File("a"), "synced", " not synced");
    script.Write(File("b"), "", "never synced");
    script.SyncFolder(temp_.path());
  });
  EXPECT_EQ(ReadAll(File("a")), "synced not synced");
  Cut();
  EXPECT_EQ(ReadAll(File("a")), "synced");
  EXPECT_EQ(ReadAll(File("b")), "");
  EXPECT_TRUE(std::filesystem::exists(File("b")));
}

TEST_F(PowerCutTest, AFileWhoseFolderWasNotSyncedIsGone) {
  Killed([this] {
    Script script(journal());
    script.Write(File("a"), "synced");
    script.SyncFolder(temp_.path() + "/");
    script.Write(File("b"), "synced");
  });
  Cut();
  EXPECT_EQ(ReadAll(File("a")), "synced");
  EXPECT_FALSE(std::filesystem::exists(File("b")));
}

TEST_F(PowerCutTest, RenamesAndDeletesAreUndoneUntilTheFolderIsSynced) {
  WriteAll(File("older"), "before all");
  for (const bool synced : {false, true}) {
    Killed([this, synced] {
      Script script(journal());
      script.Write(File("current"), "one");
      script.Write(File("deleted"), "here");
      script.Write(File("rewritten"), "first");
      script.SyncFolder(temp_.path());
      script.Write(File("new"), "two");
      script.Rename(File("new"), File("current"));
      script.Delete(File("deleted"));
      script.Delete(File("older"));
      script.Write(File("rewritten"), "second");
      if (synced) script.SyncFolder(temp_.path());
    });
    Cut();
    EXPECT_EQ(ReadAll(File("current")), synced ? "two" : "one");
    EXPECT_EQ(ReadAll(File("deleted")), synced ? "" : "here");
    EXPECT_EQ(ReadAll(File("rewritten")), synced ? "second" : "first");
    EXPECT_EQ(std::filesystem::exists(File("older")), !synced);
    EXPECT_FALSE(std::filesystem::exists(File("new")));
  }
}

TEST_F(PowerCutTest, TheJournalGoesOnInTheNextProcess) {
  Killed([this] { Script(journal()).Write(File("a"), "synced", " and more"); });
  Killed([this] { Script(journal()).SyncFolder(temp_.path()); });
  Cut();
  EXPECT_EQ(ReadAll(File("a")), "synced");
  EXPECT_TRUE(std::filesystem::is_empty(journal() + "/files"));
}

TEST_F(PowerCutTest, ASeedKeepsSomeOfTheRest) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Killed([this] {
      Script script(journal());
      script.Write(File("a"), "synced", std::string(100, 'x'));
      script.SyncFolder(temp_.path());
    });
    Cut(seed);
    const std::string left = ReadAll(File("a"));
    EXPECT_EQ(left, "synced" + std::string(left.size() - 6, 'x'));
    sizes.insert(left.size());
  }
  EXPECT_GT(sizes.size(), 5u);
}

TEST_F(PowerCutTest, ASyncedPutSurvivesAndAnUnsyncedOneDoesNot) {
  Killed([this] {
    auto database = OpenCut();
    SKEIN_CHECK(Put(database.get(), Family::kLog, "synced", "value", true).ok());
    SKEIN_CHECK(Put(database.get(), Family::kLog, "not synced", "value", false).ok());
    (void)database.release();  // not closed, but killed
  });
  Cut();
  EXPECT_EQ(Contents(), "log/synced=value ");
}

TEST_F(PowerCutTest, WithoutTheCutTheUnsyncedPutIsThere) {
  Killed([this] {
    auto database = OpenCut();
    SKEIN_CHECK(Put(database.get(), Family::kLog, "not synced", "value", false).ok());
    (void)database.release();  // not closed, but killed
  });
  EXPECT_EQ(Contents(), "log/not synced=value ");
}

TEST_F(PowerCutTest, AFlushSurvives) {
  Killed([this] {
    auto database = OpenCut();
    for (int i = 0; i < 5; ++i) {
      const std::string key = std::to_string(i);
      SKEIN_CHECK(Put(database.get(), Family::kState, key, "flushed", false, false).ok());
      SKEIN_CHECK(Put(database.get(), Family::kLog, key, "logged").ok());
      SKEIN_CHECK(database->db()->Flush({}, database->all_families()).ok());
    }
    SKEIN_CHECK(Put(database.get(), Family::kState, "5", "in memory", false, false).ok());
    (void)database.release();
  });
  Cut();
  EXPECT_EQ(Contents(),
            "log/0=logged log/1=logged log/2=logged log/3=logged log/4=logged "
            "state/0=flushed state/1=flushed state/2=flushed state/3=flushed state/4=flushed ");
}

// Writes as the committer does, and tells the parent the number of each record that is durable.
class RandomCuts : public PowerCutTest {
 protected:
  // Lives until it is killed.
  void Child(int first, uint64_t seed, bool sync, int told) {
    std::mt19937_64 random(seed);
    auto database = OpenCut();
    if (database == nullptr) _exit(1);
    for (int number = first;; ++number) {
      const std::string key = std::to_string(number);
      rocksdb::WriteBatch batch;
      batch.Put(database->family(Family::kLog), key, std::string(random() % 60'000, 'l'));
      batch.Put(database->family(Family::kRetained), "last", key);
      rocksdb::WriteOptions options;
      options.sync = sync;
      if (!database->db()->Write(options, &batch).ok()) _exit(1);
      if (write(told, &number, sizeof number) != sizeof number) _exit(1);
      if (!Put(database.get(), Family::kState, key, key, false, false).ok()) _exit(1);
      if (random() % 10 == 0 && !database->db()->Flush({}, database->all_families()).ok()) _exit(1);
    }
  }

  // Kills the child after it has told of some records. Returns the last that it told of, or -1.
  int RunAndKill(int first, uint64_t seed, bool sync, int records) {
    int ends[2];
    SKEIN_CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      Child(first, seed, sync, ends[1]);
    }
    close(ends[1]);
    int last = -1;
    const auto take = [&] {
      int number = 0;
      if (read(ends[0], &number, sizeof number) != sizeof number) return false;
      last = number;
      return true;
    };
    for (int i = 0; i < records && take(); ++i) {
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << status;
    while (take()) {
    }
    close(ends[0]);
    return last;
  }

  // How many records are there without a gap; -1: something is wrong.
  int Records() {
    const std::string found = InChild([this]() -> std::string {
      auto database = Database::Open(OptionsFor(data()));
      if (!database.ok()) return Text(database.status());
      rocksdb::DB* db = (*database)->db();
      int number = 0;
      for (std::string value;
           db->Get({}, (*database)->family(Family::kLog), std::to_string(number), &value).ok();)
        ++number;
      const std::string last = Get(database->get(), Family::kRetained, "last");
      (*database)->Abandon();
      if (last == (number == 0 ? "" : std::to_string(number - 1))) return std::to_string(number);
      return "the last of " + std::to_string(number) + " is said to be " + last;
    });
    int number = -1;
    EXPECT_TRUE(absl::SimpleAtoi(found, &number)) << found;
    return number;
  }
};

TEST_F(RandomCuts, NothingThatWasSyncedIsLost) {
  int first = 0;
  std::mt19937_64 random(11);
  for (uint64_t round = 0; round < 25; ++round) {
    SCOPED_TRACE(round);
    const int last = RunAndKill(first, round, true, static_cast<int>(random() % 40));
    if (round % 2 == 0) {
      Cut();
    } else {
      Cut(round);
    }
    const int records = Records();
    ASSERT_GE(records, std::max(first, last + 1));
    first = records;
  }
  EXPECT_GT(first, 100);
}

TEST_F(RandomCuts, AMissingSyncIsFound) {
  bool lost = false;
  for (uint64_t round = 0; round < 10 && !lost; ++round) {
    std::filesystem::remove_all(data());
    std::filesystem::remove_all(journal());
    const int last = RunAndKill(0, round, false, 20);
    Cut();
    lost = Records() < last + 1;
  }
  EXPECT_TRUE(lost);
}

}  // namespace
}  // namespace skein::storage
