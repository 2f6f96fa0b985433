// The account of windows and deliveries.

#include "cmd/skeinmq-bench/ledger.h"

#include <gtest/gtest.h>

namespace skein::bench {
namespace {

using Verdict = Ledger::Verdict;

constexpr Wiring kTwoPairs{.publishers = 2, .subscribers = 2, .fan = 1, .sources = 1};
constexpr Wiring kFanout{.publishers = 1, .subscribers = 3, .fan = 3, .sources = 1};
constexpr Wiring kFanin{.publishers = 3, .subscribers = 1, .fan = 1, .sources = 3};

TEST(LedgerTest, WindowOpensWhenAcknowledgedAndDelivered) {
  Ledger ledger(kTwoPairs, 1);
  ASSERT_TRUE(ledger.MaySend(0));
  EXPECT_EQ(ledger.Send(0), 0u);
  EXPECT_FALSE(ledger.MaySend(0));
  EXPECT_TRUE(ledger.MaySend(1));
  EXPECT_TRUE(ledger.Acknowledge(0));
  EXPECT_FALSE(ledger.MaySend(0));
  EXPECT_EQ(ledger.Deliver(0, 0, 0), Verdict::kNew);
  EXPECT_TRUE(ledger.MaySend(0));
  EXPECT_TRUE(ledger.Settled());
  EXPECT_EQ(ledger.missing(), 0u);
}

TEST(LedgerTest, FanOutNeedsEverySubscriber) {
  Ledger ledger(kFanout, 2);
  for (int at = 0; at < 2; ++at) {
    ledger.Send(0);
    ledger.Acknowledge(0);
  }
  EXPECT_FALSE(ledger.MaySend(0));
  ledger.Deliver(0, 0, 0);
  ledger.Deliver(1, 0, 0);
  ledger.Deliver(0, 0, 1);
  ledger.Deliver(1, 0, 1);
  EXPECT_FALSE(ledger.MaySend(0));
  ledger.Deliver(2, 0, 0);
  EXPECT_TRUE(ledger.MaySend(0));
  EXPECT_FALSE(ledger.Settled());
  ledger.Deliver(2, 0, 1);
  EXPECT_TRUE(ledger.Settled());
  EXPECT_EQ(ledger.delivered(), 6u);
}

TEST(LedgerTest, FanInKeepsPublishersApart) {
  Ledger ledger(kFanin, 4);
  for (uint32_t publisher = 0; publisher < 3; ++publisher) {
    ledger.Send(publisher);
    ledger.Acknowledge(publisher);
  }
  EXPECT_EQ(ledger.Deliver(0, 2, 0), Verdict::kNew);
  EXPECT_EQ(ledger.Deliver(0, 0, 0), Verdict::kNew);
  EXPECT_EQ(ledger.Deliver(0, 1, 0), Verdict::kNew);
  EXPECT_TRUE(ledger.Settled());
}

TEST(LedgerTest, GapIsALossAndFreesTheWindow) {
  Ledger ledger(kTwoPairs, 3);
  for (int at = 0; at < 3; ++at) {
    ledger.Send(0);
    ledger.Acknowledge(0);
  }
  EXPECT_EQ(ledger.Deliver(0, 0, 2), Verdict::kNew);
  EXPECT_EQ(ledger.missing(), 2u);
  EXPECT_TRUE(ledger.MaySend(0));
  EXPECT_TRUE(ledger.Settled());
}

TEST(LedgerTest, SecondCopyIsRepeated) {
  Ledger ledger(kTwoPairs, 3);
  ledger.Send(0);
  EXPECT_EQ(ledger.Deliver(0, 0, 0), Verdict::kNew);
  EXPECT_EQ(ledger.Deliver(0, 0, 0), Verdict::kRepeated);
  EXPECT_EQ(ledger.repeated(), 1u);
  EXPECT_EQ(ledger.delivered(), 1u);
}

TEST(LedgerTest, StrangersAreUnknown) {
  Ledger ledger(kTwoPairs, 3);
  EXPECT_EQ(ledger.Deliver(0, 0, 0), Verdict::kUnknown);  // never sent
  ledger.Send(0);
  EXPECT_EQ(ledger.Deliver(1, 0, 0), Verdict::kUnknown);  // another one's subscriber
  EXPECT_EQ(ledger.Deliver(0, 7, 0), Verdict::kUnknown);  // no such publisher
  EXPECT_FALSE(ledger.Acknowledge(1));
}

TEST(LedgerTest, LimitLowersButNeverRaises) {
  Ledger ledger(kTwoPairs, 8);
  ledger.Limit(0, 2);
  ledger.Limit(1, 65'535);
  for (int at = 0; at < 2; ++at)
    ledger.Send(0);
  EXPECT_FALSE(ledger.MaySend(0));
  for (int at = 0; at < 8; ++at) {
    ASSERT_TRUE(ledger.MaySend(1));
    ledger.Send(1);
  }
  EXPECT_FALSE(ledger.MaySend(1));
}

TEST(LedgerTest, WindowOfOddSizeGoesRound) {
  Ledger ledger(kTwoPairs, 3);
  uint32_t delivered = 0;
  for (int turn = 0; turn < 100; ++turn) {
    while (ledger.MaySend(0)) {
      ledger.Send(0);
      ledger.Acknowledge(0);
    }
    ASSERT_EQ(ledger.sent(), delivered + 3u);
    ASSERT_EQ(ledger.Deliver(0, 0, delivered++), Verdict::kNew);
  }
}

TEST(LedgerTest, NobodyListeningCountsAcknowledgements) {
  Ledger ledger(Wiring{.publishers = 1}, 1);
  ledger.Send(0);
  EXPECT_FALSE(ledger.MaySend(0));
  EXPECT_FALSE(ledger.Settled());
  ledger.Acknowledge(0);
  EXPECT_TRUE(ledger.MaySend(0));
  EXPECT_TRUE(ledger.Settled());
  EXPECT_EQ(ledger.missing(), 0u);
}

}  // namespace
}  // namespace skein::bench
