// RocksRetainedStore: what every retained store must do, in three states of its overlay and cache;
// what is on disk after commits, removals, expiry and restarts; cold reads.
#include "storage/rocksdb/retained_store.h"

#include <gmock/gmock.h>

#include <atomic>

#include "storage/rocksdb/retained_value.h"
#include "tests/unit/storage/retained_suite.h"
#include "tests/unit/storage/rocksdb/retained_node.h"

namespace skein::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Everything stays in the overlay.
class UncommittedNode : public RetainedNode {
 public:
  using RetainedNode::RetainedNode;
  PutResult Put(const MessagePtr& message) { return store().Put(message); }
};

// Everything is in the database at once.
class CommittedNode : public RetainedNode {
 public:
  using RetainedNode::RetainedNode;
  PutResult Put(const MessagePtr& message) {
    const PutResult result = store().Put(message);
    Commit({std::string(message->topic())});
    return result;
  }
};

// Some is in the overlay, some in memory tables, some in files that are not cached.
class MixedNode : public RetainedNode {
 public:
  using RetainedNode::RetainedNode;
  PutResult Put(const MessagePtr& message) {
    const PutResult result = store().Put(message);
    const uint64_t count = ++puts_;
    if (count % 3 != 0) Commit({std::string(message->topic())});
    if (count % 100 == 0) Flush();
    return result;
  }

 private:
  std::atomic<uint64_t> puts_ = 0;
};

using Nodes = testing::Types<UncommittedNode, CommittedNode, MixedNode>;
INSTANTIATE_TYPED_TEST_SUITE_P(Rocks, RetainedSuite, Nodes);

TEST(RocksRetainedStoreTest, ValuesKeepTheWholeMessage) {
  Message::Init init;
  init.topic = "a/b";
  init.properties = std::string_view("\x01\x01", 2);
  init.payload = std::string_view("\0x", 2);
  init.qos = Qos::kExactlyOnce;
  init.retain = true;
  init.expiry_seconds = 7;
  init.received_at = 1'700'000'000'000;
  const std::string key("a\0b", 3);
  const MessagePtr message = DecodeRetained(key, EncodeRetained(*Message::Make(init)));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->topic(), init.topic);
  EXPECT_EQ(message->properties(), init.properties);
  EXPECT_EQ(message->payload(), init.payload);
  EXPECT_EQ(message->qos(), init.qos);
  EXPECT_TRUE(message->retain());
  EXPECT_EQ(message->expires_at(), 1'700'000'007'000);
  EXPECT_FALSE(DecodeRetained("a", EncodeRetained(*message))) << "another topic's";
  EXPECT_FALSE(DecodeRetained(key, "")) << "empty";
  EXPECT_FALSE(DecodeRetained(key, "\x02")) << "another format";
}

TEST(RocksRetainedStoreTest, WhatWasCommittedIsThereAfterARestart) {
  RetainedNode node{Limits()};
  for (const char* topic : {"a/1", "a/2", "a/3", "b"})
    node.store().Put(Make(topic, topic, 60));
  node.Commit({"a/1", "a/2", "b"});
  node.store().Put(Make("a/2", ""));
  node.Commit({"a/2"});
  const uint64_t bytes = Make("a/1", "a/1")->cost() + Make("b", "b")->cost();
  node.Reopen();
  EXPECT_EQ(ReadAll(&node.store(), "#"), (Strings{"a/1=a/1", "b=b"}));
  EXPECT_EQ(node.store().stats().messages, 2u);
  EXPECT_EQ(node.store().stats().bytes, bytes);
  EXPECT_THAT(ReadAll(&node.store(), "#", 60'000), IsEmpty()) << "the expiry is kept";
}

TEST(RocksRetainedStoreTest, ARestartKnowsTheBounds) {
  Limits limits;
  limits.max_retained_messages = 2;
  RetainedNode node(limits);
  node.store().Put(Make("a", "1"));
  node.store().Put(Make("b", "1"));
  node.Commit({"a", "b"});
  node.Reopen();
  EXPECT_EQ(node.store().Put(Make("c", "1")), PutResult::kFull);
  EXPECT_EQ(node.store().Put(Make("a", "2")), PutResult::kStored);
}

TEST(RocksRetainedStoreTest, ARemovalReachesTheDisk) {
  RetainedNode node{Limits()};
  node.store().Put(Make("a", "1"));
  node.Commit({"a"});
  node.Flush();
  node.store().Put(Make("a", ""));
  EXPECT_THAT(ReadAll(&node.store(), "#"), IsEmpty());
  EXPECT_THAT(node.TopicsOnDisk(), ElementsAre("a"));
  node.Commit({"a"});
  EXPECT_THAT(node.TopicsOnDisk(), IsEmpty());
}

TEST(RocksRetainedStoreTest, ARemovalInAClusterIsKnownAfterARestartAndForgottenInTime) {
  RetainedNode node{Limits()};
  MessagePtr message = Make("a", "1")->ReceivedAt(100);
  node.store().PutLatest(&message);
  message = Make("a", "")->ReceivedAt(100);
  node.store().PutLatest(&message);
  node.Commit({"a"});
  node.Flush();
  node.Reopen();
  EXPECT_THAT(node.TopicsOnDisk(), ElementsAre("a")) << "the removal";
  EXPECT_THAT(ReadAll(&node.store(), "#"), IsEmpty());
  EXPECT_EQ(node.store().stats().messages, 0u);
  EXPECT_EQ(node.store().Merge(Make("a", "old")->ReceivedAt(100), 200), PutResult::kOlder);
  node.store().Sweep(101 + Tombstones::kKeepMs, 10);
  node.CommitExpired(10);
  EXPECT_THAT(node.TopicsOnDisk(), IsEmpty());
  EXPECT_THAT(node.store().Removed(kAll), IsEmpty());
}

TEST(RocksRetainedStoreTest, TheDigestIsKnownAfterARestart) {
  RetainedNode node{Limits()};
  std::vector<std::string> topics;
  for (int i = 0; i < 100; ++i) {
    topics.push_back("t/" + std::to_string(i));
    const MessagePtr message = Make(topics.back(), i % 3 == 0 ? "" : "x", i % 2 == 0 ? 100 : 7);
    node.store().Merge(message->ReceivedAt(1'000 + i), 2'000);
  }
  const auto before = node.store().Digest(2'000).buckets;
  EXPECT_NE(before, shard::RetainedDigest().buckets);
  node.Commit(topics);
  node.Reopen();
  EXPECT_EQ(node.store().Digest(2'000).buckets, before);
}

TEST(RocksRetainedStoreTest, AChangeDuringAWriteIsNotLost) {
  RetainedNode node{Limits()};
  node.store().Put(Make("a", "1"));
  rocksdb::WriteBatch batch;
  node.store().Collect("a", &batch);
  node.store().Put(Make("a", "2"));
  ASSERT_TRUE(node.database().db()->Write(rocksdb::WriteOptions(), &batch).ok());
  node.store().Written();
  EXPECT_EQ(ReadAll(&node.store(), "#"), (Strings{"a=2"}));
  node.Commit({"a"});
  node.Reopen();
  EXPECT_EQ(ReadAll(&node.store(), "#"), (Strings{"a=2"}));
}

TEST(RocksRetainedStoreTest, WhatIsThereIsWrittenOnce) {
  RetainedNode node{Limits()};
  node.store().Put(Make("a", "1"));
  rocksdb::WriteBatch batch;
  node.store().Collect("a", &batch);
  node.store().Collect("a", &batch);
  node.store().Collect("other", &batch);
  EXPECT_EQ(batch.Count(), 1u);
  node.store().Written();
  rocksdb::WriteBatch next;
  node.store().Collect("a", &next);
  EXPECT_EQ(next.Count(), 0u);
}

TEST(RocksRetainedStoreTest, ExpiredMessagesLeaveTheDisk) {
  RetainedNode node{Limits()};
  for (const char* topic : {"a", "b", "c", "d"})
    node.store().Put(Make(topic, "1", 1));
  node.Commit({"a", "b", "c", "d"});
  node.Reopen();
  node.store().Put(Make("d", "2", 1));  // in the overlay when it expires
  node.store().Sweep(1'000, 10);
  EXPECT_EQ(node.store().stats().messages, 0u);
  node.store().Put(Make("b", "new"));
  node.CommitExpired(2);
  node.CommitExpired(2);
  node.Commit({"b"});
  EXPECT_THAT(node.TopicsOnDisk(), ElementsAre("b"));
  EXPECT_EQ(ReadAll(&node.store(), "#", 1'000), (Strings{"b=new"}));
}

TEST(RocksRetainedStoreTest, AnyCommitTakesExpiredMessagesAlong) {
  RetainedNode node{Limits()};
  node.store().Put(Make("old", "1", 1));
  node.Commit({"old"});
  node.store().Sweep(1'000, 10);
  node.store().Put(Make("other", "1"));
  node.Commit({"other"});
  EXPECT_THAT(node.TopicsOnDisk(), ElementsAre("other"));
}

TEST(RocksRetainedStoreTest, AColdReadWaitsForTheDiskElsewhere) {
  RetainedNode node{Limits()};
  std::vector<std::string> topics;
  for (int i = 0; i < 1'000; ++i) {
    topics.push_back("t/" + std::to_string(i));
    node.store().Put(Make(topics.back(), std::string(1'000, 'x')));
  }
  node.Commit(topics);
  node.Flush();
  node.Reopen();
  size_t waits = 0;
  EXPECT_EQ(ReadAll(&node.store(), "t/#", 0, 16, nullptr, &waits).size(), 1'000u);
  EXPECT_GT(waits, 0u);
  EXPECT_EQ(ReadAll(&node.store(), "t/#", 0, 16, nullptr, &waits).size(), 1'000u);
  EXPECT_EQ(waits, 0u) << "cached by now";
  EXPECT_THAT(ReadAll(&node.store(), "t/none", 0, 16, nullptr, &waits), IsEmpty());
  EXPECT_EQ(waits, 0u) << "the index knows";
}

TEST(RocksRetainedStoreTest, AChangeDuringAColdReadIsSeen) {
  RetainedNode node{Limits()};
  node.store().Put(Make("a", "old"));
  node.store().Put(Make("b", "old"));
  node.Commit({"a", "b"});
  node.Flush();
  node.Reopen();
  WakeCount wakes;
  const auto reader = node.store().Open("+", wakes.Callback());
  std::vector<MessagePtr> out;
  ASSERT_EQ(reader->Read(0, 10, &out), shard::RetainedReader::Result::kPending);
  wakes.Await();
  node.store().Put(Make("a", "new"));
  node.Commit({"a"});
  node.store().Put(Make("b", ""));
  ReadRest(reader.get(), &wakes, 0, 10, &out);
  EXPECT_EQ(Texts(out), (Strings{"a=new"}));
}

TEST(RocksRetainedStoreTest, TwoThreadsOnOneTopicEndAlikeInMemoryAndOnDisk) {
  RetainedNode node{Limits()};
  {
    std::vector<std::jthread> threads;
    for (int id = 0; id < 2; ++id) {
      threads.emplace_back([&, id] {
        for (int i = 0; i < 2'000; ++i) {
          const std::string topic = "t/" + std::to_string(i % 10);
          const std::string payload =
              i % 7 == 0 ? "" : std::to_string(id) + ":" + std::to_string(i);
          node.store().Put(Make(topic, payload));
          node.Commit({topic});
        }
      });
    }
  }
  const Strings before = ReadAll(&node.store(), "#");
  const auto stats = node.store().stats();
  node.Reopen();
  EXPECT_EQ(ReadAll(&node.store(), "#"), before);
  EXPECT_EQ(node.store().stats().messages, stats.messages);
  EXPECT_EQ(node.store().stats().bytes, stats.bytes);
}

TEST(RocksRetainedStoreTest, ADamagedValueIsReported) {
  RetainedNode node{Limits()};
  node.Damage("a/b", "\x01garbage");
  const absl::Status status = node.TryReopen();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("'a/b'"));
}

}  // namespace
}  // namespace skein::storage
