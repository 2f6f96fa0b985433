// What a trace says about a conversation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/auth/access_rules.h"
#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

// What the trace has and was not asked for yet: "STEP CLIENT", without a client where there is
// none.
class Steps {
 public:
  explicit Steps(Node* node, std::string id) : node_(*node), id_(std::move(id)) {}

  std::vector<std::string> Next() {
    std::vector<std::string> steps;
    events_ = node_.traces().Read(id_, last_, 1'000, node_.now())->events;
    for (const trace::Event& event : events_) {
      last_ = event.id;
      std::string& step = steps.emplace_back(trace::NameOf(event.step));
      if (!event.client_id.empty()) step += " " + event.client_id;
    }
    return steps;
  }
  // Of the last Next().
  const trace::Event& event(size_t i) const { return events_.at(i); }
  // Why the last one of that kind was; of the last Next().
  std::string Why(trace::Step step) const {
    std::string why = "there was none";
    for (const trace::Event& event : events_) {
      if (event.step == step) why = event.why;
    }
    return why;
  }

 private:
  Node& node_;
  const std::string id_;
  uint64_t last_ = 0;
  std::vector<trace::Event> events_;
};

void Begin(Transcript* t) {
  t->Play(R"(
    p> connect id=p
    p< connack
    s> connect id=s
    s< connack
  )");
}

TEST(TraceTest, AMessageStepByStep) {
  Transcript t;
  Begin(&t);
  t.node().Trace("", "t/#");
  Steps steps(&t.node(), "t/#");
  t.Play(R"(
    s> subscribe 1 t/+ q1
    s< suback 1 0x01
    p> publish 7 t/x m q1
    s< publish t/x m q1 #1
    p< puback 7
    s> puback 1
    p> publish - other m
  )");
  EXPECT_THAT(steps.Next(), ElementsAre("subscribed s", "received p", "allowed p", "matched",
                                        "sent s", "answered p", "acknowledged s"));
  EXPECT_EQ(steps.event(1).packet_id, 7);
  EXPECT_EQ(steps.event(1).message, steps.event(4).message);
  EXPECT_EQ(steps.event(4).packet_id, 1);
  EXPECT_THAT(steps.Why(trace::Step::kMatched), HasSubstr("1 subscriptions"));
}

TEST(TraceTest, NobodyWantsIt) {
  Transcript t;
  Begin(&t);
  t.node().Trace("p", "");
  Steps steps(&t.node(), "p");
  t.Play(R"(
    p> publish 1 t m q1 retain
    p< puback 1 0x10
  )");
  EXPECT_THAT(steps.Next(),
              ElementsAre("received p", "allowed p", "retained", "no_route", "answered p"));
  EXPECT_THAT(steps.Why(trace::Step::kAnswered), HasSubstr("matching"));
}

TEST(TraceTest, AccessRulesAreNamed) {
  Transcript t;
  Begin(&t);
  auto rules = std::make_shared<auth::AccessRules>(true);
  auth::Rule rule;
  rule.client_ids = {"p"};
  rule.actions = auth::kPublish;
  rule.filters = {"secret/#"};
  rule.source = "acl.yaml:3";
  ASSERT_TRUE(rules->Add(rule).ok());
  rule.client_ids = {"s"};
  rule.actions = auth::kSubscribe;
  rule.filters = {"t/secret"};
  rule.source = "acl.yaml:7";
  ASSERT_TRUE(rules->Add(rule).ok());
  t.node().SetRules(rules);
  t.node().Trace("", "#");
  Steps steps(&t.node(), "#");
  t.Play(R"(
    p> publish 1 secret/x m q1
    p< puback 1 0x87
    s> subscribe 1 t/secret
    s< suback 1 0x87
    s> subscribe 2 t/+
    s< suback 2 0x00
    p> publish - t/secret m
  )");
  EXPECT_THAT(steps.Next(), ElementsAre("received p", "denied p", "denied s", "subscribed s",
                                        "received p", "allowed p", "matched", "dropped s"));
  EXPECT_EQ(steps.event(1).rule, "acl.yaml:3");
  EXPECT_EQ(steps.event(2).rule, "acl.yaml:7");
  EXPECT_EQ(steps.event(5).rule, "default");
  EXPECT_EQ(steps.event(7).rule, "acl.yaml:7");
}

TEST(TraceTest, WhyASubscriberDidNotGetIt) {
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
    s drops
    l> connect id=l
    l< connack
    l> subscribe 1 l nl
    l< suback 1 0x00
    m> connect id=m max=30
    m< connack
    m> subscribe 1 m
    m< suback 1 0x00
  )");
  t.node().Trace("", "#");
  Steps steps(&t.node(), "#");
  t.Play(R"(
    p> publish - t m
  )");
  EXPECT_THAT(steps.Next(), ElementsAre("received p", "allowed p", "matched", "dropped s"));
  EXPECT_THAT(steps.Why(trace::Step::kDropped), HasSubstr("QoS 0"));
  t.Play(R"(
    p> publish 1 t m q1 expiry=5
    p< puback 1
    p> publish 2 t m q1
    p< puback 2
  )");
  EXPECT_THAT(steps.Next(),
              ElementsAre("received p", "allowed p", "matched", "queued s", "answered p",
                          "received p", "allowed p", "matched", "dropped s", "answered p"));
  EXPECT_THAT(steps.Why(trace::Step::kDropped), HasSubstr("limits.max_queued_messages"));
  t.Play(R"(
    wait 6000
    s> connect id=s keep expiry=100
    s< connack present
  )");
  EXPECT_THAT(steps.Next(), ElementsAre("dropped s"));
  EXPECT_THAT(steps.Why(trace::Step::kDropped), HasSubstr("expired"));
  t.Play(R"(
    l> publish - l m
    p> publish - m bytes:100
  )");
  EXPECT_THAT(steps.Next(), ElementsAre("received l", "allowed l", "matched", "dropped l",
                                        "received p", "allowed p", "matched", "dropped m"));
  EXPECT_THAT(steps.event(3).why, HasSubstr("No Local"));
  EXPECT_THAT(steps.event(7).why, HasSubstr("Maximum Packet Size"));
}

TEST(TraceTest, AClientComesAndGoes) {
  Transcript t;
  t.node().Trace("c", "");
  Steps steps(&t.node(), "c");
  t.Play(R"(
    a> connect id=c expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    a> unsubscribe 2 t
    a< unsuback 2 0x00
    b> connect id=c expiry=100 keep
    a< disconnect 0x8e
    a< closed
    b< connack present
    b> disconnect
    b< closed
    b> connect id=c user=bad
    b< connack 0x86
    b< closed
  )");
  EXPECT_THAT(steps.Next(),
              ElementsAre("connected c", "subscribed c", "unsubscribed c", "disconnected c",
                          "connected c", "disconnected c", "refused c"));
  EXPECT_THAT(steps.event(3).why, HasSubstr("another connection has this client id"));
  EXPECT_THAT(steps.event(5).why, HasSubstr("DISCONNECT"));
}

TEST(TraceTest, ARedeliveryIsOne) {
  Transcript t;
  t.Play(R"(
    p> connect id=p
    p< connack
    s> connect id=s expiry=100
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
  )");
  t.node().Trace("s", "");
  Steps steps(&t.node(), "s");
  t.Play(R"(
    p> publish 1 t m q1
    s< publish t m q1 #1
    p< puback 1
    s drops
    s> connect id=s keep expiry=100
    s< connack present
    s< publish t m q1 #1 dup
    s> puback 1
  )");
  EXPECT_THAT(steps.Next(), ElementsAre("sent s", "disconnected s", "connected s", "redelivered s",
                                        "acknowledged s"));
}

TEST(TraceTest, AMemberIsPicked) {
  Transcript t;
  Begin(&t);
  t.Play(R"(
    s> subscribe 1 $share/g/t
    s< suback 1 0x00
  )");
  t.node().Trace("s", "");
  Steps steps(&t.node(), "s");
  t.Play(R"(
    p> publish - t m
    s< publish t m
  )");
  EXPECT_THAT(steps.Next(), ElementsAre("picked s", "sent s"));
  EXPECT_THAT(steps.Why(trace::Step::kPicked), HasSubstr("$share/g/t"));
}

TEST(TraceTest, ItIsFollowedToOtherNodes) {
  Transcript t(ThreeNodes());
  t.Play(Script(R"(
    p> connect id=@p0 at=0
    p< connack
    s> connect id=@s1 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
  )"));
  t.node().Trace(IdOf(0, "p"), "");
  Steps steps(&t.node(), IdOf(0, "p"));
  t.Play(Script(R"(
    p> publish 1 t m q1
    s< publish t m q1 #1
    p< puback 1
  )"));
  const std::string s = IdOf(1, "s");
  EXPECT_THAT(steps.Next(),
              IsSupersetOf({"received " + IdOf(0, "p"), std::string("matched"),
                            std::string("forwarded"), std::string("taken"), "sent " + s}));
}

TEST(TraceTest, WhatWaitsForANodeIsInTheOutbox) {
  Transcript t(ThreeNodes());
  t.Play(Script(R"(
    p> connect id=@p0 at=0
    p< connack
    s> connect id=@s1 at=2 expiry=100
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    crash 1
    s< closed
  )"));
  t.node().Trace("", "t");
  Steps steps(&t.node(), "t");
  t.Play(R"(
    p> publish 1 t m q1
    p< puback 1
  )");
  EXPECT_THAT(steps.Next(), IsSupersetOf({"outbox"}));
  t.node().Revive(1);
  t.node().Settle();
  EXPECT_THAT(steps.Next(), IsSupersetOf({"forwarded"}));
}

}  // namespace
}  // namespace skein::shard
