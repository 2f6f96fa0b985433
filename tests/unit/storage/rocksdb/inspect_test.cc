// StoreView and VerifyStore on the store of a running node, on what a killed one leaves, and on
// stores with one thing damaged.
#include "storage/rocksdb/inspect.h"

#include <gmock/gmock.h>
#include <rocksdb/db.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "broker/routing/retained_scan.h"
#include "skein/storage/v1/record.pb.h"
#include "skein/storage/v1/state.pb.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/verify.h"
#include "tests/unit/storage/rocksdb/store_node.h"

namespace skein::storage {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kShared(2'000, 's');  // too long to be stored twice

// Sessions 1 and 5 of partition 1 share the message kShared; session 1 has a subscription and two
// messages of its own, of which the second is in the log only. One message is retained.
class InspectTest : public testing::Test {
 protected:
  void SetUp() override {
    node_.Connect(1, "one");
    node_.Connect(5, "five");
    node_.shard().Append(StoreNode::Key(1), session::Subscribed{"a/#", {Qos::kAtLeastOnce}});
    session::Enqueued record;
    record.message = StoreNode::Message(kShared);
    record.sequence = 1;
    node_.shard().Append(StoreNode::Key(1), record);
    node_.shard().Append(StoreNode::Key(5), record);
    const mqtt::MessagePtr retained = StoreNode::Message("kept", "a/b");
    node_.store().retained()->Put(retained);
    node_.shard().AppendRetained(retained);
    ASSERT_TRUE(node_.Settle(node_.Enqueue(1, 2, "own")));
    ASSERT_TRUE(node_.Restart().ok());  // makes a checkpoint
    ASSERT_TRUE(node_.Settle(node_.Enqueue(1, 3, "later")));
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(copy_, ignored);
  }

  // What a killed process leaves; nobody uses it.
  std::string Copy() {
    copy_ = node_.directory().string() + ".copy";
    fs::remove_all(copy_);
    fs::copy(node_.directory(), copy_, fs::copy_options::recursive);
    return copy_;
  }

  // Changes a copy of the store, then verifies it.
  std::vector<std::string> ProblemsAfter(const std::function<void(Database*)>& damage) {
    const std::string data_dir = Copy();
    {
      DatabaseOptions options;
      options.data_dir = data_dir;
      options.partitions = StoreNode::kPartitions;
      auto database = Database::Open(options);
      EXPECT_TRUE(database.ok()) << std::string(database.status().message());
      damage(database->get());
    }
    return VerifyStore(data_dir).problems;
  }

  StoreNode node_;
  std::string copy_;
};

rocksdb::Slice AsSlice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

void Put(Database* database, Family family, std::string_view key, std::string_view value) {
  ASSERT_TRUE(
      database->db()
          ->Put(rocksdb::WriteOptions(), database->family(family), AsSlice(key), AsSlice(value))
          .ok());
}

void Delete(Database* database, Family family, std::string_view key) {
  ASSERT_TRUE(
      database->db()->Delete(rocksdb::WriteOptions(), database->family(family), AsSlice(key)).ok());
}

// The first key of the family.
std::string FirstKey(Database* database, Family family) {
  const std::unique_ptr<rocksdb::Iterator> each(
      database->db()->NewIterator(rocksdb::ReadOptions(), database->family(family)));
  each->SeekToFirst();
  EXPECT_TRUE(each->Valid());
  return each->key().ToString();
}

void ExpectAllThere(StoreView* view) {
  std::vector<std::string> clients;
  view->ForEachSession(1, [&](const session::SessionImage& image) {
    clients.push_back(image.client_id + " " + std::to_string(image.queued_messages) + " " +
                      std::to_string(image.subscriptions.size()));
  });
  EXPECT_THAT(clients, ElementsAre("one 3 1", "five 1 0"));
  std::vector<std::string> payloads;
  const auto collect = [&](const session::StoredDelivery& delivery) {
    payloads.emplace_back(delivery.message->payload());
  };
  EXPECT_TRUE(view->ForEachQueued(StoreNode::Key(1), collect).ok());
  EXPECT_TRUE(view->ForEachQueued(StoreNode::Key(5), collect).ok());
  EXPECT_TRUE(view->ForEachQueued(StoreNode::Key(9), collect).ok());
  EXPECT_THAT(payloads, ElementsAre(kShared, "own", "later", kShared));
  const auto summary = view->Summarize(1);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->sessions, 2u);
  EXPECT_EQ(summary->connected, 2u);
  EXPECT_EQ(summary->subscriptions, 1u);
  EXPECT_EQ(summary->queued_messages, 4u);
  EXPECT_EQ(summary->last_frame, summary->applied_frame + 1);
  EXPECT_EQ(summary->first_frame, summary->last_frame);
  const auto retained = view->SummarizeRetained();
  ASSERT_TRUE(retained.ok());
  EXPECT_EQ(retained->messages, 1u);
  EXPECT_EQ(retained->bytes, StoreNode::Message("kept", "a/b")->cost());
  EXPECT_EQ(view->partitions(), StoreNode::kPartitions);
}

TEST_F(InspectTest, ShowsTheStoreOfARunningNode) {
  const auto view = StoreView::Open(node_.directory().string());
  ASSERT_TRUE(view.ok()) << std::string(view.status().message());
  EXPECT_TRUE((*view)->running());
  ExpectAllThere(view->get());
}

TEST_F(InspectTest, ShowsWhatAKilledNodeLeavesAndChangesNothing) {
  const std::string data_dir = Copy();
  for (int time = 0; time < 2; ++time) {
    const auto view = StoreView::Open(data_dir);
    ASSERT_TRUE(view.ok()) << std::string(view.status().message());
    EXPECT_FALSE((*view)->running());
    ExpectAllThere(view->get());
  }
  // The node itself goes on.
  EXPECT_TRUE(node_.Settle(node_.Enqueue(1, 4, "more")));
}

TEST_F(InspectTest, ARefusedFolderIsNamed) {
  const auto view = StoreView::Open("/nowhere/at/all");
  EXPECT_FALSE(view.ok());
  EXPECT_THAT(std::string(view.status().message()), HasSubstr("/nowhere/at/all"));
  EXPECT_EQ(VerifyStore("/nowhere/at/all").problem_count, 1u);
}

TEST_F(InspectTest, ASoundStoreHasNoProblems) {
  for (const std::string& data_dir : {node_.directory().string(), Copy()}) {
    const VerifyReport report = VerifyStore(data_dir);
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_EQ(report.sessions, 2u);
    EXPECT_EQ(report.frames, 1u);
    EXPECT_EQ(report.subscriptions, 1u);
    EXPECT_GE(report.queue_entries, 3u);
    EXPECT_EQ(report.bodies, 1u);
    EXPECT_EQ(report.retained, 1u);
  }
  EXPECT_THAT(ProblemsAfter([](Database*) {}), IsEmpty()) << "the damage is what is found below";
}

TEST_F(InspectTest, ALostQueueEntryIsFound) {
  EXPECT_THAT(ProblemsAfter([](Database* database) {
                Delete(database, Family::kQueue, QueueKey(StoreNode::Key(1), 2).view());
              }),
              ElementsAre(HasSubstr("session 1 counts 2 queued messages, 1 are there")));
}

TEST_F(InspectTest, ADamagedQueueEntryIsFound) {
  EXPECT_THAT(ProblemsAfter([](Database* database) {
                Put(database, Family::kQueue, QueueKey(StoreNode::Key(1), 2).view(), "\x01");
              }),
              testing::Contains(HasSubstr("message 2 of session 1 is damaged")));
}

TEST_F(InspectTest, AQueueEntryOfNobodyIsFound) {
  v1::Enqueued entry;
  entry.set_sequence(7);
  entry.mutable_message()->set_topic("t");
  EXPECT_THAT(ProblemsAfter([&](Database* database) {
                Put(database, Family::kQueue, QueueKey(StoreNode::Key(9), 7).view(),
                    entry.SerializeAsString());
              }),
              ElementsAre(HasSubstr("session 9, which is not there")));
}

TEST_F(InspectTest, ALostBodyIsFound) {
  EXPECT_THAT(ProblemsAfter([](Database* database) {
                Delete(database, Family::kBodies, FirstKey(database, Family::kBodies));
              }),
              ElementsAre(HasSubstr("2 messages refer to it"), HasSubstr("2 uses are counted")));
}

TEST_F(InspectTest, AWrongBodyCountIsFound) {
  v1::BodyUses uses;
  uses.set_count(3);
  EXPECT_THAT(ProblemsAfter([&](Database* database) {
                const std::string body = FirstKey(database, Family::kBodies);
                const std::string key = body.substr(0, 2) + "B" + body.substr(2);
                Put(database, Family::kState, key, uses.SerializeAsString());
              }),
              ElementsAre(HasSubstr("3 uses are counted, 2 found")));
}

TEST_F(InspectTest, ADamagedRowIsFound) {
  EXPECT_THAT(ProblemsAfter([](Database* database) {
                Put(database, Family::kState, StateKey(1, StateKind::kSession, 5).view(), "\x01");
              }),
              testing::Contains(HasSubstr("session 5: its row is damaged")));
}

TEST_F(InspectTest, SubscriptionsOfNobodyAreFound) {
  EXPECT_THAT(ProblemsAfter([](Database* database) {
                Put(database, Family::kState, SubscriptionKey(StoreNode::Key(9), "a"), "");
              }),
              ElementsAre(HasSubstr("subscriptions of session 9")));
}

TEST_F(InspectTest, ALostFrameIsFound) {
  ASSERT_TRUE(node_.Settle(node_.Enqueue(1, 4, "last")));
  EXPECT_THAT(ProblemsAfter([](Database* database) {
                Delete(database, Family::kLog, FirstKey(database, Family::kLog));
              }),
              testing::Contains(HasSubstr("frames before it are missing")));
}

TEST_F(InspectTest, AnAlteredFrameIsFound) {
  EXPECT_THAT(
      ProblemsAfter([](Database* database) {
        const std::string key = FirstKey(database, Family::kLog);
        std::string value;
        ASSERT_TRUE(database->db()
                        ->Get(rocksdb::ReadOptions(), database->family(Family::kLog), key, &value)
                        .ok());
        value.back() = static_cast<char>(value.back() ^ 1);
        Put(database, Family::kLog, key, value);
      }),
      testing::Contains(HasSubstr("the chain hash does not fit")));
}

TEST_F(InspectTest, ADamagedRetainedMessageIsFound) {
  EXPECT_THAT(ProblemsAfter([](Database* database) {
                Put(database, Family::kRetained, routing::EncodeRetainedKey("x/y"), "\x01junk");
              }),
              ElementsAre(HasSubstr("topic 'x/y' is damaged")));
}

}  // namespace
}  // namespace skein::storage
