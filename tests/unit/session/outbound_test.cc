#include "broker/session/outbound.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skein::session {
namespace {

using AckResult = Outbound::AckResult;
using State = Outbound::State;

Delivery Make(const std::string& text, Qos qos = Qos::kAtLeastOnce, uint64_t sequence = 0) {
  mqtt::Message::Init init;
  init.topic = "t";
  init.payload = text;
  init.qos = qos;
  Delivery delivery;
  delivery.message = mqtt::Message::Make(init);
  delivery.qos = qos;
  delivery.sequence = sequence;
  delivery.cost = static_cast<uint32_t>(delivery.message->cost());
  return delivery;
}

class OutboundTest : public testing::Test {
 protected:
  ~OutboundTest() override { outbound_.ClearQueue(&budget_); }

  PacketId Send(const std::string& text, Qos qos = Qos::kAtLeastOnce) {
    return outbound_.Send(Make(text, qos)).id;
  }
  AckResult Puback(PacketId id) { return outbound_.OnPuback(id, &finished_); }
  AckResult Pubrec(PacketId id, bool error = false) {
    return outbound_.OnPubrec(id, error, &finished_);
  }
  AckResult Pubcomp(PacketId id) { return outbound_.OnPubcomp(id, &finished_); }
  void Queue(const std::string& text) { outbound_.Enqueue(Make(text), &budget_); }

  std::vector<std::string> Resend(size_t window) {
    std::vector<std::string> sent;
    while (Outbound::InFlight* entry = outbound_.NextToResend(window)) {
      sent.push_back(entry->state == State::kReleased
                         ? "PUBREL " + std::to_string(entry->id)
                         : std::string(entry->delivery.message->payload()));
    }
    return sent;
  }

  Outbound outbound_;
  QueueBudget budget_;
  Finished finished_;
};

TEST_F(OutboundTest, IdsAscendFromOne) {
  EXPECT_EQ(Send("a"), 1);
  EXPECT_EQ(Send("b"), 2);
  EXPECT_EQ(outbound_.in_flight(), 2u);
}

TEST_F(OutboundTest, TheWindowOpensOnlyWhenAnAcknowledgementCame) {
  Send("a");
  Send("b");
  EXPECT_FALSE(outbound_.WindowOpen(2));
  EXPECT_TRUE(outbound_.WindowOpen(3));
  EXPECT_EQ(Puback(2), AckResult::kOk);
  EXPECT_TRUE(outbound_.WindowOpen(2));
}

TEST_F(OutboundTest, AnIdIsNotUsedAgainWhileAnOlderHandshakeIsOpen) {
  const PacketId first = Send("first");
  for (int i = 0; i < 64'000; ++i)
    ASSERT_EQ(Puback(Send("x")), AckResult::kOk);
  EXPECT_EQ(outbound_.in_flight(), 1u);
  for (int i = 0; i < 2'000 && outbound_.WindowOpen(10); ++i) {
    const PacketId id = Send("y");
    ASSERT_NE(id, first);
    Puback(id);
  }
  EXPECT_FALSE(outbound_.WindowOpen(10));  // the span of ids is used up
  EXPECT_EQ(Puback(first), AckResult::kOk);
  EXPECT_TRUE(outbound_.WindowOpen(10));
}

TEST_F(OutboundTest, IdsWrapPastZero) {
  for (int i = 0; i < 65'534; ++i)
    Puback(Send("x"));
  EXPECT_EQ(Send("a"), 65'535);
  EXPECT_EQ(Send("b"), 1);
  EXPECT_EQ(Puback(1), AckResult::kOk);
  EXPECT_EQ(Puback(65'535), AckResult::kOk);
  EXPECT_EQ(outbound_.in_flight(), 0u);
}

TEST_F(OutboundTest, AcknowledgementsMayComeInAnyOrderOnce) {
  for (const char* text : {"a", "b", "c"})
    Send(text);
  EXPECT_EQ(Puback(3), AckResult::kOk);
  EXPECT_EQ(Puback(1), AckResult::kOk);
  EXPECT_EQ(Puback(1), AckResult::kUnknown);
  EXPECT_EQ(Puback(3), AckResult::kUnknown);
  EXPECT_EQ(Puback(2), AckResult::kOk);
  EXPECT_EQ(Puback(0), AckResult::kUnknown);
  EXPECT_EQ(outbound_.in_flight(), 0u);
}

TEST_F(OutboundTest, ExactlyOnceTakesBothSteps) {
  const PacketId id = Send("a", Qos::kExactlyOnce);
  EXPECT_EQ(Puback(id), AckResult::kMismatch);
  EXPECT_EQ(Pubcomp(id), AckResult::kMismatch);
  EXPECT_EQ(Pubrec(id), AckResult::kOk);
  EXPECT_EQ(outbound_.in_flight(), 1u);
  EXPECT_EQ(Pubrec(id), AckResult::kOk);  // repeated: PUBREL goes out again
  EXPECT_EQ(Pubcomp(id), AckResult::kOk);
  EXPECT_EQ(outbound_.in_flight(), 0u);
  EXPECT_EQ(Pubrec(id), AckResult::kUnknown);
}

TEST_F(OutboundTest, PubrecWithAnErrorEndsTheHandshake) {
  const PacketId id = Send("a", Qos::kExactlyOnce);
  EXPECT_EQ(Pubrec(id, true), AckResult::kOk);
  EXPECT_EQ(outbound_.in_flight(), 0u);
}

TEST_F(OutboundTest, PubrecForQos1IsAMismatch) {
  EXPECT_EQ(Pubrec(Send("a")), AckResult::kMismatch);
}

TEST_F(OutboundTest, SequencesComeBackWhenTheHandshakeIsOver) {
  outbound_.Send(Make("a", Qos::kAtLeastOnce, 7));
  outbound_.Send(Make("b", Qos::kExactlyOnce, 8));
  Puback(1);
  EXPECT_EQ(finished_.sequence, 7u);
  Pubrec(2);
  EXPECT_EQ(finished_.sequence, 7u) << "PUBREC is not the end";
  ASSERT_NE(outbound_.Find(2), nullptr);
  EXPECT_EQ(outbound_.Find(2)->delivery.sequence, 8u);
  Pubcomp(2);
  EXPECT_EQ(finished_.sequence, 8u);
  EXPECT_EQ(outbound_.Find(2), nullptr);
}

TEST_F(OutboundTest, ANewConnectionGetsWhatWasInFlightInOrder) {
  Send("a");
  Send("b", Qos::kExactlyOnce);
  Send("c");
  Puback(1);
  Pubrec(2);
  outbound_.Rewind();
  EXPECT_FALSE(outbound_.WindowOpen(100)) << "nothing new before the old";
  EXPECT_EQ(Resend(100), (std::vector<std::string>{"PUBREL 2", "c"}));
  EXPECT_TRUE(outbound_.WindowOpen(100));
}

TEST_F(OutboundTest, ResendingRespectsASmallerReceiveMaximum) {
  for (const char* text : {"a", "b", "c", "d"})
    Send(text);
  outbound_.Rewind();
  EXPECT_EQ(Resend(2), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(Resend(2).empty());
  Puback(1);
  EXPECT_EQ(Resend(2), (std::vector<std::string>{"c"}));
  EXPECT_FALSE(outbound_.WindowOpen(2));
  Puback(2);
  Puback(3);
  EXPECT_EQ(Resend(2), (std::vector<std::string>{"d"}));
  EXPECT_TRUE(outbound_.WindowOpen(2));
  EXPECT_EQ(Send("e"), 5);
}

TEST_F(OutboundTest, AnAcknowledgementOfWhatWasNotSentAgainYetCounts) {
  for (const char* text : {"a", "b", "c"})
    Send(text);
  outbound_.Rewind();
  EXPECT_EQ(Resend(1), (std::vector<std::string>{"a"}));
  EXPECT_EQ(Puback(2), AckResult::kOk);
  Puback(1);
  EXPECT_EQ(Resend(1), (std::vector<std::string>{"c"}));
  Puback(3);
  EXPECT_TRUE(outbound_.WindowOpen(1));
}

TEST_F(OutboundTest, DiscardLeavesTheOthers) {
  for (const char* text : {"a", "b"})
    Send(text);
  outbound_.Rewind();
  outbound_.Discard(outbound_.NextToResend(10));
  EXPECT_EQ(Resend(10), (std::vector<std::string>{"b"}));
  EXPECT_EQ(outbound_.in_flight(), 1u);
}

TEST_F(OutboundTest, RestoreKeepsIdsStatesAndGaps) {
  outbound_.Restore(Make("a", Qos::kAtLeastOnce, 1), 65'534, State::kPublished);
  outbound_.Restore(Make("b", Qos::kExactlyOnce, 4), 2, State::kReleased);
  outbound_.Rewind();
  EXPECT_EQ(Resend(10), (std::vector<std::string>{"a", "PUBREL 2"}));
  EXPECT_EQ(Puback(1), AckResult::kUnknown);
  EXPECT_EQ(Pubcomp(2), AckResult::kOk);
  EXPECT_EQ(finished_.sequence, 4u);
  EXPECT_EQ(Puback(65'534), AckResult::kOk);
  EXPECT_EQ(Send("c"), 3);
}

TEST_F(OutboundTest, TheQueueKeepsOrderAndCountsBytes) {
  Queue("one");
  Queue("two");
  EXPECT_EQ(outbound_.queued(), 2u);
  EXPECT_EQ(budget_.used, outbound_.queued_bytes());
  EXPECT_GT(budget_.used, 6u);
  EXPECT_EQ(outbound_.TakeFront(&budget_).message->payload(), "one");
  EXPECT_EQ(outbound_.TakeFront(&budget_).message->payload(), "two");
  EXPECT_EQ(budget_.used, 0u);
  EXPECT_TRUE(outbound_.queue_empty());
}

TEST_F(OutboundTest, EachBoundOfTheQueueHasItsName) {
  const Delivery next = Make("next");
  const uint64_t cost = next.message->cost();
  Queue("have");
  EXPECT_EQ(outbound_.Room(*next.message, {2, 2 * cost}, budget_), QueueResult::kQueued);
  EXPECT_EQ(outbound_.Room(*next.message, {1, 2 * cost}, budget_), QueueResult::kFull);
  EXPECT_EQ(outbound_.Room(*next.message, {2, 2 * cost - 1}, budget_), QueueResult::kFullBytes);
  budget_.maximum = budget_.used + cost - 1;
  EXPECT_EQ(outbound_.Room(*next.message, {2, 2 * cost}, budget_), QueueResult::kFullTotal);
}

class SharedOutboundTest : public OutboundTest {
 protected:
  Delivery Through(const std::string& group, const std::string& text, Qos qos = Qos::kAtLeastOnce) {
    Delivery delivery = Make(text, qos);
    if (!group.empty()) delivery.share = routing::ShareRef("$share/" + group);
    return delivery;
  }
  static std::vector<std::string> Texts(const std::vector<Delivery>& deliveries) {
    std::vector<std::string> texts;
    for (const Delivery& each : deliveries)
      texts.emplace_back(each.message->payload());
    return texts;
  }
  std::vector<std::string> Left() {
    std::vector<std::string> texts;
    while (!outbound_.queue_empty())
      texts.emplace_back(outbound_.TakeFront(&budget_).message->payload());
    return texts;
  }
  using Strings = std::vector<std::string>;
};

TEST_F(SharedOutboundTest, WhatWaitsOfAGroupIsTakenOutInOrder) {
  outbound_.Send(Through("g/t", "sent"));
  for (const auto& [group, text] : std::vector<std::pair<std::string, std::string>>{
           {"g/t", "one"}, {"", "own"}, {"h/t", "other"}, {"g/t", "two"}})
    outbound_.Enqueue(Through(group, text), &budget_);
  EXPECT_EQ(Texts(outbound_.TakeWaiting("$share/g/t", &budget_)), (Strings{"one", "two"}));
  EXPECT_EQ(outbound_.in_flight(), 1u);
  EXPECT_EQ(budget_.used, outbound_.queued_bytes());
  EXPECT_EQ(Left(), (Strings{"own", "other"}));
}

TEST_F(SharedOutboundTest, AtTheEndWhatWasSentIsTakenTooIfNobodyMayHaveIt) {
  const PacketId done = outbound_.Send(Through("g/t", "done")).id;
  outbound_.Send(Through("g/t", "sent"));
  outbound_.Send(Through("", "own"));
  outbound_.Send(Through("g/t", "begun", Qos::kExactlyOnce));
  outbound_.Send(Through("h/t", "other"));
  outbound_.Enqueue(Through("", "own waits"), &budget_);
  outbound_.Enqueue(Through("g/t", "waits", Qos::kExactlyOnce), &budget_);
  ASSERT_EQ(Puback(done), AckResult::kOk);
  EXPECT_EQ(Texts(outbound_.TakeShared(&budget_)), (Strings{"sent", "other", "waits"}));
  EXPECT_EQ(outbound_.in_flight(), 2u);
  EXPECT_EQ(Left(), (Strings{"own waits"}));
}

TEST(SubscriptionIdsTest, NoneOneAndMany) {
  EXPECT_TRUE(SubscriptionIds().view().empty());
  const SubscriptionIds one(5);
  ASSERT_EQ(one.view().size(), 1u);
  EXPECT_EQ(one.view()[0], 5u);
  const std::vector<uint32_t> three = {3, 1, 2};
  SubscriptionIds many(three);
  const SubscriptionIds moved = std::move(many);
  EXPECT_EQ(std::vector<uint32_t>(moved.view().begin(), moved.view().end()), three);
}

}  // namespace
}  // namespace skein::session
