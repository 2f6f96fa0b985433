// Queues that are in the store only: pages, order, limits, and what waits for the disk.
#include <gtest/gtest.h>

#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

NodeOptions Pages(uint32_t messages) {
  NodeOptions options;
  options.limits.queue_page_messages = messages;
  return options;
}

// a, away, has `count` messages m1, m2, ... waiting; p is connected.
void Queue(Transcript* t, int count) {
  t->Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    a drops
    p> connect
    p< connack
  )");
  for (int i = 1; i <= count; ++i) {
    const std::string id = std::to_string(i);
    t->Play("p> publish " + id + " t m" + id + " q1\np< puback " + id);
  }
}

TEST(StoredQueueTest, AnOfflineSessionKeepsNothingInMemory) {
  Transcript t;
  Queue(&t, 3);
  const session::Session* a = t.node().session("a");
  EXPECT_EQ(a->outbound_if_any(), nullptr);
  EXPECT_EQ(a->stored.messages, 3u);
  EXPECT_EQ(a->stored.bytes, t.node().core().state().budget.used);
}

TEST(StoredQueueTest, PagesComeInOrderAndEndWithTheQueue) {
  Transcript t(Pages(2));
  Queue(&t, 5);
  t.Play(R"(
    a> connect keep expiry=100
    a< connack present
    a< publish t m1 q1 #1
    a< publish t m2 q1 #2
    a< publish t m3 q1 #3
    a< publish t m4 q1 #4
    a< publish t m5 q1 #5
  )");
  EXPECT_EQ(t.node().session("a")->stored.messages, 0u);
  EXPECT_EQ(t.node().core().state().budget.used, 0u);
}

TEST(StoredQueueTest, ASmallWindowReadsOnlyAsFarAsItSends) {
  Transcript t(Pages(2));
  Queue(&t, 6);
  t.Play(R"(
    a> connect keep expiry=100 rm=1
    a< connack present
    a< publish t m1 q1 #1
  )");
  EXPECT_GE(t.node().session("a")->stored.messages, 2u);
  t.Play(R"(
    a> puback 1
    a< publish t m2 q1 #2
    a> puback 2
    a< publish t m3 q1 #3
    p> publish 9 t late q1
    p< puback 9
    a> puback 3
    a< publish t m4 q1 #4
    a> puback 4
    a< publish t m5 q1 #5
    a> puback 5
    a< publish t m6 q1 #6
    a> puback 6
    a< publish t late q1 #7
  )");
}

TEST(StoredQueueTest, WhatWasInFlightComesFirstWithItsIds) {
  Transcript t(Pages(1));
  Queue(&t, 4);
  t.Play(R"(
    a> connect keep expiry=100 rm=2
    a< connack present
    a< publish t m1 q1 #1
    a< publish t m2 q1 #2
    a> puback 1
    a< publish t m3 q1 #3
    a drops
    crash
    a> connect keep expiry=100 rm=3
    a< connack present
    a< publish t m2 q1 #2 dup
    a< publish t m3 q1 #3 dup
    a< publish t m4 q1 #4
  )");
}

TEST(StoredQueueTest, ATakeoverInTheSameTickLosesNothing) {
  Transcript t(Pages(2));
  Queue(&t, 3);
  t.Play(R"(
    a> connect keep expiry=100 rm=1
    a< connack present
    a< publish t m1 q1 #1
    b> connect keep expiry=100 id=a
    a< disconnect 0x8e
    a< closed
    b< connack present
    b< publish t m1 q1 #1 dup
    b< publish t m2 q1 #2
    b< publish t m3 q1 #3
  )");
}

TEST(StoredQueueTest, TheNewestMessageGoesWhenTheQueueIsFull) {
  NodeOptions options;
  options.limits.max_queued_messages = 2;
  Transcript t(options);
  Queue(&t, 4);
  EXPECT_EQ(t.node().Dropped(DropReason::kQueueFull), 2u);
  t.Play(R"(
    a> connect keep expiry=100
    a< connack present
    a< publish t m1 q1 #1
    a< publish t m2 q1 #2
  )");
}

TEST(StoredQueueTest, TheOldestMessageGoesIfThatIsTheRule) {
  NodeOptions options;
  options.limits.max_queued_messages = 2;
  options.limits.queue_drop = QueueDrop::kOldest;
  Transcript t(options);
  Queue(&t, 5);
  EXPECT_EQ(t.node().Dropped(DropReason::kQueueFull), 3u);
  t.Play(R"(
    crash
    a> connect keep expiry=100
    a< connack present
    a< publish t m4 q1 #1
    a< publish t m5 q1 #2
  )");
}

TEST(StoredQueueTest, TheOldestInMemoryGoesToo) {
  NodeOptions options;
  options.limits.max_queued_messages = 2;
  options.limits.queue_drop = QueueDrop::kOldest;
  Transcript t(options);
  t.Play(R"(
    a> connect keep expiry=100 rm=1
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    p> connect
    p< connack
    p> publish 1 t m1 q1 + publish 2 t m2 q1 + publish 3 t m3 q1 + publish 4 t m4 q1
    a< publish t m1 q1 #1
    p< puback 1
    p< puback 2
    p< puback 3
    p< puback 4
    a> puback 1
    a< publish t m3 q1 #2
    a> puback 2
    a< publish t m4 q1 #3
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kQueueFull), 1u);
}

TEST(WaitingSendTest, AQos2MessageLeavesWhenItAndItsIdAreDurable) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 t q2
    a< suback 1 0x02
    p> connect
    p< connack
    hold disk
    p> publish 1 t exact q2 + publish 2 t after q1
    disk
    a< publish t exact q2 #1
    a< publish t after q1 #2
    p< pubrec 1
    p< puback 2
  )");
}

TEST(WaitingSendTest, AQos1MessageDoesNotWaitAndIsForgottenWhenAcknowledgedFirst) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    p> connect
    p< connack
    hold disk
    p> publish 1 t soon q1
    a< publish t soon q1 #1
    a> puback 1
    disk
    p< puback 1
    release disk
    crash
    a> connect keep expiry=100
    a< connack present
  )");
}

TEST(FullDiskTest, DurableWorkIsRefusedAndTheRestIsServed) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    b> connect
    b< connack
    b> subscribe 1 t q1 + subscribe 2 u q1
    b< suback 1 0x01
    b< suback 2 0x01
    p> connect
    p< connack
  )");
  t.node().SetFull(true);
  t.Play(R"(
    p> publish 1 t no q1
    b< publish t no q1 #1
    p< puback 1 0x97
    p> publish 2 t no q2
    b< publish t no q1 #2
    p< pubrec 2 0x97
    p> publish 3 u yes q1
    b< publish u yes q1 #3
    p< puback 3
    a> subscribe 2 v q1
    a< suback 2 0x97
    c> connect keep expiry=100
    c< connack 0x97
    c< closed
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kDiskFull), 2u);
  t.node().SetFull(false);
  t.Play(R"(
    p> publish 2 t again q2
    a< publish t again q1 #1
    b< publish t again q1 #4
    p< pubrec 2
  )");
}

TEST(FullDiskTest, AnOlderClientIsToldByTheEndOfItsConnection) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    p> connect v311
    p< connack
  )");
  t.node().SetFull(true);
  t.Play(R"(
    p> publish 1 t no q1
    p< closed
  )");
}

}  // namespace
}  // namespace skein::shard
