#include "storage/memory/session_store.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skein::storage {
namespace {

constexpr session::SessionKey kA{1, 1};
constexpr session::SessionKey kB{2, 2};

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
  EXPECT_EQ(store.Append(kA, session::Connected{"x", 10, 5, {}}), 1u);
  EXPECT_EQ(store.Append(kB, session::Connected{"x", 10, 5, {}}), 2u);
  EXPECT_EQ(store.durable(), 0u);
  store.Commit();
  EXPECT_EQ(store.durable(), 2u);
}

TEST(MemorySessionStoreTest, ByHandNothingIsDurableBeforeItIsSaidAndCommitted) {
  MemorySessionStore store(MemorySessionStore::Durability::kByHand);
  store.Append(kA, session::Connected{"a", 60, 5, {}});
  store.Commit();
  store.Append(kA, session::Ended{});
  EXPECT_EQ(store.durable(), 0u);
  store.MakeDurable(2);
  EXPECT_EQ(store.durable(), 1u) << "the second record is not committed";
}

TEST(MemorySessionStoreTest, TheImageFollowsTheRecords) {
  MemorySessionStore store;
  const routing::SubscriptionOptions options{Qos::kExactlyOnce, true, false, 1, 7};
  store.Append(kA, session::Connected{"a", 60, 5, session::WillRecord{Text("gone"), 3}});
  store.Append(kA, session::Subscribed{"x/#", options});
  store.Append(kA, session::Subscribed{"y", {}});
  store.Append(kA, session::Unsubscribed{"y"});
  for (uint64_t i = 1; i <= 4; ++i)
    store.Append(kA, Message(i, std::to_string(i)));
  store.Append(kA, session::Sent{1, 11});
  store.Append(kA, session::Sent{2, 12});
  store.Append(kA, session::Released{1});
  store.Append(kA, session::Completed{2});
  store.Append(kA, session::Completed{3});
  store.Append(kA, session::InboundTaken{5});
  store.Append(kA, session::InboundTaken{6});
  store.Append(kA, session::InboundReleased{5});
  store.Append(kA, session::Disconnected{1'000, 30, 4'000});

  const session::SessionImage image = Describe(store.sessions().at(kA));
  EXPECT_EQ(image.expiry_seconds, 30u);
  EXPECT_EQ(image.disconnected_at, 1'000);
  EXPECT_EQ(image.will_due, 4'000);
  ASSERT_TRUE(image.will.has_value());
  EXPECT_EQ(image.will->message->payload(), "gone");
  ASSERT_EQ(image.subscriptions.size(), 1u);
  EXPECT_EQ(image.subscriptions[0], std::make_pair(std::string("x/#"), options));
  EXPECT_EQ(image.queued_messages, 2u);
  EXPECT_EQ(image.queued_bytes, 2 * Text("1")->cost());
  EXPECT_EQ(image.first_sequence, 1u);
  EXPECT_EQ(image.last_sequence, 4u);
  EXPECT_EQ(image.last_sent, 1u);
  EXPECT_EQ(image.inbound, std::vector<session::InboundTaken>{{6}});
}

TEST(MemorySessionStoreTest, AWillThatIsNotWantedIsGone) {
  MemorySessionStore store;
  store.Append(kA, session::Connected{"a", 60, 5, session::WillRecord{Text("gone"), 0}});
  store.Append(kA, session::Disconnected{1'000, 60, kNever});
  EXPECT_FALSE(store.sessions().at(kA).image.will.has_value());
  store.Append(kA, session::Connected{"a", 60, 5, session::WillRecord{Text("again"), 0}});
  store.Append(kA, session::WillDone{});
  EXPECT_FALSE(store.sessions().at(kA).image.will.has_value());
}

TEST(MemorySessionStoreTest, PagesFollowOneAnother) {
  MemorySessionStore store;
  for (uint64_t i = 1; i <= 5; ++i)
    store.Append(kA, Message(i, std::to_string(i)));
  store.Append(kA, session::Sent{1, 9});
  store.Append(kA, session::Released{1});
  store.Append(kA, session::DroppedOldest{4, 2, 0});
  session::QueueRead request{kA, 77, 1, 2, UINT64_MAX, 8};
  store.ReadQueue(request);
  std::vector<session::QueuePage> pages;
  store.TakePages(&pages);
  EXPECT_TRUE(pages.empty()) << "the last record is not durable yet";
  store.Commit();
  store.TakePages(&pages);
  ASSERT_EQ(pages.size(), 1u);
  EXPECT_EQ(pages[0].token, 77u);
  ASSERT_EQ(pages[0].entries.size(), 2u);
  EXPECT_EQ(pages[0].entries[0].packet_id, 9);
  EXPECT_TRUE(pages[0].entries[0].released);
  EXPECT_EQ(pages[0].entries[1].sequence, 4u);
  EXPECT_FALSE(pages[0].end);
  request.from = pages[0].next;
  store.ReadQueue(request);
  store.TakePages(&pages);
  ASSERT_EQ(pages.size(), 2u);
  ASSERT_EQ(pages[1].entries.size(), 1u);
  EXPECT_EQ(pages[1].entries[0].message->payload(), "5");
  EXPECT_TRUE(pages[1].end);
}

TEST(MemorySessionStoreTest, RecoveryYieldsWhatHasNotEnded) {
  MemorySessionStore store;
  store.Append(kA, session::Connected{"a", 60, 5, {}});
  store.Append(kB, session::Connected{"b", 60, 5, {}});
  store.Append(kA, session::Ended{});
  std::vector<std::string> found;
  store.Recover([&](const session::SessionImage& image) { found.push_back(image.client_id); });
  EXPECT_EQ(found, std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace skein::storage
