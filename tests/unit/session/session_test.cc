#include "broker/session/session.h"

#include "gtest/gtest.h"

namespace skein::session {
namespace {

TEST(DeadlineTest, ExpiryIsInSecondsAndMayBeNever) {
  EXPECT_EQ(ExpiryDeadline(1'000, 5), 6'000);
  EXPECT_EQ(ExpiryDeadline(1'000, 0), 1'000);
  EXPECT_EQ(ExpiryDeadline(1'000, kExpiryNever), kNever);
}

TEST(DeadlineTest, AWillIsDueAfterItsDelayOrWithTheSession) {
  EXPECT_EQ(WillDeadline(1'000, 0, 100), 1'000);
  EXPECT_EQ(WillDeadline(1'000, 10, 100), 11'000);
  EXPECT_EQ(WillDeadline(1'000, 100, 10), 11'000);
  EXPECT_EQ(WillDeadline(1'000, 10, kExpiryNever), 11'000);
}

TEST(SessionTest, TheNextDeadlineIsTheEarlierOne) {
  Session session("c", 0, 1);
  EXPECT_EQ(session.NextDeadline(), kNever);
  session.expires_at = 50;
  EXPECT_EQ(session.NextDeadline(), 50);
  session.will_due = 20;
  EXPECT_EQ(session.NextDeadline(), 20);
}

TEST(SessionTest, SequencesGoOnAfterARestore) {
  Session session("c", 0, 1);
  EXPECT_EQ(session.NextSequence(), 1u);
  session.RestoreSequence(41);
  session.RestoreSequence(7);
  EXPECT_EQ(session.NextSequence(), 42u);
}

TEST(SessionTest, AnIdleSessionHasNoDirections) {
  Session session("c", 0, 1);
  EXPECT_EQ(session.outbound_if_any(), nullptr);
  EXPECT_EQ(session.inbound_if_any(), nullptr);
  EXPECT_FALSE(session.has_queued());
  EXPECT_FALSE(session.connected());
  EXPECT_FALSE(session.durable());
}

}  // namespace
}  // namespace skein::session
