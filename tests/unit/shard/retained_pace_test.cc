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

}  // namespace
}  // namespace skein::shard
