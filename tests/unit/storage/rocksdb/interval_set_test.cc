#include "storage/rocksdb/interval_set.h"

#include <cstdint>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skein::storage {
namespace {

using ::testing::ElementsAre;

TEST(IntervalSetTest, RunsThatMeetBecomeOne) {
  IntervalSet set;
  set.Add(1, 3);
  set.Add(7);
  EXPECT_THAT(set.intervals(), ElementsAre(Interval{1, 3}, Interval{7, 7}));
  set.Add(4);
  EXPECT_THAT(set.intervals(), ElementsAre(Interval{1, 4}, Interval{7, 7}));
  set.Add(5, 6);
  EXPECT_THAT(set.intervals(), ElementsAre(Interval{1, 7}));
  set.Add(3, 2);
  EXPECT_THAT(set.intervals(), ElementsAre(Interval{1, 7}));
}

TEST(IntervalSetTest, AnInsertionMayFallBetweenSwallowManyOrLieBefore) {
  IntervalSet set;
  for (uint64_t each : {10, 20, 30, 40})
    set.Add(each);
  set.Add(25);
  set.Add(2, 3);
  EXPECT_EQ(set.intervals().size(), 6u);
  set.Add(11, 29);
  EXPECT_THAT(set.intervals(), ElementsAre(Interval{2, 3}, Interval{10, 30}, Interval{40, 40}));
}

TEST(IntervalSetTest, RemoveBelowCutsARun) {
  IntervalSet set;
  set.Add(1, 4);
  set.Add(8, 12);
  set.RemoveBelow(10);
  EXPECT_THAT(set.intervals(), ElementsAre(Interval{10, 12}));
  set.RemoveBelow(13);
  EXPECT_TRUE(set.empty());
}

TEST(IntervalSetTest, AgreesWithASetOfNumbers) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 50; ++round) {
    IntervalSet set;
    std::set<uint64_t> model;
    for (int step = 0; step < 100; ++step) {
      const uint64_t first = 1 + random() % 120;
      const uint64_t last = first + random() % 5;
      if (random() % 12 == 0) {
        set.RemoveBelow(first);
        model.erase(model.begin(), model.lower_bound(first));
      } else {
        set.Add(first, last);
        for (uint64_t each = first; each <= last; ++each)
          model.insert(each);
      }
      const uint64_t probe = random() % 130;
      ASSERT_EQ(set.Contains(probe), model.contains(probe));
      const auto next = model.lower_bound(probe);
      ASSERT_EQ(set.NextPresent(probe), next == model.end() ? UINT64_MAX : *next);
      uint64_t absent = probe;
      while (model.contains(absent))
        ++absent;
      ASSERT_EQ(set.NextAbsent(probe), absent);
    }
    uint64_t count = 0;
    for (const Interval& each : set.intervals())
      count += each.count();
    ASSERT_EQ(count, model.size());
  }
}

}  // namespace
}  // namespace skein::storage
