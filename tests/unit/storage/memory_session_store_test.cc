#include "storage/memory/session_store.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skein::storage {
namespace {

mqtt::MessagePtr Text(std::string_view payload) {
  mqtt::Message::Init init;
  init.topic = "t";
  init.payload = payload;
  return mqtt::Message::Make(init);
}

session::Enqueued Message(uint64_t sequence, std::string_view payload) {
  session::Enqueued record;
  record.sequence = sequence;
  record.message = Text(payload);
  return record;
}

TEST(MemorySessionStoreTest, NumbersAscendAndBecomeDurableWithTheCommit) {
  MemorySessionStore store;
  EXPECT_EQ(store.Append("a", session::Connected{10, 5, {}}), 1u);
  EXPECT_EQ(store.Append("b", session::Connected{10, 5, {}}), 2u);
  EXPECT_EQ(store.durable(), 0u);
  store.Commit();
  EXPECT_EQ(store.durable(), 2u);
}

TEST(MemorySessionStoreTest, ByHandNothingIsDurableBeforeItIsSaidAndCommitted) {
  MemorySessionStore store(MemorySessionStore::Durability::kByHand);
  store.Append("a", session::Connected{});
  store.Commit();
  store.Append("a", session::Ended{});
  EXPECT_EQ(store.durable(), 0u);
  store.MakeDurable(2);
  EXPECT_EQ(store.durable(), 1u) << "the second record is not committed";
}

TEST(MemorySessionStoreTest, TheImageFollowsTheRecords) {
  MemorySessionStore store;
  const routing::SubscriptionOptions options{Qos::kExactlyOnce, true, false, 1, 7};
  store.Append("a", session::Connected{60, 5, session::WillRecord{Text("gone"), 3}});
  store.Append("a", session::Subscribed{"x/#", options});
  store.Append("a", session::Subscribed{"y", {}});
  store.Append("a", session::Unsubscribed{"y"});
  for (uint64_t i = 1; i <= 4; ++i)
    store.Append("a", Message(i, std::to_string(i)));
  store.Append("a", session::Sent{2, 11});
  store.Append("a", session::Sent{1, 12});
  store.Append("a", session::Released{1});
  store.Append("a", session::Completed{2});
  store.Append("a", session::Completed{3});
  store.Append("a", session::InboundTaken{5});
  store.Append("a", session::InboundTaken{6});
  store.Append("a", session::InboundReleased{5});
  store.Append("a", session::Disconnected{1'000, 30, 4'000});

  const session::SessionImage& image = store.images().at("a");
  EXPECT_EQ(image.expiry_seconds, 30u);
  EXPECT_EQ(image.disconnected_at, 1'000);
  EXPECT_EQ(image.will_due, 4'000);
  ASSERT_TRUE(image.will.has_value());
  EXPECT_EQ(image.will->message->payload(), "gone");
  ASSERT_EQ(image.subscriptions.size(), 1u);
  EXPECT_EQ(image.subscriptions.at("x/#"), options);
  ASSERT_EQ(image.queue.size(), 2u);
  EXPECT_EQ(image.queue.at(1).packet_id, 12);
  EXPECT_TRUE(image.queue.at(1).released);
  EXPECT_EQ(image.queue.at(4).packet_id, 0);
  EXPECT_EQ(image.sent_order, std::vector<uint64_t>{1});
  EXPECT_EQ(image.inbound, std::vector<PacketId>{6});
}

TEST(MemorySessionStoreTest, AWillThatIsNotWantedIsGone) {
  MemorySessionStore store;
  store.Append("a", session::Connected{60, 5, session::WillRecord{Text("gone"), 0}});
  store.Append("a", session::Disconnected{1'000, 60, kNever});
  EXPECT_FALSE(store.images().at("a").will.has_value());
  store.Append("a", session::Connected{60, 5, session::WillRecord{Text("again"), 0}});
  store.Append("a", session::WillDone{});
  EXPECT_FALSE(store.images().at("a").will.has_value());
}

TEST(MemorySessionStoreTest, RecoveryYieldsWhatHasNotEnded) {
  MemorySessionStore store;
  store.Append("a", session::Connected{});
  store.Append("b", session::Connected{});
  store.Append("a", session::Ended{});
  std::vector<std::string> found;
  store.Recover([&](const session::SessionImage& image) { found.push_back(image.client_id); });
  EXPECT_EQ(found, std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace skein::storage
