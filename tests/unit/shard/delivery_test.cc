// From one publish to its receivers: options, windows, queues, slow readers, fan-out, aliases.
#include <gtest/gtest.h>

#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

TEST(DeliveryTest, NoLocalRetainAsPublishedAndIdentifiers) {
  Transcript t;
  t.Play(R"(
    a> connect
    a< connack
    a> subscribe 1 t/a q1 nl
    a< suback 1 0x01
    a> publish 1 t/a own q1
    a< puback 1
    b> connect
    b< connack
    b> subscribe 1 t/+ q1 rap id=7
    b< suback 1 0x01
    b> subscribe 2 t/# q2 id=9
    b< suback 2 0x02
    b> subscribe 3 other
    b< suback 3 0x00
    b> publish 1 t/a two q2 retain
    a< publish t/a two q1 #1
    b< publish t/a two q2 #1 retain id=7,9
    b< pubrec 1
    b> publish - other none retain
    b< publish other none
  )");
}

TEST(DeliveryTest, TheWindowOfTheClient) {
  Transcript t;
  t.Play(R"(
    s> connect keep expiry=100 rm=2
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    p> connect
    p< connack
    p> publish 1 t one q1 + publish 2 t two q2 + publish 3 t three q1 + publish 4 t four q1
    s< publish t one q1 #1
    s< publish t two q2 #2
    p< puback 1
    p< pubrec 2
    p< puback 3
    p< puback 4
    s> pubrec 2
    s< pubrel 2
    s> pubcomp 2
    s< publish t three q1 #3
    s drops
    s> connect keep expiry=100 rm=1
    s< connack present
    s< publish t one q1 #1 dup
    s> puback 1
    s< publish t three q1 #3 dup
    s> puback 3
    s< publish t four q1 #4
    s> puback 4
  )");
}

TEST(DeliveryTest, AReleasedMessageIsReleasedAgain) {
  Transcript t;
  t.Play(R"(
    s> connect keep expiry=100
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    p> connect
    p< connack
    p> publish 1 t one q2 + publish 2 t two q2
    s< publish t one q2 #1
    s< publish t two q2 #2
    p< pubrec 1
    p< pubrec 2
    s> pubrec 2
    s< pubrel 2
    s drops
    s> connect keep expiry=100
    s< connack present
    s< publish t one q2 #1 dup
    s< pubrel 2
    s> pubrec 1
    s< pubrel 1
    s> pubcomp 2 + pubcomp 1
  )");
}

TEST(DeliveryTest, AcksThatDoNotFit) {
  Transcript t;
  t.Play(R"(
    s> connect
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s> puback 99 + pubcomp 99
    s> publish - t zero
    s< publish t zero
    s> publish 1 t one q1
    s< publish t one q1 #1
    s< puback 1
    s> pubcomp 1
    s< disconnect 0x82
    s< closed
  )");
}

TEST(DeliveryTest, OurReceiveMaximum) {
  NodeOptions options;
  options.limits.receive_maximum = 2;
  Transcript t(options);
  t.Play(R"(
    p> connect
    p< connack
    p> publish 1 t m q2 + publish 2 t m q2 + publish 1 t m q2 dup
    p< pubrec 1 0x10
    p< pubrec 2 0x10
    p< pubrec 1
    p> publish 3 t m q2
    p< disconnect 0x93
    p< closed
    d> connect keep expiry=100
    d< connack
    d> subscribe 1 t q1
    d< suback 1 0x01
    d drops
    hold disk
    p> connect
    p< connack
    p> publish 1 t m q1 + publish 2 t m q1 + publish 3 t m q1
    p< disconnect 0x93
    p< closed
    disk
  )");
}

TEST(DeliveryTest, FullQueuesDropTheNewest) {
  NodeOptions options;
  options.limits.max_queued_messages = 2;
  Transcript t(options);
  t.Play(R"(
    d> connect keep expiry=100
    d< connack
    d> subscribe 1 t q1
    d< suback 1 0x01
    d drops
    p> connect
    p< connack
    p> publish 1 t a q1 + publish 2 t b q1 + publish 3 t c q1 + publish - t zero
    p< puback 1
    p< puback 2
    p< puback 3
    d> connect keep expiry=100
    d< connack present
    d< publish t a q1 #1
    d< publish t b q1 #2
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kQueueFull), 1u);
  EXPECT_EQ(t.node().core().state().budget.used, 0u);
}

TEST(DeliveryTest, QueuedBytesOfOneAndOfAll) {
  NodeOptions options;
  options.limits.max_queued_bytes = 3'000;
  options.limits.max_total_queued_bytes = 4'500;
  Transcript t(options);
  t.Play(R"(
    d> connect keep expiry=100
    d< connack
    d> subscribe 1 d q1
    d< suback 1 0x01
    d drops
    e> connect keep expiry=100
    e< connack
    e> subscribe 1 e q1
    e< suback 1 0x01
    e drops
    p> connect
    p< connack
    p> publish 1 d bytes:1000 q1 + publish 2 d bytes:1000 q1 + publish 3 d bytes:1000 q1
    p< puback 1
    p< puback 2
    p< puback 3
    p> publish 1 e bytes:1000 q1 + publish 2 e bytes:1700 q1
    p< puback 1
    p< puback 2
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kQueueBytes), 1u);
  EXPECT_EQ(t.node().Dropped(DropReason::kTotalQueueBytes), 1u);
  EXPECT_LE(t.node().core().state().budget.used, 4'500u);
}

TEST(DeliveryTest, ASlowReader) {
  NodeOptions options;
  options.limits.max_output_bytes = 2'000;
  Transcript t(options);
  t.Play(R"(
    s> connect
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s sleeps
    p> connect
    p< connack
    p> publish - t bytes:1900 + publish - t bytes:1900 + publish - t lost
    p> publish 1 t kept q1 + publish 2 t too q1
    p< puback 1
    p< puback 2
    s wakes
    s< publish t bytes:1900
    s< publish t bytes:1900
    s< publish t kept q1 #1
    s< publish t too q1 #2
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kOutputFull), 1u);
}

TEST(DeliveryTest, WhoDoesNotReadIsNotReadFrom) {
  NodeOptions options;
  options.limits.max_output_bytes = 10;
  Transcript t(options);
  t.Play(R"(
    s> connect
    s< connack
    s sleeps
    s> ping + ping + ping + ping + ping + ping + ping + ping + ping + ping + ping + ping
  )");
  EXPECT_TRUE(t.node().Find(0)->read_paused);
  EXPECT_LT(t.node().Find(0)->out.bytes(), 24u);
  t.Play(R"(
    s wakes
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
    s< pingresp
  )");
}

TEST(DeliveryTest, AnExpiredMessageIsNotDelivered) {
  Transcript t;
  t.Play(R"(
    d> connect keep expiry=100
    d< connack
    d> subscribe 1 t q1
    d< suback 1 0x01
    d drops
    p> connect
    p< connack
    p> publish 1 t short q1 expiry=5 + publish 2 t long q1 expiry=50
    p< puback 1
    p< puback 2
    wait 6000
    d> connect keep expiry=100
    d< connack present
    d< publish t long q1 #1 expiry=44
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kExpired), 1u);
}

TEST(DeliveryTest, TheClientsMaximumPacketSize) {
  Transcript t;
  t.Play(R"(
    d> connect keep expiry=100 max=100
    d< connack
    d> subscribe 1 t q1
    d< suback 1 0x01
    p> connect
    p< connack
    p> publish 1 t bytes:200 q1 + publish - t bytes:200 + publish 2 t small q1
    d< publish t small q1 #1
    p< puback 1
    p< puback 2
    d drops
    d> connect keep expiry=100
    d< connack present
    d< publish t small q1 #1 dup
    d> puback 1
    p> publish 1 t bytes:200 q1 + publish 2 t last q1
    d< publish t bytes:200 q1 #2
    d< publish t last q1 #3
    p< puback 1
    p< puback 2
    d drops
    d> connect keep expiry=100 max=100
    d< connack present
    d< publish t last q1 #3 dup
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kPacketTooLarge), 3u);
}

TEST(DeliveryTest, TopicAliasesBothWays) {
  NodeOptions options;
  options.limits.topic_alias_maximum = 2;
  Transcript t(options);
  t.Play(R"(
    s> connect alias=1
    s< connack
    s> subscribe 1 #
    s< suback 1 0x00
    p> connect
    p< connack
    p> publish - t one alias=2
    s< publish t one alias=1
    p> publish - - two alias=2
    s< publish - two alias=1
    p> publish - u one
    s< publish u one
    p> publish - u one alias=2 + publish - - two alias=2
    s< publish u one
    s< publish u two
    p> publish - - none alias=1
    p< disconnect 0x82
    p< closed
    p> connect
    p< connack
    p> publish - t none alias=3
    p< disconnect 0x94
    p< closed
  )");
}

TEST(DeliveryTest, PublishesThatAreRefused) {
  NodeOptions options;
  options.limits.max_topic_levels = 3;
  Transcript t(options);
  t.Play(R"(
    p> connect
    p< connack
    p> publish 1 $SYS/x m q1 + publish 2 $SYS/x m q2 + publish 3 $SYS/x m q1
    p< puback 1 0x87
    p< pubrec 2 0x87
    p< puback 3 0x87
    o> connect v311
    o< connack
    o> publish 1 $SYS/x m q1
    o< puback 1
    p> publish - a/b/c/d m
    p< disconnect 0x90
    p< closed
  )");
}

TEST(DeliveryTest, SubscriptionsThatAreRefused) {
  NodeOptions options;
  options.limits.max_subscriptions_per_session = 2;
  Transcript t(options);
  t.Play(R"(
    a> connect
    a< connack
    a> subscribe 1 a b q1 c a q2 a#
    a< suback 1 0x00 0x01 0x97 0x02 0x8f
    a> unsubscribe 2 a zz
    a< unsuback 2 0x00 0x11
    a> subscribe 3 c
    a< suback 3 0x00
  )");
  EXPECT_EQ(t.node().stats().subscriptions.value(), 2);
}

}  // namespace
}  // namespace skein::shard
