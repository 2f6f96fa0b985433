// Publishers that are read no faster than their listener allows.
#include "broker/base/rate.h"

#include <gtest/gtest.h>

#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

TEST(RateTest, ASecondsWorthThenThePace) {
  Rate rate;
  for (int i = 0; i < 10; ++i)
    rate.Take(1, 10, 5'000);
  EXPECT_LE(rate.ready_at(), 5'000);
  rate.Take(1, 10, 5'000);
  EXPECT_EQ(rate.ready_at(), 5'100);
  rate.Take(20, 10, 5'000);
  EXPECT_EQ(rate.ready_at(), 7'100);
  Rate idle;
  idle.Take(1, 1, 1'000'000'000);
  EXPECT_LE(idle.ready_at(), 1'000'000'000) << "a long rest does not add up, nor does it take away";
}

TEST(RateTest, AMonsterOfAMessageWaitsNoLongerThanAnHour) {
  Rate rate;
  rate.Take(UINT64_MAX, 1, 0);
  EXPECT_LE(rate.ready_at(), 3'600'000);
}

TEST(RateTest, AClientOverItsRateIsReadLater) {
  NodeOptions options;
  options.publish_rate = 2;
  Transcript t(options);
  t.Play(R"(
    w> connect
    w< connack
    w> subscribe 1 t
    w< suback 1 0x00
    a> connect
    a< connack
    a> publish 1 t m1 q1
    w< publish t m1
    a< puback 1
    a> publish 2 t m2 q1
    w< publish t m2
    a< puback 2
    a> publish 3 t m3 q1
    w< publish t m3
    a< puback 3
    a> publish 4 t m4 q1
    wait 400
    wait 200
    w< publish t m4
    a< puback 4
    b> connect
    b< connack
    b> publish 1 t other q1
    w< publish t other
    b< puback 1
  )");
  EXPECT_GE(t.node().stats().publish_rate_limited.value(), 1u);
}

TEST(RateTest, BytesCountToo) {
  NodeOptions options;
  options.publish_bytes = 1'000;
  Transcript t(options);
  t.Play(R"(
    a> connect
    a< connack
    a> publish 1 t bytes:3000 q1
    a< puback 1 0x10
    a> publish 2 t m q1
    wait 1900
    wait 200
    a< puback 2 0x10
  )");
}

TEST(RateTest, WhoDoesNotSlowDownIsDisconnected) {
  NodeOptions options;
  options.publish_rate = 10;
  options.publish_patience_ms = 2'000;
  Transcript t(options);
  t.Play(R"(
    a> connect
    a< connack
    b> connect
    b< connack
  )");
  // a sends 25 a second, b 8.
  const auto second = [&] {
    for (int i = 0; i < 25; ++i)
      t.Play("a> publish - t m");
    for (int i = 0; i < 8; ++i)
      t.Play("b> publish - t m");
  };
  second();
  t.Play("wait 1000");
  second();
  t.Play(R"(
    wait 1000
    a< disconnect 0x96
    a< closed
  )");
  for (int i = 0; i < 8; ++i)
    t.Play("b> publish - t m");
  t.Play(R"(
    wait 1000
    b> ping
    b< pingresp
  )");
}

TEST(RateTest, AllClientsOfAListenerShareItsRate) {
  NodeOptions options;
  options.shards = 2;
  options.total_publish_rate = 2;
  Transcript t(options);
  t.Play(R"(
    a> connect at=0
    a< connack
    b> connect at=1
    b< connack
    a> publish 1 t m q1
    a< puback 1 0x10
    b> publish 1 t m q1
    b< puback 1 0x10
    a> publish 2 t m q1
    a< puback 2 0x10
    b> publish 2 t m q1
    a> publish 3 t m q1
    wait 450
    wait 200
    b< puback 2 0x10
    wait 500
    a< puback 3 0x10
  )");
}

}  // namespace
}  // namespace skein::shard
