// What an acknowledgement promises: it does not leave before its records are durable and its routes
// and messages have arrived, and replies leave in order.
#include <gtest/gtest.h>

#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

TEST(PromisesTest, DurableSessionsWaitForTheDisk) {
  Transcript t;
  t.Play(R"(
    hold disk
    a> connect keep expiry=100
    disk
    a< connack
    a> subscribe 1 t q1
    disk
    a< suback 1 0x01
    p> connect
    p< connack
    p> publish 7 t one q1
    a< publish t one q1 #1
    disk
    p< puback 7
    a> puback 1
    a> unsubscribe 2 t
    disk
    a< unsuback 2 0x00
    a drops
    p> disconnect
    p< closed
  )");
}

TEST(PromisesTest, TransientSessionsNeverWait) {
  Transcript t;
  t.Play(R"(
    hold disk
    a> connect
    a< connack
    a> subscribe 1 t q2
    a< suback 1 0x02
    a> publish 1 t one q1
    a< publish t one q1 #1
    a< puback 1
    a> publish 2 t two q2
    a< publish t two q2 #2
    a< pubrec 2
    a> pubrel 2
    a< pubcomp 2
    a> unsubscribe 2 t
    a< unsuback 2 0x00
  )");
}

TEST(PromisesTest, ExactlyOnceIntoADurableSession) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    hold disk
    a> publish 5 t one q2
    disk
    a< pubrec 5 0x10
    a> pubrel 5
    disk
    a< pubcomp 5
    a> pubrel 5
    a< pubcomp 5 0x92
  )");
}

// Else a crash would send the message again, after the client has let go of its id.
TEST(PromisesTest, PubrelWaitsUntilTheReleaseIsDurable) {
  Transcript t;
  t.Play(R"(
    s> connect keep expiry=100
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    p> connect
    p< connack
    p> publish 1 t one q2
    s< publish t one q2 #1
    p< pubrec 1
    hold disk
    s> pubrec 1
    disk
    s< pubrel 1
    s> pubcomp 1
  )");
}

TEST(PromisesTest, NothingIsSentBeforeConnack) {
  Transcript t;
  t.Play(R"(
    hold disk
    a> connect keep expiry=100 + ping + pubrec 9 + publish 1 t m q1
    disk
    a< connack
    a< pingresp
    a< pubrel 9 0x92
    a< puback 1 0x10
    a drops
    a> connect keep expiry=100 + connect keep expiry=100
    a< closed
  )");
}

TEST(PromisesTest, ARepeatedPublishIsAcknowledgedWhenTheFirstIsDurable) {
  Transcript t;
  t.Play(R"(
    s> connect
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    a> connect keep expiry=100
    a< connack
    hold disk
    a> publish 5 t one q2
    s< publish t one q2 #1
    a drops
    a> connect keep expiry=100 + publish 5 t one q2 dup
    disk
    a< connack present
    a< pubrec 5
  )");
}

TEST(PromisesTest, RepliesLeaveInTheOrderOfTheirPackets) {
  Transcript t;
  t.Play(R"(
    d> connect keep expiry=100
    d< connack
    d> subscribe 1 d q1
    d< suback 1 0x01
    d drops
    p> connect
    p< connack
    hold disk
    p> publish 1 d m q1 + publish 2 n m q1 + publish 3 n m q2 + subscribe 4 x + unsubscribe 5 x
    disk
    p< puback 1
    p< puback 2 0x10
    p< pubrec 3 0x10
    p< suback 4 0x00
    p< unsuback 5 0x00
  )");
}

}  // namespace
}  // namespace skein::shard
