// What an operator is told about a message that is not published, and that it then comes true.
#include "broker/shard/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/auth/access_rules.h"
#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

Explanation Ask(Node* node, ExplainQuery query, ShardId shard = 0) {
  Explain explain(std::move(query));
  int slices = 0;
  while (!explain.Step(node->core(shard).state()) && ++slices < 100) {
  }
  EXPECT_LT(slices, 100);
  return explain.Take();
}

ExplainQuery About(const std::string& topic, Qos qos = Qos::kAtLeastOnce) {
  ExplainQuery query;
  query.topic = topic;
  query.qos = qos;
  query.as_publisher = true;
  return query;
}

// "CLIENT FILTER: deliver".
std::vector<std::string> Rows(const Explanation& explanation) {
  std::vector<std::string> rows;
  for (const ExplainRow& row : explanation.rows) {
    rows.push_back(row.client_id + " " + row.filter + ": " +
                   std::string(kWouldNames[static_cast<size_t>(row.would)]));
  }
  return rows;
}

std::string Why(const Explanation& explanation, const std::string& client_id) {
  for (const ExplainRow& row : explanation.rows) {
    if (row.client_id == client_id) return row.why;
  }
  return "there is none";
}

TEST(ExplainTest, WhoeverMatchesIsNamed) {
  Transcript t;
  t.Play(R"(
    a> connect id=a
    a< connack
    a> subscribe 1 t/+ q2
    a< suback 1 0x02
    b> connect id=b
    b< connack
    b> subscribe 1 t/x # other
    b< suback 1 0x00 0x00 0x00
  )");
  const Explanation told = Ask(&t.node(), About("t/x"));
  EXPECT_THAT(Rows(told), UnorderedElementsAre("a t/+: deliver", "b t/x: deliver", "b #: deliver"));
  EXPECT_THAT(Why(told, "b"), HasSubstr("one copy"));
  EXPECT_FALSE(told.retained);
  EXPECT_FALSE(told.truncated);
  EXPECT_THAT(Rows(Ask(&t.node(), About("t"))), ElementsAre("b #: deliver"));
}

TEST(ExplainTest, NothingIsDoneByIt) {
  Transcript t;
  t.Play(R"(
    a> connect id=a
    a< connack
    a> subscribe 1 t $share/g/t
    a< suback 1 0x00 0x00
    b> connect id=b
    b< connack
    b> subscribe 1 $share/g/t
    b< suback 1 0x00
  )");
  // In turn: the first one's turn stays its turn however often one asks.
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(Ask(&t.node(), About("t")).rows.size(), 3u);
  t.Play(R"(
    p> connect id=p
    p< connack
    p> publish - t m
    a< publish t m
    a< publish t m
    p> publish - t m
    a< publish t m
    b< publish t m
  )");
}

TEST(ExplainTest, WhoIsOfflineIsQueuedOrNotAndAQueueIsFull) {
  NodeOptions options;
  options.limits.max_queued_messages = 1;
  Transcript t(options);
  t.Play(R"(
    p> connect id=p
    p< connack
    s> connect id=s expiry=100
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s> subscribe 2 zero
    s< suback 2 0x00
    s drops
  )");
  EXPECT_THAT(Why(Ask(&t.node(), About("t")), "s"), HasSubstr("waits until the client comes back"));
  EXPECT_THAT(Why(Ask(&t.node(), About("zero")), "s"), HasSubstr("QoS 0"));
  EXPECT_THAT(Why(Ask(&t.node(), About("t", Qos::kAtMostOnce)), "s"), HasSubstr("QoS 0"));
  EXPECT_THAT(Rows(Ask(&t.node(), About("t"))), ElementsAre("s t: queue"));
  t.Play(R"(
    p> publish 1 t m q1
    p< puback 1
  )");
  const Explanation full = Ask(&t.node(), About("t"));
  EXPECT_THAT(Rows(full), ElementsAre("s t: drop"));
  EXPECT_THAT(Why(full, "s"), HasSubstr("limits.max_queued_messages"));
  EXPECT_EQ(t.node().Dropped(DropReason::kQueueFull), 0u);
  t.Play(R"(
    p> publish 2 t m q1
    p< puback 2
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kQueueFull), 1u);
}

TEST(ExplainTest, TheHighestQosOfASessionCounts) {
  Transcript t;
  t.Play(R"(
    s> connect id=s expiry=100
    s< connack
    s> subscribe 1 t
    s< suback 1 0x00
    s> subscribe 2 # q1
    s< suback 2 0x01
    s drops
  )");
  EXPECT_THAT(Rows(Ask(&t.node(), About("t"))), UnorderedElementsAre("s t: queue", "s #: queue"));
}

TEST(ExplainTest, TooLargeAndNoLocal) {
  Transcript t;
  t.Play(R"(
    s> connect id=s max=50
    s< connack
    s> subscribe 1 t q1 nl
    s< suback 1 0x01
  )");
  ExplainQuery query = About("t");
  query.payload_bytes = 100;
  EXPECT_THAT(Why(Ask(&t.node(), query), "s"), HasSubstr("Maximum Packet Size"));
  query.payload_bytes = 10;
  EXPECT_THAT(Rows(Ask(&t.node(), query)), ElementsAre("s t: deliver"));
  query.publisher = "s";
  EXPECT_THAT(Why(Ask(&t.node(), query), "s"), HasSubstr("No Local"));
}

TEST(ExplainTest, RulesAreNamed) {
  Transcript t;
  auto rules = std::make_shared<auth::AccessRules>(true);
  auth::Rule rule;
  rule.client_ids = {"p"};
  rule.actions = auth::kPublish;
  rule.filters = {"t/no"};
  rule.source = "acl.yaml:3";
  ASSERT_TRUE(rules->Add(rule).ok());
  rule.client_ids = {"s"};
  rule.actions = auth::kSubscribe;
  rule.filters = {"t/secret"};
  rule.source = "acl.yaml:7";
  ASSERT_TRUE(rules->Add(rule).ok());
  t.node().SetRules(rules);
  t.Play(R"(
    p> connect id=p
    p< connack
    s> connect id=s
    s< connack
    s> subscribe 1 t/+
    s< suback 1 0x00
  )");
  ExplainQuery query = About("t/no");
  query.publisher = "p";
  Explanation told = Ask(&t.node(), query);
  EXPECT_TRUE(told.publisher.known);
  EXPECT_FALSE(told.publisher.allowed);
  EXPECT_EQ(told.publisher.rule, "acl.yaml:3");
  query.topic = "t/secret";
  told = Ask(&t.node(), query);
  EXPECT_TRUE(told.publisher.allowed);
  EXPECT_EQ(told.publisher.rule, "default");
  ASSERT_EQ(told.rows.size(), 1u);
  EXPECT_EQ(told.rows[0].would, Would::kDrop);
  EXPECT_EQ(told.rows[0].rule, "acl.yaml:7");
  query.topic = "$SYS/x";
  EXPECT_THAT(Ask(&t.node(), query).publisher.why, HasSubstr("broker's own"));
  query.publisher = "nobody";
  query.topic = "t/no";
  told = Ask(&t.node(), query);
  EXPECT_FALSE(told.publisher.known);
  EXPECT_TRUE(told.publisher.allowed);
}

TEST(ExplainTest, WhatIsRetainedAndThatThereIsMore) {
  Transcript t;
  t.Play(R"(
    p> connect id=p
    p< connack
    p> subscribe 1 # t/+ t/x
    p< suback 1 0x00 0x00 0x00
    p> publish - t/x m retain
    p< publish t/x m
  )");
  ExplainQuery query = About("t/x");
  query.limit = 2;
  const Explanation told = Ask(&t.node(), query);
  EXPECT_TRUE(told.retained);
  EXPECT_TRUE(told.truncated);
  EXPECT_EQ(told.rows.size(), 2u);
  EXPECT_FALSE(Ask(&t.node(), About("t/y")).retained);
  query.as_publisher = false;
  EXPECT_FALSE(Ask(&t.node(), query).retained);
}

TEST(ExplainTest, ANodeOutOfReachIsWaitedFor) {
  Transcript t(ThreeNodes());
  t.Play(Script(R"(
    s> connect id=@s1 at=2 expiry=100
    s< connack
    s> subscribe 1 t/+ q1
    s< suback 1 0x01
    crash 1
    s< closed
  )"));
  const Explanation told = Ask(&t.node(), About("t/x"));
  EXPECT_THAT(Rows(told), ElementsAre(" t/+: queue"));
  EXPECT_EQ(told.rows[0].node, 1u);
  EXPECT_THAT(told.rows[0].why, HasSubstr("outbox"));
  EXPECT_THAT(Rows(Ask(&t.node(), About("t/x", Qos::kAtMostOnce))), ElementsAre(" t/+: drop"));
  ExplainQuery other = About("t/x");
  other.as_publisher = false;
  EXPECT_TRUE(Ask(&t.node(), other).rows.empty());
}

}  // namespace
}  // namespace skein::shard
