// A publish with many receivers is served in slices: what may overtake it, and what must not.
#include <gtest/gtest.h>

#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

NodeOptions SlicesOfTwo() {
  NodeOptions options;
  options.limits.fanout_slice = 2;
  return options;
}

// Five subscribers of t; the last is durable and has u as well.
constexpr const char* kFive = R"(
    s1> connect + subscribe 1 t q1
    s1< connack
    s1< suback 1 0x01
    s2> connect + subscribe 1 t q1
    s2< connack
    s2< suback 1 0x01
    s3> connect + subscribe 1 t q1
    s3< connack
    s3< suback 1 0x01
    s4> connect + subscribe 1 t q1
    s4< connack
    s4< suback 1 0x01
    s5> connect keep expiry=100 + subscribe 1 t q1 u q1
    s5< connack
    s5< suback 1 0x01 0x01
    p> connect
    p< connack
)";

TEST(FanoutTest, SlicesKeepTheOrderOfATopicAndLetOthersPass) {
  Transcript t(SlicesOfTwo());
  t.Play(kFive);
  t.Play(R"(
    hold work
    p> publish 1 t one q1 + publish 2 t two q1 + publish 3 u fast q1
    s1< publish t one q1 #1
    s2< publish t one q1 #1
    s5< publish u fast q1 #1
    step
    s3< publish t one q1 #1
    s4< publish t one q1 #1
    step
    s1< publish t two q1 #2
    s5< publish t one q1 #2
    p< puback 1
    step
    s2< publish t two q1 #2
    s3< publish t two q1 #2
    step
    s4< publish t two q1 #2
    s5< publish t two q1 #3
    p< puback 2
    p< puback 3
  )");
}

TEST(FanoutTest, TheAcknowledgementWaitsForTheDiskOfTheLastSlice) {
  Transcript t(SlicesOfTwo());
  t.Play(kFive);
  t.Play(R"(
    hold disk
    p> publish 1 t one q1
    s1< publish t one q1 #1
    s2< publish t one q1 #1
    s3< publish t one q1 #1
    s4< publish t one q1 #1
    s5< publish t one q1 #1
    disk
    p< puback 1
  )");
}

TEST(FanoutTest, WhoIsGoneBeforeItsSliceIsPassedOver) {
  Transcript t(SlicesOfTwo());
  t.Play(kFive);
  t.Play(R"(
    hold work
    p> publish 1 t one q1
    s1< publish t one q1 #1
    s2< publish t one q1 #1
    s3 drops
    s4< publish t one q1 #1
    s3> connect
    s3< connack
    s5< publish t one q1 #1
    p< puback 1
  )");
}

}  // namespace
}  // namespace skein::shard
