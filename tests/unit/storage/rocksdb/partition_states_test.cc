#include "storage/rocksdb/partition_states.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/keys.h"
#include "tests/unit/storage/rocksdb/state_node.h"

namespace skein::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PartitionStatesTest : public ::testing::Test {
 protected:
  std::map<std::string, std::string> State(StateKind kind) {
    return node_.Family(Family::kState, StateKey(node_.partition(), kind).view());
  }
  // Everything that can be cleaned up is, and written.
  void CleanUp() {
    node_.SweepAll();
    node_.Checkpoint();
  }

  StateNode node_;
};

TEST_F(PartitionStatesTest, ConnectedCreatesTheSessionAndLaterChangesIt) {
  node_.Connect(7, "c")->set_expiry_seconds(60);
  node_.Commit();
  session::SessionImage image = node_.RecoverOne(7);
  EXPECT_EQ(image.key, node_.KeyOf(7));
  EXPECT_EQ(image.client_id, "c");
  EXPECT_EQ(image.expiry_seconds, 60u);
  EXPECT_EQ(image.version, 5);
  EXPECT_EQ(image.disconnected_at, kNever);

  v1::Will* will = node_.Connect(7, "c")->mutable_will();
  will->set_delay_seconds(5);
  will->mutable_message()->set_topic("gone");
  node_.Commit();
  image = node_.RecoverOne(7);
  EXPECT_EQ(image.expiry_seconds, 0u);
  ASSERT_TRUE(image.will.has_value());
  EXPECT_EQ(image.will->delay_seconds, 5u);
  EXPECT_EQ(image.will->message->topic(), "gone");
}

TEST_F(PartitionStatesTest, AWillWaitsUntilItIsDoneOrUnwanted) {
  for (const uint64_t session : {1, 2}) {
    node_.Connect(session, "c")->mutable_will()->mutable_message()->set_topic("gone");
    v1::Disconnected* disconnected = node_.Add(session)->mutable_disconnected();
    disconnected->set_at_ms(1'000);
    disconnected->set_expiry_seconds(9);
    if (session == 1) disconnected->set_will_due_ms(3'000);
  }
  node_.Commit();
  EXPECT_EQ(node_.RecoverOne(1).will_due, 3'000);
  EXPECT_TRUE(node_.RecoverOne(1).will.has_value());
  EXPECT_EQ(node_.RecoverOne(1).disconnected_at, 1'000);
  EXPECT_EQ(node_.RecoverOne(1).expiry_seconds, 9u);
  EXPECT_FALSE(node_.RecoverOne(2).will.has_value());
  node_.Add(1)->mutable_will_done();
  node_.Commit();
  EXPECT_FALSE(node_.RecoverOne(1).will.has_value());
  EXPECT_EQ(node_.RecoverOne(1).will_due, kNever);
}

TEST_F(PartitionStatesTest, SubscriptionsComeAndGo) {
  node_.Connect(1, "a");
  node_.Connect(2, "b");
  v1::Subscribed* subscribed = node_.Add(2)->mutable_subscribed();
  subscribed->set_filter("x/#");
  subscribed->set_qos(2);
  subscribed->set_no_local(true);
  subscribed->set_retain_as_published(true);
  subscribed->set_retain_handling(2);
  subscribed->set_identifier(77);
  subscribed->set_since_ms(123);
  node_.Add(1)->mutable_subscribed()->set_filter("a");
  node_.Add(1)->mutable_subscribed()->set_filter("b");
  node_.Add(1)->mutable_unsubscribed()->set_filter("a");
  node_.Commit();
  node_.Checkpoint();
  EXPECT_THAT(node_.RecoverOne(1).subscriptions, SizeIs(1));
  EXPECT_EQ(node_.RecoverOne(1).subscriptions[0].first, "b");
  const auto subscriptions = node_.RecoverOne(2).subscriptions;
  ASSERT_THAT(subscriptions, SizeIs(1));
  EXPECT_EQ(subscriptions[0].first, "x/#");
  EXPECT_EQ(subscriptions[0].second,
            (routing::SubscriptionOptions{Qos::kExactlyOnce, true, true, 2, 77, 123}));
}

TEST_F(PartitionStatesTest, RecordsOfUnknownSessionsLeaveNothing) {
  node_.EnqueueOwn(5, 1, "x");
  node_.Enqueue(5, 2)->set_body(node_.AddBody("y"));
  node_.Add(5)->mutable_subscribed()->set_filter("f");
  node_.Add(5)->mutable_ended();
  node_.Commit();
  node_.Checkpoint();
  EXPECT_THAT(node_.Recover(), IsEmpty());
  EXPECT_THAT(node_.Family(Family::kQueue), IsEmpty());
  EXPECT_THAT(node_.Family(Family::kBodies), IsEmpty());
  EXPECT_THAT(node_.Family(Family::kState), SizeIs(1)) << "the applied position";
}

TEST_F(PartitionStatesTest, APageShowsWhatEachMessageWentThrough) {
  node_.Connect(1, "c");
  v1::Enqueued* first = node_.Enqueue(1, 1);
  first->set_packet_id(21);
  first->set_retain(true);
  first->set_qos(2);
  first->set_cost(99);
  first->add_subscription_ids(4);
  first->add_subscription_ids(5);
  v1::Message* message = first->mutable_message();
  message->set_topic("topic");
  message->set_properties("p");
  message->set_payload("one");
  message->set_expiry_seconds(30);
  message->set_received_at_ms(123);
  node_.EnqueueOwn(1, 2, "two");
  node_.EnqueueOwn(1, 3, "three");
  node_.EnqueueOwn(1, 4, "four");
  v1::Sent* sent = node_.Add(1)->mutable_sent();
  sent->set_sequence(2);
  sent->set_packet_id(22);
  node_.Add(1)->mutable_released()->set_sequence(2);
  node_.Complete(1, 3);
  node_.Commit();

  const session::QueuePage page = node_.Read(1);
  EXPECT_THAT(Payloads(page), ElementsAre("one", "-", "four"));
  EXPECT_TRUE(page.end);
  EXPECT_EQ(page.next, 5u);
  EXPECT_EQ(page.entries[0].message->topic(), "topic");
  EXPECT_EQ(page.entries[0].message->properties(), "p");
  EXPECT_EQ(page.entries[0].message->expires_at(), 30'123);
  EXPECT_EQ(page.entries[0].packet_id, 21);
  EXPECT_EQ(page.entries[0].qos, Qos::kExactlyOnce);
  EXPECT_TRUE(page.entries[0].retain);
  EXPECT_EQ(page.entries[0].cost, 99u);
  EXPECT_THAT(page.entries[0].subscription_ids, ElementsAre(4u, 5u));
  EXPECT_TRUE(page.entries[1].released);
  EXPECT_EQ(page.entries[1].packet_id, 22);
  EXPECT_EQ(page.entries[2].sequence, 4u);
  const session::SessionImage image = node_.RecoverOne(1);
  EXPECT_EQ(image.queued_messages, 3u);
  EXPECT_EQ(image.queued_bytes, 101u);
  EXPECT_EQ(image.last_sent, 2u);
  EXPECT_EQ(image.last_sequence, 4u);
}

TEST_F(PartitionStatesTest, PagesEndAtTheirLimits) {
  node_.Connect(1, "c");
  for (uint64_t i = 1; i <= 5; ++i)
    node_.EnqueueOwn(1, i, std::to_string(i));
  node_.Commit();
  session::QueuePage page = node_.Read(1, 1, 2);
  EXPECT_THAT(Payloads(page), ElementsAre("1", "2"));
  EXPECT_FALSE(page.end);
  page = node_.Read(1, page.next, 100, 1);
  EXPECT_THAT(Payloads(page), ElementsAre("3")) << "at least one";
  page = node_.Read(1, page.next, 2, 100);
  EXPECT_THAT(Payloads(page), ElementsAre("4", "5"));
  EXPECT_TRUE(page.end);
  page = node_.Read(1, page.next);
  EXPECT_THAT(page.entries, IsEmpty());
  EXPECT_TRUE(page.end);
  EXPECT_EQ(page.next, 6u);
  EXPECT_TRUE(node_.Read(99).end) << "an unknown session";
}

TEST_F(PartitionStatesTest, ABodyGoesWithItsLastUse) {
  for (const uint64_t session : {1, 2, 3})
    node_.Connect(session, "c");
  const uint64_t body = node_.AddBody("shared");
  node_.AddBody("nobody's");
  for (const uint64_t session : {1, 2, 3})
    node_.Enqueue(session, 1)->set_body(body);
  node_.Commit();
  CleanUp();
  EXPECT_THAT(node_.Family(Family::kBodies), SizeIs(1));
  EXPECT_THAT(Payloads(node_.Read(2)), ElementsAre("shared"));
  node_.Complete(1, 1);
  node_.Commit();
  node_.Add(2)->mutable_ended();
  node_.Commit();
  CleanUp();
  EXPECT_THAT(node_.Family(Family::kBodies), SizeIs(1));
  EXPECT_THAT(Payloads(node_.Read(3)), ElementsAre("shared"));
  node_.Add(3)->mutable_dropped_oldest()->set_below(2);
  node_.Commit();
  EXPECT_THAT(node_.Family(Family::kBodies), SizeIs(1)) << "deleted by a checkpoint only";
  CleanUp();
  EXPECT_THAT(node_.Family(Family::kBodies), IsEmpty());
  EXPECT_THAT(node_.Family(Family::kQueue), IsEmpty());
  EXPECT_THAT(State(StateKind::kBodyUses), IsEmpty());
}

TEST_F(PartitionStatesTest, EndedClearsEverythingStepByStep) {
  node_.Connect(1, "kept");
  node_.EnqueueOwn(1, 1, "kept");
  node_.Add(1)->mutable_subscribed()->set_filter("kept");
  node_.Connect(2, "gone");
  for (uint64_t i = 1; i <= 100; ++i)
    node_.Enqueue(2, i)->set_body(node_.AddBody("x"));
  for (int i = 0; i < 20; ++i) {
    node_.Add(2)->mutable_subscribed()->set_filter("f/" + std::to_string(i));
  }
  node_.Commit();
  node_.Checkpoint();
  node_.Add(2)->mutable_ended();
  node_.Commit();
  EXPECT_THAT(node_.Recover(), SizeIs(1));
  EXPECT_TRUE(node_.Read(2).entries.empty());
  node_.Checkpoint();
  EXPECT_THAT(State(StateKind::kEnded), SizeIs(1));
  EXPECT_TRUE(node_.Sweep(10));
  node_.Checkpoint();
  EXPECT_THAT(node_.Family(Family::kQueue),
              SizeIs(::testing::AllOf(::testing::Gt(80u), ::testing::Lt(101u))));
  node_.Crash();  // nothing was flushed: all of it once more
  EXPECT_THAT(node_.Recover(), SizeIs(1));
  node_.Checkpoint();
  node_.Sweep(30);
  node_.Checkpoint();
  node_.Flush();
  node_.Crash();  // half of it is done
  CleanUp();
  EXPECT_THAT(node_.Family(Family::kQueue), SizeIs(1));
  EXPECT_THAT(node_.Family(Family::kBodies), IsEmpty());
  EXPECT_THAT(State(StateKind::kEnded), IsEmpty());
  EXPECT_THAT(State(StateKind::kBodyUses), IsEmpty());
  EXPECT_THAT(State(StateKind::kSubscription), SizeIs(1));
  EXPECT_THAT(State(StateKind::kSession), SizeIs(1));
}

TEST_F(PartitionStatesTest, AStuckMessageDoesNotKeepWhatIsDroppedBehindIt) {
  node_.Connect(1, "c");
  node_.Enqueue(1, 1)->set_packet_id(1);
  for (uint64_t i = 2; i <= 1'000; ++i)
    node_.EnqueueOwn(1, i, "x");
  node_.Add(1)->mutable_dropped_oldest()->set_below(999);
  node_.Commit();
  CleanUp();
  EXPECT_THAT(node_.Family(Family::kQueue), SizeIs(3));
  EXPECT_THAT(node_.Read(1).entries, SizeIs(3));
}

TEST_F(PartitionStatesTest, ADeepQueueIsReadPageByPageWhileItIsConsumed) {
  constexpr uint64_t kDepth = 50'000;
  constexpr uint32_t kPage = 250;
  node_.Connect(1, "c");
  for (uint64_t i = 1; i <= kDepth; ++i) {
    if (i % 2 == 0) {
      node_.EnqueueOwn(1, i, std::to_string(i));
    } else {
      node_.Enqueue(1, i)->set_body(node_.AddBody(std::to_string(i)));
    }
    if (i % 1'000 == 0) node_.Commit();
  }
  node_.Checkpoint();
  node_.Flush();
  uint64_t next = 1;
  uint64_t seen = 0;
  for (bool end = false; !end;) {
    const session::QueuePage page = node_.Read(1, next, kPage);
    for (const session::StoredDelivery& entry : page.entries) {
      ASSERT_EQ(entry.sequence, ++seen);
      ASSERT_EQ(entry.message->payload(), std::to_string(seen));
      node_.Complete(1, entry.sequence);
    }
    node_.Commit();
    node_.Sweep(kPage);
    if (seen % 5'000 == 0) node_.Checkpoint();
    next = page.next;
    end = page.end;
  }
  EXPECT_EQ(seen, kDepth);
  EXPECT_EQ(node_.RecoverOne(1).first_sequence, kDepth + 1);
  EXPECT_EQ(node_.RecoverOne(1).queued_messages, 0u);
  CleanUp();
  EXPECT_THAT(node_.Family(Family::kQueue), IsEmpty());
  EXPECT_THAT(node_.Family(Family::kBodies), IsEmpty());
}

TEST_F(PartitionStatesTest, PartitionsDoNotSeeEachOther) {
  node_.Connect(1, "one");
  node_.EnqueueOwn(1, 1, "one");
  node_.Commit();
  node_.set_partition(2);
  node_.Connect(1, "two");
  node_.Commit();
  node_.Checkpoint();
  EXPECT_EQ(node_.RecoverOne(1).client_id, "two");
  EXPECT_TRUE(node_.Read(1).entries.empty());
  EXPECT_EQ(node_.states().applied(2).sequence, 1u);
  EXPECT_EQ(node_.states().applied(0).sequence, 0u);
}

TEST_F(PartitionStatesTest, ACheckpointLeavesNothingDirty) {
  node_.Connect(1, "c");
  node_.Enqueue(1, 1)->set_body(node_.AddBody("x"));
  node_.Commit();
  EXPECT_GT(node_.states().dirty_bytes(), 0u);
  node_.Checkpoint();
  EXPECT_EQ(node_.states().dirty_bytes(), 0u);
}

}  // namespace
}  // namespace skein::storage
