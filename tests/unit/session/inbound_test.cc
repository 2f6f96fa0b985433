#include "broker/session/inbound.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skein::session {
namespace {

using Result = Inbound::PublishResult;
using ::testing::UnorderedElementsAre;

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

TEST(InboundTest, KnowsWhetherAMessageHasArrived) {
  Inbound inbound;
  inbound.OnPublish(1, 0, 10);
  inbound.OnPublish(2, 0, 10);
  inbound.OnPublish(3, 0, 10);
  EXPECT_EQ(inbound.StateOf(1), Inbound::kArrived);
  inbound.Await(1, 77, 7);
  inbound.Await(2, 78, 8);
  EXPECT_EQ(inbound.StateOf(1), 77u);
  EXPECT_THAT(inbound.taken(),
              UnorderedElementsAre(InboundTaken{1, 7}, InboundTaken{2, 8}, InboundTaken{3, 0}));
  inbound.Arrived(1);
  EXPECT_EQ(inbound.StateOf(1), Inbound::kArrived);
  EXPECT_EQ(inbound.OnceOf(1), 0u);
  inbound.Unsettle(2, 8);
  EXPECT_EQ(inbound.StateOf(2), Inbound::kUnsettled);
  EXPECT_TRUE(inbound.Forget(2));
  EXPECT_FALSE(inbound.Forget(2));
  inbound.Arrived(2);  // too late
  EXPECT_EQ(inbound.unreleased(), 2u);
}

TEST(InboundTest, ARefusedMessageIsKnownWhenItComesAgain) {
  Inbound inbound;
  inbound.OnPublish(1, 0, 10);
  inbound.Await(1, 77, 7);
  inbound.Unsettle(1, 7);
  EXPECT_TRUE(inbound.Refuse(1));
  EXPECT_EQ(inbound.OnPublish(1, 0, 10, true), Result::kNew);
  EXPECT_EQ(inbound.StateOf(1), Inbound::kUnsettled);
  EXPECT_EQ(inbound.OnceOf(1), 7u);
  EXPECT_TRUE(inbound.Refuse(1));
  EXPECT_EQ(inbound.OnPublish(1, 0, 10, false), Result::kNew);
  EXPECT_EQ(inbound.StateOf(1), Inbound::kArrived) << "another message";
}

TEST(InboundTest, RestoredIdsAreDuplicates) {
  Inbound inbound;
  inbound.Restore({9, 77});
  inbound.Restore({10, 0});
  EXPECT_EQ(inbound.OnceOf(9), 77u);
  EXPECT_EQ(inbound.StateOf(9), Inbound::kUnsettled);
  EXPECT_EQ(inbound.StateOf(10), Inbound::kArrived);
  EXPECT_EQ(inbound.OnPublish(9, 0, 10), Result::kDuplicate);
}

}  // namespace
}  // namespace skein::session
