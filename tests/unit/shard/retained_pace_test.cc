// Retained messages go at their reader's pace.
#include <gtest/gtest.h>

#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

TEST(RetainedPaceTest, AReplayLargerThanTheQueueLosesNothing) {
  NodeOptions options;
  options.limits.max_queued_messages = 1;
  options.limits.max_inflight = 4;
  Transcript t(options);
  t.Play("p> connect\np< connack");
  for (int i = 1000; i < 1300; ++i) {
    t.Play("p> publish 1 r/" + std::to_string(i) + " x q1 retain\np< puback 1 0x10");
  }
  std::string script = "a> connect\na< connack\na> subscribe 1 r/# q1\na< suback 1 0x01\n";
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i + 1);
    script += "a< publish r/" + std::to_string(1000 + i) + " x q1 #" + n + " retain\n";
    if (i >= 3) script += "a> puback " + std::to_string(i - 2) + "\n";
  }
  t.Play(script);
  EXPECT_EQ(t.node().Dropped(DropReason::kQueueFull), 0u);
}

// Behind a full window filters wait for their turn. One that was asked for again meanwhile has its
// message once.
TEST(RetainedPaceTest, FiltersAreServedInTurnAndEqualOnesOnce) {
  NodeOptions options;
  options.limits.max_inflight = 1;
  Transcript t(options);
  t.Play(R"(
    p> connect
    p< connack
    p> publish 1 r/1 x q1 retain
    p< puback 1 0x10
    p> publish 2 r/2 y q1 retain
    p< puback 2 0x10
    p> publish 3 s z q1 retain
    p< puback 3 0x10
    a> connect
    a< connack
    a> subscribe 1 r/+ q1
    a< suback 1 0x01
    a< publish r/1 x q1 #1 retain
    a> subscribe 2 s q1
    a< suback 2 0x01
    a> subscribe 3 s q1
    a< suback 3 0x01
    a> puback 1
    a< publish r/2 y q1 #2 retain
    a> puback 2
    a< publish s z q1 #3 retain
    a> puback 3
    a> ping
    a< pingresp
  )");
}

// Their number does not matter: each has its message, in the order of the filters.
TEST(RetainedPaceTest, MoreFiltersThanATurnServes) {
  NodeOptions options;
  Transcript t(options);
  t.Play("p> connect\np< connack\na> connect\na< connack");
  std::string asked = "a> subscribe 1", granted = "a< suback 1", came;
  for (size_t i = 0; i < 3 * RetainedReplay::kFilters; ++i) {
    const std::string topic = "r/" + std::to_string(i);
    asked += " " + topic;
    granted += " 0x00";
    if (i % 512 != 0) continue;
    t.Play("p> publish 1 " + topic + " x q1 retain\np< puback 1 0x10");
    came += "a< publish " + topic + " x retain\n";
  }
  t.Play(asked + "\n" + granted + "\n" + came);
}

}  // namespace
}  // namespace skein::shard
