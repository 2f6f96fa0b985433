#include "storage/rocksdb/staging.h"

#include <utility>

#include "gmock/gmock.h"

namespace skein::storage {
namespace {

// Two shards' open batches.
class StagingTest : public ::testing::Test {
 protected:
  session::Lsn Append(ShardId shard, const session::CommitGroupPtr& group = {}) {
    StagedBatch& open = open_[shard];
    const session::Lsn lsn = open.next();
    mqtt::Message::Init init;
    init.topic = "t";
    StagedEnqueued enqueued;
    enqueued.sequence = lsn;
    enqueued.message = mqtt::Message::Make(init);
    open.records.push_back({{0, 1}, std::move(enqueued)});
    if (group != nullptr) open.marks.push_back({lsn, group});
    return lsn;
  }
  void Close(ShardId shard, const session::CommitGroupPtr& group) {
    closing_[shard].push_back(group);
  }
  void HandOver(ShardId shard) { staging_.HandOver(shard, &open_[shard], &closing_[shard]); }
  // The last record taken of each shard so far.
  std::pair<session::Lsn, session::Lsn> Take() {
    std::vector<StagedBatch> taken;
    staging_.Take(&taken);
    for (size_t shard = 0; shard < 2; ++shard) {
      EXPECT_EQ(taken[shard].first, last_[shard] + 1);
      last_[shard] = taken[shard].next() - 1;
    }
    return {last_[0], last_[1]};
  }
  static session::CommitGroupPtr Group() { return std::make_shared<session::CommitGroup>(); }

  Staging staging_{2};
  StagedBatch open_[2];
  std::vector<session::CommitGroupPtr> closing_[2];
  session::Lsn last_[2] = {0, 0};
};

using Lsns = std::pair<session::Lsn, session::Lsn>;

TEST_F(StagingTest, TakesWhatWasHandedOver) {
  std::vector<StagedBatch> taken;
  EXPECT_FALSE(staging_.Take(&taken));
  Append(0);
  EXPECT_FALSE(staging_.Take(&taken));
  HandOver(0);
  Append(0);
  HandOver(0);
  Append(1);
  HandOver(1);
  EXPECT_EQ(Take(), Lsns(2, 1));
  EXPECT_FALSE(staging_.Take(&taken));
}

TEST_F(StagingTest, AnIncompleteGroupStaysWithAllThatFollows) {
  const auto group = Group();
  staging_.Open(group.get());
  Append(0);
  Append(0, group);
  Append(0);
  Close(0, group);
  HandOver(0);
  Append(1);
  HandOver(1);
  EXPECT_EQ(Take(), Lsns(1, 1));
  EXPECT_EQ(Take(), Lsns(1, 1));
  Append(1, group);
  Close(1, group);
  HandOver(1);
  EXPECT_EQ(Take(), Lsns(3, 2));
}

TEST_F(StagingTest, ACompleteGroupBehindTheCutOfAnotherShardStaysToo) {
  const auto incomplete = Group();
  const auto complete = Group();
  staging_.Open(complete.get());
  Append(1, complete);
  Append(1);
  Close(1, complete);
  HandOver(1);
  Append(0, incomplete);
  Append(0, complete);
  Close(0, complete);
  HandOver(0);
  EXPECT_EQ(Take(), Lsns(0, 0));
  Close(0, incomplete);
  HandOver(0);
  EXPECT_EQ(Take(), Lsns(2, 2));
}

TEST_F(StagingTest, TheCutGoesOnThroughChainsOfGroups) {
  const auto incomplete = Group();
  const auto first = Group();
  const auto second = Group();
  staging_.Open(first.get());
  staging_.Open(second.get());
  Append(0, second);      // 1: goes because of shard 1
  Append(0, incomplete);  // 2
  Append(0, first);       // 3
  Append(1);              // 1: may go
  Append(1, first);       // 2
  Append(1, second);      // 3
  for (ShardId shard : {0, 1}) {
    Close(shard, first);
    Close(shard, second);
    HandOver(shard);
  }
  EXPECT_EQ(Take(), Lsns(0, 1));
}

TEST_F(StagingTest, AGroupWithoutRecordsOfAShardIsNotHeldUpByIt) {
  const auto group = Group();
  staging_.Open(group.get());
  Append(0, group);
  Close(0, group);
  HandOver(0);
  EXPECT_EQ(Take(), Lsns(0, 0));
  Close(1, group);
  HandOver(1);
  EXPECT_EQ(Take(), Lsns(1, 0));
}

TEST_F(StagingTest, CancelsUntilItIsTaken) {
  Append(0);
  Append(0);
  HandOver(0);
  EXPECT_TRUE(staging_.Cancel(0, 2));
  std::vector<StagedBatch> taken;
  ASSERT_TRUE(staging_.Take(&taken));
  EXPECT_TRUE(std::holds_alternative<StagedEnqueued>(taken[0].records[0].body));
  EXPECT_TRUE(std::holds_alternative<Cancelled>(taken[0].records[1].body));
  EXPECT_FALSE(staging_.Cancel(0, 1));
}

TEST_F(StagingTest, CancelsWhatStaysBehindACut) {
  const auto group = Group();
  Append(0);
  Append(0, group);
  Append(0);
  HandOver(0);
  EXPECT_EQ(Take(), Lsns(1, 0));
  EXPECT_FALSE(staging_.Cancel(0, 1));
  EXPECT_TRUE(staging_.Cancel(0, 3));
  Close(0, group);
  HandOver(0);
  EXPECT_EQ(Take(), Lsns(3, 0));
}

}  // namespace
}  // namespace skein::storage
