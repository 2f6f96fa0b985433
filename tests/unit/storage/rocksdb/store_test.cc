// The store as its users see it: what is durable, and what is there after a restart or a crash.
#include "storage/rocksdb/store.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "gmock/gmock.h"
#include "storage/rocksdb/keys.h"
#include "tests/unit/storage/rocksdb/store_node.h"

namespace skein::storage {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

// Keys in the family "log".
size_t FramesInLog(Database* database) {
  size_t frames = 0;
  const std::unique_ptr<rocksdb::Iterator> each(
      database->db()->NewIterator(rocksdb::ReadOptions(), database->family(Family::kLog)));
  for (each->SeekToFirst(); each->Valid(); each->Next())
    ++frames;
  return frames;
}

TEST(Store, NumbersRecordsFromOneAndMakesThemDurableInOrder) {
  StoreNode node;
  EXPECT_EQ(node.shard().durable(), 0u);
  EXPECT_EQ(node.Connect(1), 1u);
  EXPECT_EQ(node.Connect(2), 2u);
  ASSERT_TRUE(node.Settle(2));
  EXPECT_EQ(node.shard().durable(), 2u);
  ASSERT_TRUE(node.Settle(node.Enqueue(1, 1, "a")));
  EXPECT_EQ(node.shard().durable(), 3u);
}

TEST(Store, NothingIsDurableBeforeItIsCommitted) {
  StoreNode node;
  node.Connect(1);
  ASSERT_TRUE(node.Settle(1));
  node.Enqueue(1, 1, "lost");
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_THAT(node.Payloads(1), IsEmpty());
  EXPECT_THAT(node.Recover(), SizeIs(1));
}

TEST(Store, ACleanRestartReplaysNothingAndKeepsAll) {
  StoreNode node;
  node.Connect(1, "first");
  node.Connect(2, "second");
  node.shard().Append(StoreNode::Key(2), session::Subscribed{"a/#", {Qos::kAtLeastOnce}});
  node.Enqueue(1, 1, "a");
  ASSERT_TRUE(node.Settle(node.Enqueue(1, 2, "b")));
  ASSERT_TRUE(node.Restart().ok());
  EXPECT_EQ(node.store().stats().replayed_frames, 0u);
  EXPECT_EQ(FramesInLog(node.store().database()), 0u);
  const auto images = node.Recover();
  ASSERT_THAT(images, SizeIs(2));
  EXPECT_EQ(images.at(1).client_id, "first");
  EXPECT_EQ(images.at(1).queued_messages, 2u);
  ASSERT_THAT(images.at(2).subscriptions, SizeIs(1));
  EXPECT_EQ(images.at(2).subscriptions[0].first, "a/#");
  EXPECT_THAT(node.Payloads(1), ElementsAre("a", "b"));
}

TEST(Store, ACrashLosesNothingThatWasDurable) {
  StoreNode node;
  node.Connect(1, "first");
  for (uint64_t sequence = 1; sequence <= 5; ++sequence)
    ASSERT_TRUE(node.Settle(node.Enqueue(1, sequence, std::to_string(sequence))));
  node.shard().Append(StoreNode::Key(1), session::Sent{1, 7});
  const session::Lsn last = node.shard().Append(StoreNode::Key(1), session::Completed{2, 100});
  ASSERT_TRUE(node.Settle(last));
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_EQ(node.store().stats().replayed_frames, 6u);
  EXPECT_THAT(node.Payloads(1), ElementsAre("1", "3", "4", "5"));
  const session::SessionImage image = node.Recover().at(1);
  EXPECT_EQ(image.client_id, "first");
  EXPECT_EQ(image.queued_messages, 4u);
  EXPECT_EQ(image.last_sent, 1u);
  // And it goes on where it was.
  ASSERT_TRUE(node.Settle(node.Enqueue(1, 6, "6")));
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_EQ(node.store().stats().replayed_frames, 7u);
  EXPECT_THAT(node.Payloads(1), ElementsAre("1", "3", "4", "5", "6"));
}

TEST(Store, ACheckpointCutsTheLogOff) {
  StoreOptions options;
  options.checkpoint_bytes = 1;  // after each commit
  StoreNode node(options);
  node.Connect(1);
  for (uint64_t sequence = 1; sequence <= 20; ++sequence) {
    const session::Lsn lsn = node.Enqueue(1, sequence, std::to_string(sequence));
    node.shard().Commit();
    // It was applied; so the checkpoint after the one before has been made.
    EXPECT_THAT(node.Payloads(1, lsn), SizeIs(sequence));
  }
  EXPECT_GE(node.store().stats().checkpoints, 19u);
  EXPECT_LE(FramesInLog(node.store().database()), 1u);
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_LE(node.store().stats().replayed_frames, 20u);
  EXPECT_THAT(node.Payloads(1), SizeIs(20));
  ASSERT_TRUE(node.Restart().ok());
  EXPECT_EQ(node.store().stats().replayed_frames, 0u);
  EXPECT_THAT(node.Payloads(1), SizeIs(20));
}

TEST(Store, APageShowsTheRecordsItAsksFor) {
  StoreNode node;
  node.Connect(1);
  for (uint64_t sequence = 1; sequence <= 50; ++sequence) {
    const session::Lsn lsn = node.Enqueue(1, sequence, "m");
    node.shard().Commit();
    EXPECT_THAT(node.Read(1, lsn).entries, SizeIs(sequence));
  }
}

TEST(Store, AQueueKnowsTheSharedGroupsOfItsMessages) {
  StoreNode node;
  node.Connect(1);
  const auto enqueue = [&](uint64_t sequence, std::string_view group) {
    session::Enqueued record;
    record.sequence = sequence;
    record.message = StoreNode::Message("m");
    if (!group.empty()) record.share = routing::ShareRef(group);
    return node.shard().Append(StoreNode::Key(1), record);
  };
  enqueue(1, "$share/g/t");
  enqueue(2, "");
  enqueue(3, "$share/h/t");
  ASSERT_TRUE(node.Settle(enqueue(4, "$share/h/t")));
  ASSERT_TRUE(node.Crash().ok());
  node.Recover();
  std::vector<std::string> groups;
  for (const session::StoredDelivery& entry : node.Read(1).entries)
    groups.emplace_back(entry.share.text());
  EXPECT_EQ(groups, (std::vector<std::string>{"$share/g/t", "", "$share/h/t", "$share/h/t"}));
}

TEST(Store, WhatIsCancelledInTimeIsNeverWritten) {
  StoreNode node;
  node.Connect(1);
  const session::Lsn first = node.Enqueue(1, 1, "a");
  node.Enqueue(1, 2, "b");
  EXPECT_TRUE(node.shard().Cancel(first));
  ASSERT_TRUE(node.Settle(3));
  EXPECT_FALSE(node.shard().Cancel(3)) << "it is on disk";
  EXPECT_THAT(node.Payloads(1, 3), ElementsAre("b"));
  EXPECT_EQ(node.store().stats().records_cancelled, 1u);
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_THAT(node.Payloads(1), ElementsAre("b"));
}

// Each would wait for the committer's look around, once a second, if nothing else told the reader.
TEST(Store, AReadBehindCancelledRecordsAloneDoesNotWaitForTheNextWrite) {
  StoreNode node;
  ASSERT_TRUE(node.Settle(node.Connect(1)));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (uint64_t round = 0; round < 300; ++round) {
    const session::Lsn lsn = node.Enqueue(1, round + 1, "m");
    ASSERT_TRUE(node.shard().Cancel(lsn));
    ASSERT_TRUE(node.Settle(lsn));
    EXPECT_TRUE(node.Read(1, lsn).entries.empty());
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "in round " << round;
  }
}

TEST(Store, CancelledRecordsAloneBecomeDurableWithoutAWrite) {
  StoreNode node;
  ASSERT_TRUE(node.Settle(node.Connect(1)));
  const uint64_t commits = node.store().stats().commits;
  const session::Lsn lsn = node.Enqueue(1, 1, "a");
  EXPECT_TRUE(node.shard().Cancel(lsn));
  ASSERT_TRUE(node.Settle(lsn));
  EXPECT_EQ(node.store().stats().commits, commits);
}

TEST(Store, ARecordOfAnIncompleteGroupHoldsBackWhatFollows) {
  StoreOptions options;
  options.shards = 2;
  StoreNode node(options);
  node.Connect(1);
  node.shard(1).Append(StoreNode::Key(2), session::Connected{"two", UINT32_MAX, 5, {}});
  ASSERT_TRUE(node.Settle(1, 0) && node.Settle(1, 1));
  auto group = std::make_shared<session::CommitGroup>();
  node.shard(0).Open(group);
  node.Enqueue(1, 1, "grouped", group);
  node.Enqueue(1, 2, "behind");
  node.shard(0).Close(group);
  node.shard(0).Commit();
  // Another shard's records pass by, so the committer has looked at this one's.
  ASSERT_TRUE(node.Settle(node.Enqueue(2, 1, "other", {}, 1), 1));
  EXPECT_EQ(node.shard(0).durable(), 1u);
  node.Enqueue(2, 2, "its part", group, 1);
  node.shard(1).Close(group);
  ASSERT_TRUE(node.Settle(3, 1) && node.AwaitDurable(3, 0));
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_THAT(node.Payloads(1), ElementsAre("grouped", "behind"));
  EXPECT_THAT(node.Payloads(2), ElementsAre("other", "its part"));
}

TEST(Store, AMessageOfSeveralQueuesStandsOnceInThePartition) {
  StoreNode node;
  const std::string payload(4'096, 'p');
  for (uint64_t number = 4; number <= 400; number += 4)
    node.Connect(number);  // one partition
  ASSERT_TRUE(node.Settle(100));
  const uint64_t before = node.store().stats().bytes_written;
  session::Enqueued record;
  record.sequence = 1;
  record.message = StoreNode::Message(payload);
  session::Lsn last = 0;
  for (uint64_t number = 4; number <= 400; number += 4)
    last = node.shard().Append(StoreNode::Key(number), record);
  ASSERT_TRUE(node.Settle(last));
  EXPECT_LT(node.store().stats().bytes_written - before, 2 * payload.size() + 100 * 32);
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_THAT(node.Payloads(4), ElementsAre(payload));
  EXPECT_THAT(node.Payloads(400), ElementsAre(payload));
}

class StoreDurability : public ::testing::TestWithParam<Durability> {};

TEST_P(StoreDurability, ACleanStopKeepsEverything) {
  StoreOptions options;
  options.durability = GetParam();
  StoreNode node(options);
  node.Connect(1);
  ASSERT_TRUE(node.Settle(node.Enqueue(1, 1, "a")));
  const uint64_t fsyncs = node.store().stats().fsyncs;
  EXPECT_EQ(fsyncs > 0, GetParam() == Durability::kFsync);
  ASSERT_TRUE(node.Restart().ok());
  EXPECT_THAT(node.Payloads(1), ElementsAre("a"));
}

TEST_P(StoreDurability, ACrashKeepsWhatItSays) {
  StoreOptions options;
  options.durability = GetParam();
  StoreNode node(options);
  node.Connect(1);
  ASSERT_TRUE(node.Settle(node.Enqueue(1, 1, "a")));
  ASSERT_TRUE(node.Crash().ok());
  if (GetParam() == Durability::kMemory) {
    EXPECT_THAT(node.Recover(), IsEmpty());
  } else {
    EXPECT_THAT(node.Payloads(1), ElementsAre("a"));
  }
}

INSTANTIATE_TEST_SUITE_P(All, StoreDurability,
                         ::testing::Values(Durability::kFsync, Durability::kOs,
                                           Durability::kMemory));

TEST(Store, RetainedMessagesSurviveACrash) {
  StoreNode node;
  const mqtt::MessagePtr message = StoreNode::Message("on", "light");
  node.store().retained()->Put(message);
  ASSERT_TRUE(node.Settle(node.shard().AppendRetained(message)));
  node.store().retained()->Put(StoreNode::Message("never committed", "door"));
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_EQ(node.store().retained()->stats().messages, 1u);
}

TEST(Store, ADamagedFrameStopsTheStart) {
  StoreNode node;
  ASSERT_TRUE(node.Settle(node.Connect(1)));
  for (uint64_t sequence = 1; sequence <= 3; ++sequence)
    ASSERT_TRUE(node.Settle(node.Enqueue(1, sequence, "m")));
  rocksdb::WriteOptions sync;
  sync.sync = true;
  Database* database = node.store().database();
  ASSERT_TRUE(database->db()
                  ->Put(sync, database->family(Family::kLog), AsSlice(LogKey(1, 3)), "\1damaged!!")
                  .ok());
  const absl::Status status = node.Crash();
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("partition 1"), HasSubstr("frame 3"),
                                       HasSubstr("skeinmqd --repair")));
}

TEST(Store, ARepairSavesAndDropsWhatCannotBeRead) {
  StoreNode node;
  ASSERT_TRUE(node.Settle(node.Connect(1)));
  for (uint64_t sequence = 1; sequence <= 3; ++sequence)
    ASSERT_TRUE(node.Settle(node.Enqueue(1, sequence, "m")));
  ASSERT_TRUE(node.Settle(node.Connect(2)));  // of another partition
  Database* database = node.store().database();
  ASSERT_TRUE(database->db()
                  ->Put(rocksdb::WriteOptions(), database->family(Family::kLog),
                        AsSlice(LogKey(1, 3)), "\1damaged!!")
                  .ok());
  node.options().database.repair = true;
  const absl::Status status = node.Crash();
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(node.Payloads(1), ElementsAre("m"));
  EXPECT_THAT(node.Recover(), SizeIs(2));
  const std::filesystem::path saved = node.directory() / "dropped-log-1-3.bin";
  EXPECT_GT(std::filesystem::file_size(saved), 2 * 12 + 10);
  // What comes now follows what was kept.
  node.options().database.repair = false;
  ASSERT_TRUE(node.Settle(node.Enqueue(1, 2, "new")));
  ASSERT_TRUE(node.Crash().ok());
  EXPECT_THAT(node.Payloads(1), ElementsAre("m", "new"));
}

TEST(Store, AMissingFrameStopsTheStart) {
  StoreNode node;
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    node.Connect(1);
    ASSERT_TRUE(node.Settle(sequence));
  }
  Database* database = node.store().database();
  ASSERT_TRUE(
      database->db()
          ->Delete(rocksdb::WriteOptions(), database->family(Family::kLog), AsSlice(LogKey(1, 2)))
          .ok());
  EXPECT_THAT(node.Crash().ToString(), AllOf(HasSubstr("frame 2"), HasSubstr("missing")));
}

}  // namespace
}  // namespace skein::storage
