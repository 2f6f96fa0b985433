#include "broker/base/timer_wheel.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace skein {
namespace {

constexpr TimeMs kStart = 1'700'000'000'123;
constexpr TimeMs kGranule = TimerWheel::kGranularityMs;

std::vector<uint32_t> FiredBy(TimerWheel& wheel, TimeMs now) {
  std::vector<uint32_t> owners;
  wheel.Advance(now, [&owners](TimerEntry* entry) { owners.push_back(entry->owner()); });
  return owners;
}

TEST(TimerWheelTest, FiresOnceNeverEarlyAndAtMostOneGranuleLate) {
  for (TimeMs after : {1, 63, 64, 65, 1'000, 16'384, 16'385, 5'000'000, 1'100'000'000}) {
    TimerWheel wheel(kStart);
    TimerEntry entry(3, 42);
    wheel.Schedule(&entry, kStart + after);
    EXPECT_EQ(entry.deadline(), kStart + after);
    EXPECT_EQ(wheel.size(), 1u);
    EXPECT_TRUE(FiredBy(wheel, kStart + after - 1).empty()) << after;
    EXPECT_EQ(FiredBy(wheel, kStart + after + kGranule), std::vector<uint32_t>{42}) << after;
    EXPECT_FALSE(entry.scheduled());
    EXPECT_EQ(entry.deadline(), kNever);
    EXPECT_EQ(entry.kind(), 3);
    EXPECT_TRUE(FiredBy(wheel, kStart + 2 * after + 10 * kGranule).empty()) << after;
    EXPECT_EQ(wheel.size(), 0u);
  }
}

TEST(TimerWheelTest, DueEntryFiresAtTheNextAdvanceEvenWithoutTimePassing) {
  TimerWheel wheel(kStart);
  TimerEntry past(0, 1);
  TimerEntry now(0, 2);
  wheel.Schedule(&past, kStart - 1'000'000);
  wheel.Schedule(&now, kStart);
  EXPECT_EQ(wheel.NextWake(kStart), kStart);
  EXPECT_EQ(FiredBy(wheel, kStart), (std::vector<uint32_t>{1, 2}));
}

TEST(TimerWheelTest, RescheduleMovesInBothDirections) {
  TimerWheel wheel(kStart);
  TimerEntry entry(0, 7);
  wheel.Schedule(&entry, kStart + 100'000);
  wheel.Schedule(&entry, kStart + 1'000);
  EXPECT_EQ(wheel.size(), 1u);
  EXPECT_EQ(FiredBy(wheel, kStart + 1'064).size(), 1u);
  wheel.Schedule(&entry, kStart + 2'000);
  wheel.Schedule(&entry, kStart + 100'000);
  EXPECT_TRUE(FiredBy(wheel, kStart + 99'999).empty());
  EXPECT_EQ(FiredBy(wheel, kStart + 100'064).size(), 1u);
}

TEST(TimerWheelTest, NeverMeansCancel) {
  TimerWheel wheel(kStart);
  TimerEntry entry(0, 7);
  wheel.Schedule(&entry, kNever);
  EXPECT_FALSE(entry.scheduled());
  wheel.Schedule(&entry, kStart + 5);
  wheel.Schedule(&entry, kNever);
  EXPECT_FALSE(entry.scheduled());
  EXPECT_EQ(wheel.NextWake(kStart), kNever);
  EXPECT_TRUE(FiredBy(wheel, kStart + 1'000).empty());
}

TEST(TimerWheelTest, EntryBeyondTheTopLevelWaitsItsTime) {
  constexpr TimeMs kYear = TimeMs{365} * 24 * 3600 * 1000;
  TimerWheel wheel(kStart);
  TimerEntry decade(0, 10);
  TimerEntry century(0, 100);
  TimerEntry last(0, 0);
  wheel.Schedule(&decade, kStart + 10 * kYear);
  wheel.Schedule(&century, kStart + 100 * kYear);
  wheel.Schedule(&last, kNever - 1);
  EXPECT_TRUE(FiredBy(wheel, kStart + 10 * kYear - 1).empty());
  EXPECT_EQ(FiredBy(wheel, kStart + 10 * kYear + kGranule), std::vector<uint32_t>{10});
  EXPECT_LE(wheel.NextWake(kStart + 10 * kYear), kStart + 100 * kYear);
  EXPECT_EQ(FiredBy(wheel, kStart + 200 * kYear), std::vector<uint32_t>{100});
  wheel.Cancel(&last);
}

TEST(TimerWheelTest, FireMayTouchAnyEntry) {
  TimerWheel wheel(kStart);
  TimerEntry again(0, 1);
  TimerEntry victim(0, 2);
  TimerEntry late(0, 3);
  auto doomed = std::make_unique<TimerEntry>(0, 4);
  for (TimerEntry* entry : {&again, &victim, doomed.get()})
    wheel.Schedule(entry, kStart + 10);
  int fired = 0;
  wheel.Advance(kStart + 100, [&](TimerEntry* entry) {
    ++fired;
    ASSERT_EQ(entry, &again);
    wheel.Schedule(entry, kStart + 10);  // due already: not in this call again
    wheel.Cancel(&victim);
    wheel.Cancel(doomed.get());
    doomed.reset();
    wheel.Schedule(&late, kStart + 101);
  });
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(FiredBy(wheel, kStart + 100), std::vector<uint32_t>{1});
  EXPECT_EQ(FiredBy(wheel, kStart + 165), std::vector<uint32_t>{3});
}

TEST(TimerWheelTest, TimeThatGoesBackChangesNothing) {
  TimerWheel wheel(kStart);
  TimerEntry entry(0, 1);
  FiredBy(wheel, kStart + 10'000);
  wheel.Schedule(&entry, kStart + 5'000);
  EXPECT_EQ(FiredBy(wheel, kStart).size(), 1u);
  wheel.Schedule(&entry, kStart + 11'000);
  EXPECT_TRUE(FiredBy(wheel, kStart).empty());
  EXPECT_EQ(FiredBy(wheel, kStart + 11'064).size(), 1u);
}

TEST(TimerWheelTest, EntriesOutliveTheWheel) {
  TimerEntry entry(0, 1);
  TimerEntry due(0, 2);
  {
    TimerWheel wheel(kStart);
    wheel.Schedule(&entry, kStart + 5'000);
    wheel.Schedule(&due, kStart);
  }
  EXPECT_FALSE(entry.scheduled());
  EXPECT_FALSE(due.scheduled());
}

TEST(TimerWheelDeathTest, DestroyingAScheduledEntryIsRefused) {
  EXPECT_DEATH(
      {
        TimerWheel wheel(kStart);
        TimerEntry entry(0, 1);
        wheel.Schedule(&entry, kStart + 5'000);
      },
      "check failed: !scheduled");
}

TEST(TimerWheelDeathTest, AdvanceInsideFireIsRefused) {
  TimerWheel wheel(kStart);
  TimerEntry entry(0, 1);
  wheel.Schedule(&entry, kStart);
  EXPECT_DEATH(wheel.Advance(kStart, [&](TimerEntry*) { FiredBy(wheel, kStart); }),
               "check failed: !advancing_");
  wheel.Cancel(&entry);
}

TEST(TimerWheelTest, NextWakeLeadsToEveryDeadlineInFewSteps) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2'000; ++round) {
    TimerWheel wheel(kStart);
    TimeMs now = kStart + static_cast<TimeMs>(random() >> (24 + random() % 40));
    FiredBy(wheel, now);
    TimerEntry entry(0, 1);
    const TimeMs deadline = now + 1 + static_cast<TimeMs>(random() >> (27 + random() % 37));
    wheel.Schedule(&entry, deadline);
    int steps = 0;
    while (entry.scheduled()) {
      const TimeMs wake = wheel.NextWake(now);
      ASSERT_GE(wake, now);
      ASSERT_LT(wake, deadline + kGranule);
      ASSERT_LE(++steps, 4 + 1);
      now = wake;
      FiredBy(wheel, now);
    }
    EXPECT_GE(now, deadline);
  }
}

// The wheel against a sorted set with the same rules, on a seeded random script.
class Model {
 public:
  Model(uint64_t seed, size_t entries) : random_(seed), wheel_(kStart) {
    for (size_t i = 0; i < entries; ++i)
      entries_.emplace_back(0, static_cast<uint32_t>(i));
  }
  ~Model() {
    for (TimerEntry& entry : entries_)
      wheel_.Cancel(&entry);
  }

  void Step() {
    switch (random_() % 8) {
      case 0:
        Advance(now_ + Span(7));
        break;
      case 1:
        Advance(std::min(wheel_.NextWake(now_), now_ + (TimeMs{1} << 40)));
        break;
      case 2:
        Cancel(Any());
        break;
      default:
        Schedule(Any());
        break;
    }
    ASSERT_EQ(wheel_.size(), expected_.size());
    const TimeMs wake = wheel_.NextWake(now_);
    if (expected_.empty()) {
      ASSERT_EQ(wake, kNever);
    } else {
      ASSERT_LE(wake, std::max(now_, expected_.begin()->first + kGranule - 1));
    }
  }

  uint64_t fired() const { return fired_; }

 private:
  // Spans of all sizes, evenly over the orders of magnitude, up to 2^(8 * bytes - 1) ms.
  TimeMs Span(unsigned bytes) {
    const unsigned bits = static_cast<unsigned>(random_() % (6 * bytes));
    return static_cast<TimeMs>(random_() & ((uint64_t{1} << bits) - 1));
  }
  TimerEntry* Any() { return &entries_[random_() % entries_.size()]; }

  void Cancel(TimerEntry* entry) {
    if (entry->scheduled()) expected_.erase({entry->deadline(), entry->owner()});
    wheel_.Cancel(entry);
    ASSERT_FALSE(entry->scheduled());
  }

  void Schedule(TimerEntry* entry) {
    if (entry->scheduled()) expected_.erase({entry->deadline(), entry->owner()});
    const TimeMs deadline = now_ + Span(8) - 100;
    wheel_.Schedule(entry, deadline);
    ASSERT_EQ(entry->deadline(), deadline);
    expected_.insert({deadline, entry->owner()});
    fresh_.insert(entry->owner());
  }

  void Advance(TimeMs now) {
    now_ = now;
    fresh_.clear();
    size_t budget = entries_.size();  // each entry at most once
    wheel_.Advance(now, [&](TimerEntry* entry) {
      ASSERT_GT(budget--, 0u);
      ASSERT_FALSE(fresh_.contains(entry->owner())) << "scheduled inside this Advance";
      const auto first = std::find_if(expected_.begin(), expected_.end(), [&](const auto& item) {
        return item.second == entry->owner();
      });
      ASSERT_NE(first, expected_.end()) << "fired though not scheduled";
      ASSERT_LE(first->first, now) << "early";
      expected_.erase(first);
      ++fired_;
      if (random_() % 4 == 0) Schedule(entry);
      if (random_() % 4 == 0) Schedule(Any());
      if (random_() % 4 == 0) Cancel(Any());
    });
    for (const auto& [deadline, owner] : expected_) {
      if (deadline + kGranule > now) break;
      ASSERT_TRUE(fresh_.contains(owner)) << "late";
    }
  }

  std::mt19937_64 random_;
  TimerWheel wheel_;
  std::deque<TimerEntry> entries_;
  std::set<std::pair<TimeMs, uint32_t>> expected_;
  std::set<uint32_t> fresh_;  // scheduled since the last Advance() began
  TimeMs now_ = kStart;
  uint64_t fired_ = 0;
};

TEST(TimerWheelTest, AgreesWithASortedSet) {
  uint64_t fired = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Model model(seed, seed % 2 == 0 ? 8 : 60);
    for (int step = 0; step < 50'000 && !testing::Test::HasFatalFailure(); ++step)
      model.Step();
    ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed;
    fired += model.fired();
  }
  EXPECT_GT(fired, 100'000u);
}

}  // namespace
}  // namespace skein
