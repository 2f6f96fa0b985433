#include "storage/rocksdb/database.h"

#include <gmock/gmock.h>

#include "absl/time/clock.h"
#include "tests/unit/storage/rocksdb/temp_database.h"

namespace skein::storage {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::unique_ptr<Database> MustOpen(const DatabaseOptions& options) {
  auto database = Database::Open(options);
  EXPECT_TRUE(database.ok()) << Text(database.status());
  return database.ok() ? std::move(*database) : nullptr;
}

TEST(Database, HasAllFamilies) {
  const TempFolder temp;
  auto database = MustOpen(OptionsFor(temp.path()));
  ASSERT_NE(database, nullptr);
  EXPECT_EQ(database->partitions(), 4u);
  EXPECT_EQ(database->all_families().size(), kFamilies);
  for (size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    EXPECT_EQ(database->family(family)->GetName(), kFamilyNames[i]);
    EXPECT_TRUE(Put(database.get(), family, "key", kFamilyNames[i]).ok());
  }
  for (size_t i = 0; i < kFamilies; ++i)
    EXPECT_EQ(Get(database.get(), static_cast<Family>(i), "key"), kFamilyNames[i]);
}

TEST(Database, KeepsAllWhenItIsClosedWell) {
  const TempFolder temp;
  for (int start = 0; start < 3; ++start) {
    auto database = MustOpen(OptionsFor(temp.path()));
    ASSERT_NE(database, nullptr);
    for (int i = 0; i < start; ++i) {
      EXPECT_EQ(Get(database.get(), Family::kLog, std::to_string(i)), "logged");
      EXPECT_EQ(Get(database.get(), Family::kState, std::to_string(i)), "not logged");
    }
    const std::string key = std::to_string(start);
    ASSERT_TRUE(Put(database.get(), Family::kLog, key, "logged").ok());
    ASSERT_TRUE(Put(database.get(), Family::kState, key, "not logged", false, false).ok());
  }
}

TEST(Database, KeepsWhatWasLoggedWhenItIsAbandoned) {
  const TempFolder temp;
  auto database = MustOpen(OptionsFor(temp.path()));
  ASSERT_NE(database, nullptr);
  ASSERT_TRUE(Put(database.get(), Family::kState, "flushed", "a", false, false).ok());
  ASSERT_TRUE(database->db()->Flush(rocksdb::FlushOptions(), database->all_families()).ok());
  ASSERT_TRUE(Put(database.get(), Family::kLog, "logged", "b").ok());
  ASSERT_TRUE(Put(database.get(), Family::kState, "neither", "c", false, false).ok());
  database->Abandon();
  database.reset();
  database = MustOpen(OptionsFor(temp.path()));
  ASSERT_NE(database, nullptr);
  EXPECT_EQ(Get(database.get(), Family::kState, "flushed"), "a");
  EXPECT_EQ(Get(database.get(), Family::kLog, "logged"), "b");
  EXPECT_EQ(Get(database.get(), Family::kState, "neither"), "");
}

// A flush that RocksDB makes by itself is one cut through all families: none of them is ahead.
TEST(Database, FlushesAllFamiliesTogether) {
  const TempFolder temp;
  auto database = MustOpen(OptionsFor(temp.path()));
  ASSERT_NE(database, nullptr);
  for (const Family family : {Family::kState, Family::kBodies})
    ASSERT_TRUE(Put(database.get(), family, "key", "value", false, false).ok());
  std::vector<rocksdb::LiveFileMetaData> tables;
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  for (int i = 0; tables.empty() && absl::Now() < deadline; ++i) {
    const std::string entry(10'000, 'q');
    ASSERT_TRUE(Put(database.get(), Family::kQueue, std::to_string(i), entry, false, false).ok());
    database->db()->GetLiveFilesMetaData(&tables);
  }
  ASSERT_FALSE(tables.empty());
  database->Abandon();
  database.reset();
  database = MustOpen(OptionsFor(temp.path()));
  ASSERT_NE(database, nullptr);
  EXPECT_NE(Get(database.get(), Family::kQueue, "0"), "");
  for (const Family family : {Family::kState, Family::kBodies})
    EXPECT_EQ(Get(database.get(), family, "key"), "value");
}

TEST(Database, RefusesASecondOpener) {
  const TempFolder temp;
  const auto first = MustOpen(OptionsFor(temp.path()));
  EXPECT_TRUE(StoreInUse(temp.path()));
  const auto second = Database::Open(OptionsFor(temp.path()));
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(Text(second.status()), HasSubstr("is in use by another process (pid "));
}

TEST(Database, CutsATornTailAndSaysSo) {
  const TempFolder temp;
  auto database = MustOpen(OptionsFor(temp.path()));
  ASSERT_NE(database, nullptr);
  ASSERT_TRUE(Put(database.get(), Family::kLog, "kept", "value").ok());
  ASSERT_TRUE(Put(database.get(), Family::kLog, "torn", "value").ok());
  rocksdb::VectorLogPtr wal;
  ASSERT_TRUE(database->db()->GetSortedWalFiles(wal).ok());
  const std::string file = temp / "db" + wal.back()->PathName();
  database->Abandon();
  database.reset();
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);

  EventLog log;
  DatabaseOptions options = OptionsFor(temp.path());
  options.log = &log;
  database = MustOpen(options);
  ASSERT_NE(database, nullptr);
  EXPECT_EQ(Get(database.get(), Family::kLog, "kept"), "value");
  EXPECT_EQ(Get(database.get(), Family::kLog, "torn"), "");
  EXPECT_THAT(log.events, Contains("store.tail_cut"));
}

// The file in db whose name has this in it, or "".
std::string FileLike(const TempFolder& temp, const std::string& part) {
  for (const auto& entry : std::filesystem::directory_iterator(temp / "db")) {
    if (entry.path().filename().string().find(part) != std::string::npos)
      return entry.path().string();
  }
  return "";
}

void FlipByte(const std::string& path, size_t at) {
  std::string bytes = ReadAll(path);
  ASSERT_LT(at, bytes.size());
  bytes[at] ^= 1;
  WriteAll(path, bytes);
}

// A database whose one table is about to be damaged.
class DamagedDatabase : public ::testing::Test {
 protected:
  DamagedDatabase() {
    auto database = MustOpen(OptionsFor(temp_.path()));
    EXPECT_TRUE(Put(database.get(), Family::kLog, "key", "value").ok());
    database.reset();
    table_ = FileLike(temp_, ".sst");
    EXPECT_NE(table_, "");
  }

  void Refuses(const std::string& why) {
    // At each start, and nothing is lost by trying.
    for (int start = 0; start < 3; ++start) {
      const auto refused = Database::Open(OptionsFor(temp_.path()));
      EXPECT_TRUE(absl::IsDataLoss(refused.status())) << refused.status();
      EXPECT_THAT(Text(refused.status()), HasSubstr(why));
      EXPECT_THAT(Text(refused.status()), HasSubstr("skeinmqd --repair"));
    }
  }

  // What is left of the value.
  std::string Repair() {
    EventLog log;
    DatabaseOptions options = OptionsFor(temp_.path());
    options.repair = true;
    options.log = &log;
    auto database = MustOpen(options);
    if (database == nullptr) return "does not open";
    EXPECT_THAT(log.events, Contains("store.repairing"));
    std::string value = Get(database.get(), Family::kLog, "key");
    database.reset();
    database = MustOpen(OptionsFor(temp_.path()));
    EXPECT_EQ(Get(database.get(), Family::kLog, "key"), value);
    return value;
  }

  const TempFolder temp_;
  std::string table_;
};

TEST_F(DamagedDatabase, WithoutATable) {
  std::filesystem::remove(table_);
  Refuses(std::filesystem::path(table_).stem().string());
  EXPECT_EQ(Repair(), "");
}

TEST_F(DamagedDatabase, WithATableThatHasNoEnd) {
  std::filesystem::resize_file(table_, std::filesystem::file_size(table_) / 2);
  Refuses(table_);
  EXPECT_EQ(Repair(), "");
  EXPECT_NE(FileLike(temp_, "lost"), "");
}

// RocksDB does not look into a table when it opens it.
TEST_F(DamagedDatabase, WithADamagedBlock) {
  FlipByte(table_, 10);
  EXPECT_EQ(Repair(), "");
  EXPECT_NE(FileLike(temp_, "lost"), "");
}

TEST_F(DamagedDatabase, WithoutCurrent) {
  std::filesystem::remove(temp_ / "db/CURRENT");
  Refuses("CURRENT is missing");
  EXPECT_TRUE(std::filesystem::exists(table_));
  EXPECT_EQ(Repair(), "value");
}

TEST_F(DamagedDatabase, WithoutManifest) {
  const std::string manifest = FileLike(temp_, "MANIFEST");
  std::filesystem::remove(manifest);
  Refuses(manifest);
  EXPECT_EQ(Repair(), "value");
}

TEST_F(DamagedDatabase, WithADamagedManifest) {
  FlipByte(FileLike(temp_, "MANIFEST"), 10);
  Refuses("MANIFEST");
  EXPECT_EQ(Repair(), "value");
}

TEST_F(DamagedDatabase, WithoutItsFolder) {
  std::filesystem::remove_all(temp_ / "db");
  Refuses("the folder is missing");
}

TEST(Database, GoesOnAfterACrashBeforeItWasMade) {
  const TempFolder temp;
  ASSERT_TRUE(DataDir::Open(temp.path(), 4).ok());
  WriteAll(temp / "db/MANIFEST-000001", "");
  WriteAll(temp / "db/IDENTITY", "");
  EXPECT_NE(MustOpen(OptionsFor(temp.path())), nullptr);
}

}  // namespace
}  // namespace skein::storage
