// What operators see of a shard's clients, and what they do to them.
#include "broker/shard/operator_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/shard/client_scan.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

using ::testing::ElementsAre;
using Result = OperatorDesk::Result;

constexpr const char* kClients = R"(
    b> connect
    b< connack
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    c> connect keep expiry=100
    c< connack
    c> subscribe 1 u q1
    c< suback 1 0x01
    c drops
    p> connect
    p< connack
)";

std::vector<std::string> Ids(Transcript* t, ClientQuery query, bool* more = nullptr) {
  ClientScan scan(std::move(query));
  while (!scan.Step(t->node().core().state())) {
  }
  const ClientList list = scan.Take();
  if (more != nullptr) *more = list.more;
  std::vector<std::string> ids;
  for (const ClientRow& row : list.rows)
    ids.push_back(row.client_id);
  return ids;
}

mqtt::MessagePtr Make(std::string_view topic, Qos qos, bool retain = false) {
  mqtt::Message::Init init;
  init.topic = topic;
  init.payload = "m";
  init.qos = qos;
  init.retain = retain;
  return mqtt::Message::Make(init);
}

TEST(ClientScanTest, TheFirstOfThoseThatAreWanted) {
  Transcript t;
  t.Play(kClients);
  EXPECT_THAT(Ids(&t, {}), ElementsAre("a", "b", "c", "p"));
  bool more = false;
  ClientQuery query;
  query.limit = 2;
  EXPECT_THAT(Ids(&t, query, &more), ElementsAre("a", "b"));
  EXPECT_TRUE(more);
  query.after = "b";
  EXPECT_THAT(Ids(&t, query, &more), ElementsAre("c", "p"));
  EXPECT_FALSE(more);
  query = {};
  query.connected = false;
  EXPECT_THAT(Ids(&t, query), ElementsAre("c"));
  query = {};
  query.prefix = "p";
  EXPECT_THAT(Ids(&t, query), ElementsAre("p"));
  query = {};
  query.listener = "no such";
  EXPECT_THAT(Ids(&t, query), ElementsAre());
}

TEST(ClientScanTest, TheLongestQueuesFirst) {
  Transcript t;
  t.Play(kClients);
  t.Play(R"(
    p> publish 1 u m q1
    p< puback 1
    p> publish 2 u m q1
    p< puback 2
    a drops
    p> publish 3 t m q1
    p< puback 3
  )");
  ClientQuery query;
  query.longest_queue_first = true;
  EXPECT_THAT(Ids(&t, query), ElementsAre("c", "a"));
  query.limit = 1;
  EXPECT_THAT(Ids(&t, query), ElementsAre("c"));
}

TEST(SubscriptionScanTest, InTheOrderOfClientsAndFilters) {
  Transcript t;
  t.Play(kClients);
  SubscriptionQuery query;
  query.limit = 1;
  SubscriptionScan first(query);
  EXPECT_TRUE(first.Step(t.node().core().state()));
  SubscriptionList list = first.Take();
  ASSERT_EQ(list.rows.size(), 1u);
  EXPECT_EQ(list.rows[0].client_id + " " + list.rows[0].filter, "a t");
  EXPECT_TRUE(list.more);
  query.after = {"a", "t"};
  SubscriptionScan second(query);
  EXPECT_TRUE(second.Step(t.node().core().state()));
  list = second.Take();
  ASSERT_EQ(list.rows.size(), 1u);
  EXPECT_EQ(list.rows[0].filter, "u");
  EXPECT_FALSE(list.more);
}

TEST(OperatorDeskTest, AKickedClientIsToldAndItsSessionStays) {
  Transcript t;
  t.Play(kClients);
  OperatorDesk& desk = t.node().core().desk();
  EXPECT_EQ(desk.Kick("nobody"), Result::kUnknown);
  EXPECT_EQ(desk.Kick("c"), Result::kUnknown) << "it is not connected";
  EXPECT_EQ(desk.Kick("a"), Result::kDone);
  t.Play(R"(
    step
    a< disconnect 0x98
    a< closed
  )");
  EXPECT_NE(t.node().session("a"), nullptr);
  const auto& events = t.node().core().state().events.events();
  EXPECT_EQ(events.back().kind, EventKind::kDisconnected);
  EXPECT_EQ(events.back().client_id, "a");
}

TEST(OperatorDeskTest, ASessionThatIsEndedIsGoneForGood) {
  Transcript t;
  t.Play(kClients);
  OperatorDesk& desk = t.node().core().desk();
  session::Lsn lsn = 0;
  EXPECT_EQ(desk.EndSession("a", &lsn), Result::kDone);
  EXPECT_GT(lsn, 0u);
  EXPECT_EQ(desk.EndSession("c", &lsn), Result::kDone);
  EXPECT_EQ(desk.EndSession("b", &lsn), Result::kDone) << "a transient one";
  EXPECT_EQ(desk.EndSession("b", &lsn), Result::kUnknown);
  t.node().Settle();
  t.node().Crash();
  EXPECT_EQ(t.node().session("a"), nullptr);
  EXPECT_EQ(t.node().session("c"), nullptr);
}

TEST(OperatorDeskTest, APublishWaitsForWhatAPubackWaitsFor) {
  Transcript t;
  t.Play(kClients);
  t.node().disk_runs = false;
  OperatorDesk& desk = t.node().core().desk();
  const auto published = desk.Publish(Make("u", Qos::kAtLeastOnce));
  EXPECT_TRUE(published->matched);
  t.node().Step();
  EXPECT_FALSE(desk.Arrived(*published)) << "it is not durable";
  t.node().disk_runs = true;
  t.node().Settle();
  EXPECT_TRUE(desk.Arrived(*published));
  EXPECT_EQ(t.node().session("c")->stored.messages, 1u);
  const auto nobody = desk.Publish(Make("nothing", Qos::kAtMostOnce));
  EXPECT_FALSE(nobody->matched);
  EXPECT_TRUE(desk.Arrived(*nobody));
}

TEST(OperatorDeskTest, OnOtherNodesToo) {
  NodeOptions options;
  options.nodes = 2;
  Transcript t(options);
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    b> connect keep expiry=100
    b< connack
    b> subscribe 1 t q1
    b< suback 1 0x01
  )");
  t.node().mail_runs = false;
  OperatorDesk& desk = t.node().core(0).desk();
  const auto published = desk.Publish(Make("t", Qos::kAtLeastOnce, true));
  t.node().Settle();
  const bool elsewhere = t.node().core(1).state().sessions.size() > 0;
  EXPECT_EQ(desk.Arrived(*published), !elsewhere) << "the other node has not answered";
  t.node().mail_runs = true;
  t.node().Settle();
  EXPECT_TRUE(desk.Arrived(*published));
  EXPECT_FALSE(published->refused);
  EXPECT_EQ(t.node().Retains(1, "t"), "m");
  // What the broker keeps goes to all nodes, and to nobody else.
  const auto kept = desk.Keep(Make("$skeinmq/x", Qos::kAtLeastOnce, true));
  t.node().Settle();
  EXPECT_TRUE(desk.Arrived(*kept));
  EXPECT_EQ(t.node().Retains(1, "$skeinmq/x"), "m");
}

TEST(OperatorDeskTest, LooksIntoQueuesWithoutTouchingThem) {
  Transcript t;
  t.Play(kClients);
  t.Play(R"(
    p> publish 1 u m1 q1
    p< puback 1
    p> publish 2 u m2 q1
    p< puback 2
    p> publish 3 u m3 q1
    p< puback 3
  )");
  OperatorDesk& desk = t.node().core().desk();
  bool busy = false;
  EXPECT_EQ(desk.Look("nobody", 2, &busy), nullptr);
  const auto peek = desk.Look("c", 2, &busy);
  ASSERT_NE(peek, nullptr);
  t.node().Settle();
  ASSERT_TRUE(peek->done);
  ASSERT_EQ(peek->messages.size(), 2u);
  EXPECT_EQ(peek->messages[0].message->payload(), "m1");
  EXPECT_EQ(peek->messages[0].packet_id, 0);
  t.Play(R"(
    c> connect keep expiry=100
    c< connack present
    c< publish u m1 q1 #1
    c< publish u m2 q1 #2
    c< publish u m3 q1 #3
  )");
  const auto again = desk.Look("c", 10, &busy);
  t.node().Settle();
  ASSERT_EQ(again->messages.size(), 3u) << "in flight counts";
  EXPECT_EQ(again->messages[2].packet_id, 3);
  const auto transient = desk.Look("b", 10, &busy);
  EXPECT_TRUE(transient->done);
}

TEST(OperatorDeskTest, ClientsNeitherReadNorWriteWhatTheBrokerKeeps) {
  Transcript t;
  t.Play(R"(
    a> connect
    a< connack
    a> subscribe 1 $skeinmq/# q1
    a< suback 1 0x87
    a> publish 1 $skeinmq/x m q1 retain
    a< puback 1 0x87
  )");
}

}  // namespace
}  // namespace skein::shard
