#include "broker/session/inbound.h"

#include "gtest/gtest.h"

namespace skein::session {
namespace {

using Result = Inbound::PublishResult;

TEST(InboundTest, ARepeatedIdIsADuplicateUntilItIsReleased) {
  Inbound inbound;
  EXPECT_EQ(inbound.OnPublish(7, 0, 10), Result::kNew);
  EXPECT_EQ(inbound.OnPublish(7, 0, 10), Result::kDuplicate);
  EXPECT_TRUE(inbound.OnPubrel(7));
  EXPECT_FALSE(inbound.OnPubrel(7));
  EXPECT_EQ(inbound.OnPublish(7, 0, 10), Result::kNew);
}

TEST(InboundTest, TheReceiveMaximumCountsBothQualities) {
  Inbound inbound;
  EXPECT_EQ(inbound.OnPublish(1, 1, 3), Result::kNew);
  EXPECT_EQ(inbound.OnPublish(2, 1, 3), Result::kNew);
  EXPECT_EQ(inbound.OnPublish(3, 1, 3), Result::kReceiveMaximumExceeded);
  EXPECT_EQ(inbound.OnPublish(2, 1, 3), Result::kDuplicate) << "a repeat is not one more";
  EXPECT_EQ(inbound.OnPublish(3, 0, 3), Result::kNew);
  EXPECT_EQ(inbound.unreleased(), 3u);
}

TEST(InboundTest, AForgottenIdIsFree) {
  Inbound inbound;
  inbound.OnPublish(1, 0, 1);
  inbound.Forget(1);
  EXPECT_EQ(inbound.OnPublish(1, 0, 1), Result::kNew);
}

TEST(InboundTest, RestoredIdsAreDuplicates) {
  Inbound inbound;
  inbound.Restore(9);
  EXPECT_EQ(inbound.OnPublish(9, 0, 10), Result::kDuplicate);
}

}  // namespace
}  // namespace skein::session
