#include "storage/rocksdb/wal_check.h"

#include <gmock/gmock.h>

#include <random>

#include "storage/rocksdb/crc32c.h"
#include "tests/unit/storage/rocksdb/temp_database.h"

namespace skein::storage {
namespace {

using ::testing::HasSubstr;

// The write-ahead log of a database that was killed. A value is the payload of one record; its key
// is its number.
class WalTest : public ::testing::Test {
 protected:
  struct File {
    std::string name;
    std::string bytes;
    std::vector<uint64_t> ends;  // of each record
  };

  void Write(const std::vector<std::string>& values) {
    auto database = Database::Open(OptionsFor(temp_.path()));
    ASSERT_TRUE(database.ok()) << Text(database.status());
    file_.ends.clear();
    for (const std::string& value : values) {
      const std::string key = std::to_string(file_.ends.size());
      ASSERT_TRUE(Put(database->get(), Family::kLog, key, value).ok());
      file_.name = LastFile();
      file_.ends.push_back(std::filesystem::file_size(file_.name));
    }
    (*database)->Abandon();
    database->reset();
    file_.bytes = ReadAll(file_.name);
  }

  std::string LastFile() const {
    std::string last;
    for (const auto& entry : std::filesystem::directory_iterator(temp_ / "db")) {
      if (entry.path().extension() == ".log") last = std::max(last, entry.path().string());
    }
    return last;
  }

  absl::StatusOr<WalReport> Check(bool repair = false, bool dry_run = false) {
    return CheckWal(rocksdb::FileSystem::Default().get(), temp_ / "db", temp_.path(), repair,
                    dry_run);
  }

  // How many of the values RocksDB reads after the check; -1: it does not open.
  int Opens() {
    auto database = Database::Open(OptionsFor(temp_.path()));
    if (!database.ok()) {
      ADD_FAILURE() << Text(database.status());
      return -1;
    }
    int values = 0;
    while (Get(database->get(), Family::kLog, std::to_string(values)) != "")
      ++values;
    (*database)->Abandon();
    return values;
  }

  // Puts the folder back to what Write() left, for the next try.
  void Save() { std::filesystem::copy(temp_ / "db", saved_ / "db"); }
  void Restore() {
    std::filesystem::remove_all(temp_ / "db");
    std::filesystem::copy(saved_ / "db", temp_ / "db");
  }

  const TempFolder temp_;
  const TempFolder saved_;
  File file_;
};

std::string Noise(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes)
    c = static_cast<char>(random());
  return bytes;
}

TEST_F(WalTest, ASoundLogIsLeftAlone) {
  Write({"a", Noise(100'000, 1), "c"});
  const auto report = Check();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->records, 3u);
  EXPECT_EQ(report->dropped_bytes, 0u);
  EXPECT_EQ(report->file, "");
  EXPECT_EQ(ReadAll(file_.name), file_.bytes);
  EXPECT_EQ(Opens(), 3);
}

TEST_F(WalTest, AnEmptyFolderAndAMissingOneAreSound) {
  std::filesystem::create_directory(temp_ / "db");
  EXPECT_TRUE(Check().ok());
  std::filesystem::remove(temp_ / "db");
  EXPECT_TRUE(Check().ok());
}

TEST_F(WalTest, EveryCutThroughTheLastRecordIsTorn) {
  Write({"first", Noise(300, 2), "the last one"});
  Save();
  const File& file = file_;
  for (uint64_t size = file.ends[1] + 1; size < file.ends[2]; ++size) {
    Restore();
    std::filesystem::resize_file(file.name, size);
    const auto report = Check();
    ASSERT_TRUE(report.ok()) << size << Text(report.status());
    EXPECT_EQ(report->records, 2u);
    EXPECT_EQ(report->file, file.name);
    EXPECT_EQ(report->kept_bytes, file.ends[1]);
    EXPECT_EQ(report->dropped_bytes, size - file.ends[1]);
    EXPECT_EQ(ReadAll(file.name), file.bytes.substr(0, file.ends[1]));
    EXPECT_EQ(Opens(), 2) << size;
  }
}

// 7 bytes are a fragment's head; blocks are of 32 KiB.
TEST_F(WalTest, CutsThroughARecordOfManyBlocksAreTorn) {
  Write({"first", Noise(100'000, 3)});
  Save();
  const File& file = file_;
  std::vector<uint64_t> sizes;
  for (uint64_t block = 32'768; block < file.ends[1]; block += 32'768) {
    for (uint64_t size = block - 9; size <= block + 9; ++size)
      sizes.push_back(size);
  }
  for (uint64_t i = 1; i < 20; ++i) {
    sizes.push_back(file.ends[0] + i);
    sizes.push_back(file.ends[1] - i);
  }
  std::mt19937_64 random(4);
  for (int i = 0; i < 100; ++i)
    sizes.push_back(file.ends[0] + 1 + random() % (file.ends[1] - file.ends[0] - 1));
  for (const uint64_t size : sizes) {
    WriteAll(file.name, file.bytes.substr(0, size));
    const auto report = Check();
    ASSERT_TRUE(report.ok()) << size << Text(report.status());
    EXPECT_EQ(report->kept_bytes, file.ends[0]);
    EXPECT_EQ(report->dropped_bytes, size - file.ends[0]);
    EXPECT_EQ(ReadAll(file.name), file.bytes.substr(0, file.ends[0]));
  }
  EXPECT_EQ(Opens(), 1);
}

// A record that begins where a block has less than a head left, and ends with its block.
TEST_F(WalTest, RecordsThatMeetTheEndOfABlock) {
  for (size_t first = 32'768 - 60; first <= 32'768 - 25; ++first) {
    std::filesystem::remove_all(temp_ / "db");
    std::filesystem::remove(temp_ / "FORMAT");
    Write({std::string(first, 'x'), "second", "third"});
    auto report = Check();
    ASSERT_TRUE(report.ok()) << first << Text(report.status());
    EXPECT_EQ(report->records, 3u);
    EXPECT_EQ(report->dropped_bytes, 0u);
    EXPECT_EQ(ReadAll(file_.name), file_.bytes);
    std::filesystem::resize_file(file_.name, file_.ends[2] - 1);
    EXPECT_EQ(Opens(), 2) << first;
  }
}

TEST_F(WalTest, ZerosBehindTheLastRecordAreNoLoss) {
  Write({"first", "second"});
  Save();
  const File& file = file_;
  for (const size_t zeros : {1, 6, 7, 8, 100, 32'768, 100'000}) {
    Restore();
    WriteAll(file.name, file.bytes + std::string(zeros, '\0'));
    const auto report = Check();
    ASSERT_TRUE(report.ok()) << zeros << Text(report.status());
    EXPECT_EQ(report->dropped_bytes, 0u) << zeros;
    EXPECT_EQ(ReadAll(file.name), file.bytes);
    EXPECT_EQ(Opens(), 2);
  }
}

TEST_F(WalTest, ATornRecordWithHolesIsTorn) {
  Write({"first", Noise(100'000, 5)});
  const File& file = file_;
  std::mt19937_64 random(6);
  for (int i = 0; i < 200; ++i) {
    std::string bytes = file.bytes;
    uint64_t at = file.ends[0];
    bool any = false;
    while (at < bytes.size()) {
      const uint64_t end = std::min<uint64_t>(bytes.size(), (at / 512 + 1) * 512);
      if (random() % 2 == 0) {
        std::fill(bytes.begin() + static_cast<ptrdiff_t>(at),
                  bytes.begin() + static_cast<ptrdiff_t>(end), '\0');
        any = true;
      }
      at = end;
    }
    ASSERT_TRUE(any);
    WriteAll(file.name, bytes);
    const auto report = Check();
    ASSERT_TRUE(report.ok()) << Text(report.status());
    EXPECT_EQ(ReadAll(file.name), file.bytes.substr(0, file.ends[0]));
  }
  EXPECT_EQ(Opens(), 1);
}

TEST_F(WalTest, GarbageBehindTheLastRecordIsTorn) {
  Write({"first", "second"});
  Save();
  const File& file = file_;
  for (const size_t size : {1, 6, 7, 8, 20, 1'000, 40'000, 100'000}) {
    Restore();
    WriteAll(file.name, file.bytes + Noise(size, size));
    const auto report = Check();
    ASSERT_TRUE(report.ok()) << size << Text(report.status());
    EXPECT_EQ(report->dropped_bytes, size);
    EXPECT_EQ(Opens(), 2);
  }
}

// A client may have sent what looks like a piece of a log.
TEST_F(WalTest, APayloadThatLooksLikeALogDoesNotMakeATornRecordDamage) {
  std::string looks_like;
  for (int i = 0; i < 20; ++i) {
    std::string body = "\x01";  // a whole record
    body += Noise(8, 100 + static_cast<uint64_t>(i)) + std::string(20, 'x');
    const uint32_t crc = Crc32c(body.data(), body.size());
    const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    for (int shift = 0; shift < 32; shift += 8)
      looks_like += static_cast<char>(masked >> shift);
    looks_like += static_cast<char>(body.size() - 1);
    looks_like += '\0';
    looks_like += body;
  }
  Write({"first", looks_like});
  const File& file = file_;
  std::filesystem::resize_file(file.name, file.ends[1] - 1);
  EXPECT_EQ(Opens(), 1);
}

TEST_F(WalTest, EveryFlippedByteBeforeTheLastRecordIsDamage) {
  Write({"first", Noise(200, 7), "third"});
  const File& file = file_;
  for (uint64_t at = 0; at < file.ends[1]; ++at) {
    std::string bytes = file.bytes;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
    WriteAll(file.name, bytes);
    const auto report = Check();
    ASSERT_TRUE(absl::IsDataLoss(report.status())) << at;
    const uint64_t from = at < file.ends[0] ? 0 : file.ends[0];
    EXPECT_THAT(Text(report.status()), HasSubstr("log " + file.name + " is damaged at byte " +
                                                 std::to_string(from) + " and goes on after that"));
    EXPECT_THAT(Text(report.status()), HasSubstr("skeinmqd --repair"));
    EXPECT_EQ(ReadAll(file.name), bytes) << "a refused log must not be changed";
  }
}

TEST_F(WalTest, DamageInARecordOfManyBlocksIsDamage) {
  Write({"first", Noise(100'000, 8), "third"});
  const File& file = file_;
  std::mt19937_64 random(9);
  for (int i = 0; i < 100; ++i) {
    std::string bytes = file.bytes;
    const uint64_t at = file.ends[0] + random() % (file.ends[1] - file.ends[0]);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    WriteAll(file.name, bytes);
    const auto report = Check();
    ASSERT_TRUE(absl::IsDataLoss(report.status())) << at;
    EXPECT_THAT(Text(report.status()), HasSubstr("byte " + std::to_string(file.ends[0])));
  }
  // A hole of whole blocks.
  std::string bytes = file.bytes;
  std::fill(bytes.begin() + 32'768, bytes.begin() + 2 * 32'768, '\0');
  WriteAll(file.name, bytes);
  EXPECT_TRUE(absl::IsDataLoss(Check().status()));
  EXPECT_TRUE(absl::IsDataLoss(Database::Open(OptionsFor(temp_.path())).status()));
}

TEST_F(WalTest, ADryRunChangesNothing) {
  Write({"first", "second"});
  const File& file = file_;
  std::filesystem::resize_file(file.name, file.ends[1] - 1);
  const auto report = Check(false, true);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->kept_bytes, file.ends[0]);
  EXPECT_EQ(std::filesystem::file_size(file.name), file.ends[1] - 1);
}

TEST_F(WalTest, RepairKeepsWhatComesBeforeAndSavesTheRest) {
  Write({"first", "second", Noise(50'000, 10), "last"});
  const File& file = file_;
  std::string bytes = file.bytes;
  bytes[file.ends[0] + 10] ^= 1;
  WriteAll(file.name, bytes);
  const auto report = Check(true);
  ASSERT_TRUE(report.ok()) << Text(report.status());
  EXPECT_EQ(report->file, file.name);
  EXPECT_EQ(report->kept_bytes, file.ends[0]);
  EXPECT_EQ(report->dropped_bytes, bytes.size() - file.ends[0]);
  EXPECT_THAT(report->saved_to, HasSubstr(temp_ / "dropped-"));
  EXPECT_EQ(ReadAll(report->saved_to), bytes.substr(file.ends[0]));
  EXPECT_EQ(Opens(), 1);
}

// Makes a second file of the log from the first: RocksDB goes on with it.
TEST_F(WalTest, SeveralFiles) {
  Write({"0", "1", "2", "3"});
  const File whole = file_;
  const uint64_t number = std::stoull(std::filesystem::path(whole.name).stem().string());
  const auto name = [&](uint64_t i) {
    const std::string digits = std::to_string(number + i);
    return temp_ / "db/" + std::string(6 - digits.size(), '0') + digits + ".log";
  };
  const auto split = [&] {
    WriteAll(name(0), whole.bytes.substr(0, whole.ends[1]));
    WriteAll(name(1), whole.bytes.substr(whole.ends[1], whole.ends[2] - whole.ends[1]));
    WriteAll(name(2), whole.bytes.substr(whole.ends[2]));
  };
  split();
  auto report = Check();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->records, 4u);
  Save();

  // The last file is torn.
  std::filesystem::resize_file(name(2), 9);
  report = Check();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->file, name(2));
  EXPECT_EQ(Opens(), 3);

  // An earlier one is, and others follow.
  Restore();
  std::filesystem::resize_file(name(0), whole.ends[1] - 1);
  report = Check();
  ASSERT_TRUE(absl::IsDataLoss(report.status()));
  EXPECT_THAT(Text(report.status()),
              HasSubstr(name(0) + " is damaged at byte " + std::to_string(whole.ends[0])));

  // The followers are torn themselves.
  Restore();
  std::filesystem::resize_file(name(0), whole.ends[1] - 1);
  std::filesystem::resize_file(name(1), 5);
  std::filesystem::resize_file(name(2), 0);
  report = Check();
  ASSERT_TRUE(report.ok()) << Text(report.status());
  EXPECT_EQ(report->file, name(0));
  EXPECT_EQ(report->dropped_bytes, whole.ends[1] - 1 - whole.ends[0] + 5);
  EXPECT_EQ(Opens(), 1);

  // Repair: the rest of the broken file and all that follow go to one file, in order.
  Restore();
  std::filesystem::resize_file(name(0), whole.ends[1] - 1);
  report = Check(true);
  ASSERT_TRUE(report.ok()) << Text(report.status());
  EXPECT_EQ(report->dropped_bytes, whole.bytes.size() - whole.ends[0] - 1);
  EXPECT_EQ(ReadAll(report->saved_to),
            whole.bytes.substr(whole.ends[0], whole.ends[1] - 1 - whole.ends[0]) +
                whole.bytes.substr(whole.ends[1]));
  EXPECT_FALSE(std::filesystem::exists(name(1)));
  EXPECT_FALSE(std::filesystem::exists(name(2)));
  EXPECT_EQ(Opens(), 1);

  // A second repair has a file of its own.
  Restore();
  const std::string first_dropped = report->saved_to;
  std::filesystem::resize_file(name(0), whole.ends[1] - 1);
  report = Check(true);
  ASSERT_TRUE(report.ok());
  EXPECT_NE(report->saved_to, first_dropped);
}

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(Crc32c("", 0), 0u);
  EXPECT_EQ(Crc32c("123456789", 9), 0xe3069283u);
  const std::string zeros(32, '\0');
  EXPECT_EQ(Crc32c(zeros.data(), zeros.size()), 0x8a9136aau);  // RFC 3720, B.4
}

}  // namespace
}  // namespace skein::storage
