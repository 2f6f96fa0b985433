#include "storage/rocksdb/disk_space.h"

#include <gmock/gmock.h>

#include "tests/unit/storage/rocksdb/temp_database.h"

namespace skein::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Disk {
  Space space{1'000, 1'000'000};
  EventLog log;
  DiskSpace watched{[this] { return space; }, 1'000, &log};

  bool FullWith(uint64_t free_bytes) {
    space.free_bytes = free_bytes;
    watched.Check();
    return watched.full();
  }
};

TEST(DiskSpace, IsFullBelowTheReserve) {
  Disk disk;
  EXPECT_FALSE(disk.watched.full());
  EXPECT_FALSE(disk.FullWith(1'000));
  EXPECT_THAT(disk.log.events, IsEmpty());
  EXPECT_TRUE(disk.FullWith(999));
  EXPECT_EQ(disk.watched.free_bytes(), 999u);
}

TEST(DiskSpace, HasRoomAgainATenthAboveTheReserve) {
  Disk disk;
  EXPECT_TRUE(disk.FullWith(0));
  EXPECT_TRUE(disk.FullWith(1'099));
  EXPECT_FALSE(disk.FullWith(1'100));
  EXPECT_FALSE(disk.FullWith(1'000));
}

TEST(DiskSpace, SaysEachChangeOnce) {
  Disk disk;
  for (const uint64_t free : {5'000, 500, 400, 1'050, 2'000, 1'000, 900})
    disk.FullWith(free);
  EXPECT_THAT(disk.log.events,
              ElementsAre("store.disk_full", "store.disk_has_room", "store.disk_full"));
}

TEST(DiskSpace, KeepsATenthOfASmallDisk) {
  Disk disk;
  disk.space.total_bytes = 5'000;
  EXPECT_FALSE(disk.FullWith(500));
  EXPECT_TRUE(disk.FullWith(499));
}

TEST(DiskSpace, ADiskThatDoesNotAnswerIsNotFull) {
  DiskSpace disk(DiskSpace::ProbeOf("/no/such/folder"), 1'000, nullptr);
  disk.Check();
  EXPECT_FALSE(disk.full());
}

TEST(DiskSpace, AsksTheFileSystem) {
  const TempFolder temp;
  const Space space = DiskSpace::ProbeOf(temp.path())();
  EXPECT_GT(space.total_bytes, 0u);
  EXPECT_LE(space.free_bytes, space.total_bytes);
  EXPECT_NE(space.total_bytes, UINT64_MAX);
}

}  // namespace
}  // namespace skein::storage
