#include "storage/rocksdb/data_dir.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/unit/storage/rocksdb/temp_database.h"

namespace skein::storage {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::string& path, uint32_t partitions = 4) {
  const auto dir = DataDir::Open(path, partitions);
  return dir.ok() ? "" : Text(dir.status());
}

TEST(DataDir, MakesTheFoldersAboveItAndWritesTheFormat) {
  const TempFolder temp;
  const std::string path = temp / "var/lib/skein/";
  ASSERT_EQ(Refusal(path), "");
  EXPECT_EQ(ReadAll(path + "/FORMAT"), "version 1\npartitions 4\n");
  EXPECT_TRUE(std::filesystem::is_directory(path + "/db"));
  const auto format = ReadFormat(path);
  ASSERT_TRUE(format.ok());
  EXPECT_EQ(format->version, kFormatVersion);
  EXPECT_EQ(format->partitions, 4u);
}

TEST(DataDir, OpensAgainWhenTheFirstOwnerHasGone) {
  const TempFolder temp;
  ASSERT_TRUE(DataDir::Open(temp.path(), 4).ok());
  EXPECT_EQ(Refusal(temp.path()), "");
}

TEST(DataDir, RefusesASecondOwnerAndSaysWhoTheFirstIs) {
  const TempFolder temp;
  const auto first = DataDir::Open(temp.path(), 4);
  ASSERT_TRUE(first.ok());
  const auto second = DataDir::Open(temp.path(), 4);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_EQ(Text(second.status()), "the data directory " + temp.path() +
                                       " is in use by another process (pid " +
                                       std::to_string(getpid()) + ")");
}

TEST(DataDir, RefusesANewerFormat) {
  const TempFolder temp;
  WriteAll(temp / "FORMAT", "version 2\npartitions 4\nsomething new\n");
  EXPECT_THAT(Refusal(temp.path()), HasSubstr("has format 2, this version of skeinmqd reads up "));
}

TEST(DataDir, RefusesAnotherNumberOfPartitions) {
  const TempFolder temp;
  ASSERT_EQ(Refusal(temp.path(), 4), "");
  EXPECT_THAT(Refusal(temp.path(), 8), HasSubstr("has 4 partitions, the configuration asks for 8"));
}

TEST(DataDir, RefusesAFormatFileThatIsNone) {
  const TempFolder temp;
  for (const char* text : {"", "partitions 4\n", "\n\n", "version\n", "version one\n"}) {
    WriteAll(temp / "FORMAT", text);
    EXPECT_THAT(Refusal(temp.path()), HasSubstr("not a FORMAT file")) << text;
  }
}

TEST(DataDir, RefusesADatabaseWithoutAFormat) {
  const TempFolder temp;
  std::filesystem::create_directory(temp / "db");
  WriteAll(temp / "db/CURRENT", "MANIFEST-000001\n");
  EXPECT_THAT(Refusal(temp.path()), HasSubstr("holds a database, but not the file FORMAT"));
  EXPECT_TRUE(absl::IsNotFound(ReadFormat(temp.path()).status()));
}

TEST(DataDir, GoesOnAfterACrashBeforeTheFormatWasWritten) {
  const TempFolder temp;
  std::filesystem::create_directory(temp / "db");
  WriteAll(temp / "FORMAT.new", "vers");
  EXPECT_EQ(Refusal(temp.path()), "");
  EXPECT_EQ(ReadAll(temp / "FORMAT"), "version 1\npartitions 4\n");
}

TEST(DataDir, NamesThePathThatCannotBeMade) {
  const TempFolder temp;
  WriteAll(temp / "file", "");
  EXPECT_THAT(Refusal(temp / "file/data"),
              HasSubstr("cannot make the data directory " + temp.path() + "/file: "));
}

}  // namespace
}  // namespace skein::storage
