// What a shard counts, and what Census finds.
#include <gtest/gtest.h>

#include "broker/shard/census.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

class CountsTest : public testing::Test {
 protected:
  void Play(std::string_view script) { t_.Play(script); }
  ShardStats& stats() { return t_.node().stats(); }
  uint64_t Drops(DropReason reason) { return t_.node().Dropped(reason); }
  uint64_t Ends(EndReason reason) {
    return stats().disconnects[static_cast<size_t>(reason)].value();
  }
  uint64_t Hits(LimitHit limit) { return stats().limit_hits[static_cast<size_t>(limit)].value(); }
  int64_t Connected(size_t version) { return stats().listeners[0].connected[version].value(); }
  CensusFigures Take(ShardId shard = 0) {
    Census census;
    while (!census.Step(t_.node().core(shard).state())) {
    }
    return census.figures();
  }

  Transcript t_;
};

TEST_F(CountsTest, ClientsByVersionAndHowTheyGo) {
  Play(R"(
    a> connect v31
    a< connack
    b> connect v311
    b< connack
    c> connect id=c keepalive=10
    c< connack
  )");
  EXPECT_EQ(Connected(0), 1);
  EXPECT_EQ(Connected(1), 1);
  EXPECT_EQ(Connected(2), 1);
  Play(R"(
    a> disconnect
    a< closed
    b drops
    d> connect id=c keepalive=10
    c< disconnect 0x8e
    c< closed
    d< connack
  )");
  EXPECT_EQ(Connected(0), 0);
  EXPECT_EQ(Connected(1), 0);
  EXPECT_EQ(Connected(2), 1);
  EXPECT_EQ(Ends(EndReason::kClient), 1u);
  EXPECT_EQ(Ends(EndReason::kClosed), 1u);
  EXPECT_EQ(Ends(EndReason::kTakeover), 1u);
  Play(R"(
    wait 16000
    d< disconnect 0x8d
    d< closed
    e> connect user=bad
    e< connack 0x86
    e< closed
  )");
  EXPECT_EQ(Ends(EndReason::kKeepAlive), 1u);
  EXPECT_EQ(Connected(2), 0);
  const auto& results = stats().listeners[0].authentications;
  EXPECT_EQ(results[static_cast<size_t>(AuthResult::kSuccess)].value(), 4u);
  EXPECT_EQ(results[static_cast<size_t>(AuthResult::kBadCredentials)].value(), 1u);
}

TEST_F(CountsTest, MessagesAndWhatBecomesOfThem) {
  Play(R"(
    s> connect id=s keep expiry=100
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    p> connect
    p< connack
    p> publish 1 t four q1
    s< publish t four q1 #1
    p< puback 1
    p> publish - nobody lost
    p> publish - nobody kept retain
    s drops
    p> publish - t gone
  )");
  EXPECT_EQ(stats().packets_in.publishes(0), 3u) << "with and without RETAIN";
  EXPECT_EQ(stats().packets_in.publishes(1), 1u);
  EXPECT_EQ(stats().packets_in.publishes(), 4u);
  EXPECT_EQ(stats().packets_in.of_type(1), 2u) << "CONNECT";
  EXPECT_EQ(stats().packets_in.total(), 2u + 1 + 4);
  EXPECT_EQ(stats().packets_out.publishes(1), 1u);
  EXPECT_EQ(stats().packets_out.of_type(4), 1u) << "PUBACK";
  EXPECT_EQ(stats().packets_out.total(), 2u + 1 + 1 + 1);
  EXPECT_EQ(stats().payload_in.value(), 4u + 4 + 4 + 4);
  EXPECT_EQ(stats().payload_out.value(), 4u);
  EXPECT_EQ(Drops(DropReason::kNoSubscriber), 1u);
  EXPECT_EQ(Drops(DropReason::kOffline), 1u);
}

TEST_F(CountsTest, TimesTheWayOfAMessage) {
  Play(R"(
    s> connect
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    p> connect
    p< connack
    p> publish 1 t a q1 retain
    s< publish t a q1 #1
    p< puback 1
  )");
  ShardState& state = t_.node().core().state();
  std::array<LatencyHistogram, 6> histograms;
  const auto of = [&](uint8_t kind) -> LatencyHistogram& { return histograms[kind]; };
  state.timed.Flush(state.now_micros + 100, of);
  EXPECT_EQ(histograms[1].count(), 1u) << "acknowledged at QoS 1";
  EXPECT_EQ(histograms[ShardState::kSentOf + 1].count(), 1u);
  // A retained message came long before who subscribes now.
  Play(R"(
    r> connect
    r< connack
    r> subscribe 1 t q1
    r< suback 1 0x01
    r< publish t a q1 #1 retain
  )");
  EXPECT_TRUE(state.timed.empty());
}

TEST_F(CountsTest, OneTurnOfManyIsTimedAndTheFirstAfterAPause) {
  Core& core = t_.node().core();
  ShardState& state = core.state();
  const auto due_after = [&](int64_t passed) {
    state.timing_due = false;
    core.BeginTurn(state.now_micros + passed);
    return state.timing_due;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(due_after(ShardState::kTimedPauseMicros + 1));
    for (uint32_t turn = 1; turn < ShardState::kTimedTurns; ++turn)
      EXPECT_FALSE(due_after(ShardState::kTimedPauseMicros));
    EXPECT_TRUE(due_after(0));
  }
}

TEST_F(CountsTest, TheFirstMessageOfATurnIsTimed) {
  Play(R"(
    p> connect
    p< connack
    p> publish 1 t a q1 + publish 2 t b q1 + publish 3 t c q2
    p< puback 1 0x10
    p< puback 2 0x10
    p< pubrec 3 0x10
  )");
  std::array<LatencyHistogram, 6> histograms;
  t_.node().core().state().timed.Flush(
      t_.node().now() * 1'000, [&](uint8_t kind) -> LatencyHistogram& { return histograms[kind]; });
  EXPECT_EQ(histograms[1].count(), 1u);
  EXPECT_EQ(histograms[2].count(), 0u);
}

TEST_F(CountsTest, LimitsThatActed) {
  NodeOptions options;
  options.limits.max_queued_messages = 1;
  options.limits.max_topic_levels = 2;
  options.limits.max_subscriptions_per_session = 1;
  options.limits.max_inflight = 1;
  Transcript t(options);
  t.Play(R"(
    s> connect
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s> subscribe 2 u q1
    s< suback 2 0x97
    p> connect
    p< connack
    p> publish 1 t one q1 + publish 2 t two q1 + publish 3 t three q1
    s< publish t one q1 #1
    p< puback 1
    p< puback 2
    p< puback 3
    p> publish - a/b/c deep
    p< disconnect 0x90
    p< closed
  )");
  const auto hits = [&](LimitHit limit) {
    return t.node().stats().limit_hits[static_cast<size_t>(limit)].value();
  };
  EXPECT_EQ(hits(LimitHit::kMaxSubscriptionsPerSession), 1u);
  EXPECT_EQ(hits(LimitHit::kMaxInflight), 1u);
  EXPECT_EQ(hits(LimitHit::kMaxQueuedMessages), 1u);
  EXPECT_EQ(hits(LimitHit::kMaxTopicLevels), 1u);
}

TEST_F(CountsTest, CensusFindsWhatWaits) {
  Play(R"(
    s> connect id=s keep expiry=1000 rm=1
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    u> connect id=u
    u< connack
    u> subscribe 1 a id=1
    u< suback 1 0x00
    u> subscribe 2 b
    u< suback 2 0x00
    p> connect id=p
    p< connack
    p> publish 1 t one q1 + publish 2 t two q1 + publish 3 t three q1
    s< publish t one q1 #1
    p< puback 1
    p< puback 2
    p< puback 3
  )");
  const CensusFigures here = Take();
  EXPECT_EQ(here.durable.connected, 1u);
  EXPECT_EQ(here.transient.connected, 2u);
  EXPECT_EQ(here.durable.subscriptions, 1u);
  EXPECT_EQ(here.transient.subscriptions, 2u);
  EXPECT_EQ(here.inflight_messages, 1u);
  EXPECT_EQ(here.queued_messages, 2u);
  EXPECT_GT(here.queued_bytes, 0u);
  EXPECT_EQ(here.queued_since, t_.node().now());
  EXPECT_EQ(here.routes.at(0), 3u);
  const TimeMs since = t_.node().now();
  Play("s drops\nwait 5000");
  const CensusFigures away = Take();
  EXPECT_EQ(away.durable.offline, 1u);
  EXPECT_EQ(away.queued_messages, 3u) << "what was in flight waits again";
  EXPECT_EQ(away.queued_since, since);
  CensusFigures sum = here;
  sum.Merge(away);
  EXPECT_EQ(sum.transient.connected, 4u);
  EXPECT_EQ(sum.queued_messages, 5u);
}

TEST_F(CountsTest, AnEmptyQueueHasNoAge) {
  Play("a> connect\na< connack");
  EXPECT_EQ(Take().queued_since, kNever);
}

}  // namespace
}  // namespace skein::shard
