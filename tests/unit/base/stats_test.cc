#include "broker/base/stats.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace skein {
namespace {

template <typename Enum, size_t N>
void ExpectNames(const std::array<std::string_view, N>& names, Enum last) {
  EXPECT_EQ(static_cast<size_t>(last) + 1, N);
  const std::set<std::string_view> distinct(names.begin(), names.end());
  EXPECT_EQ(distinct.size(), N);
  EXPECT_FALSE(distinct.contains(""));
}

TEST(StatsTest, EveryLabelHasItsName) {
  ExpectNames(kDropReasonNames, DropReason::kOffline);
  ExpectNames(kEndReasonNames, EndReason::kOther);
  ExpectNames(kShedReasonNames, ShedReason::kNotALoadBalancer);
  ExpectNames(kAuthResultNames, AuthResult::kError);
  ExpectNames(kLimitNames, LimitHit::kReserveBytes);
}

// Whatever is added to ShardStats has to be added up, too: all of it but the list of listeners is
// 64-bit words, so a sum of two that are all ones shows which word was left out.
TEST(StatsTest, MergeTakesEveryFigure) {
  constexpr size_t kWords = sizeof(ShardStats) / sizeof(uint64_t);
  ShardStats ones;
  ones.listeners.resize(1);
  const auto list_at =
      reinterpret_cast<const char*>(&ones.listeners) - reinterpret_cast<const char*>(&ones);
  const size_t list = static_cast<size_t>(list_at) / sizeof(uint64_t);
  const size_t list_words = sizeof(ones.listeners) / sizeof(uint64_t);
  const auto is_list = [&](size_t word) { return word >= list && word < list + list_words; };
  auto* words = reinterpret_cast<Counter*>(&ones);
  const size_t used = offsetof(ShardStats, handover) / sizeof(uint64_t) +
                      sizeof(ShardStats::handover) / sizeof(uint64_t);
  for (size_t word = 0; word < used; ++word) {
    if (!is_list(word)) words[word].Add(1);
  }
  ShardStats sum;
  sum.Merge(ones);
  const auto* merged = reinterpret_cast<const Counter*>(&sum);
  for (size_t word = 0; word < used; ++word) {
    if (!is_list(word)) {
      EXPECT_EQ(merged[word].value(), 1u) << "word " << word;
    }
  }
  EXPECT_LE(used, kWords);
}

TEST(StatsTest, ListenersAddUp) {
  ShardStats a;
  ShardStats b;
  a.listeners.resize(2);
  b.listeners.resize(2);
  a.listeners[1].accepted.Add(2);
  b.listeners[1].accepted.Add(3);
  b.listeners[0].connected[2].Add(1);
  b.listeners[1].shed.Add(ShedReason::kDrained);
  b.listeners[1].authentications.Add(AuthResult::kBanned, 4);
  ShardStats sum;
  sum.Merge(a);
  sum.Merge(b);
  EXPECT_EQ(sum.listeners[1].accepted.value(), 5u);
  EXPECT_EQ(sum.listeners[0].connected[2].value(), 1);
  EXPECT_EQ(sum.listeners[1].shed[0].value(), 1u);
  EXPECT_EQ(sum.listeners[1].authentications[3].value(), 4u);
}

TEST(StatsTest, SomeGaugesDoNotAddUp) {
  ShardStats a;
  ShardStats b;
  a.heartbeat.Set(500);
  b.heartbeat.Set(300);
  b.outbox_since.Set(70);
  a.route_lag.Set(2);
  b.route_lag.Set(9);
  a.Merge(b);
  EXPECT_EQ(a.heartbeat.value(), 300);
  EXPECT_EQ(a.outbox_since.value(), 70);
  EXPECT_EQ(a.route_lag.value(), 9);
}

}  // namespace
}  // namespace skein
