// The histogram's percentiles: exact for small values, within 1% for large ones, never above the
// maximum.

#include "cmd/skeinmq-bench/histogram.h"

#include <gtest/gtest.h>

#include <memory>

namespace skein::bench {
namespace {

TEST(HistogramTest, IsEmptyAtFirst) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Percentile(50), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.mean(), 0.0);
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 100; ++value)
    histogram.Record(value);
  EXPECT_EQ(histogram.Percentile(0), 1u);
  EXPECT_EQ(histogram.Percentile(50), 50u);
  EXPECT_EQ(histogram.Percentile(99), 99u);
  EXPECT_EQ(histogram.Percentile(100), 100u);
  EXPECT_DOUBLE_EQ(histogram.mean(), 50.5);
}

TEST(HistogramTest, EveryMagnitudeIsWithinOnePercent) {
  for (uint64_t value = 1; value < uint64_t{1} << 41; value = value * 3 + 1) {
    Histogram histogram;
    histogram.Record(value);
    histogram.Record(uint64_t{1} << 42);  // so that the maximum does not cap the answer
    const uint64_t found = histogram.Percentile(50);
    EXPECT_GE(found, value);
    EXPECT_LE(static_cast<double>(found), static_cast<double>(value) * 1.01) << value;
  }
}

TEST(HistogramTest, AscendingValuesNeverMoveBack) {
  Histogram histogram;
  uint64_t last = 0;
  for (uint64_t value = 1; value < 5'000'000; value += 1 + value / 50) {
    histogram.Record(value);
    const uint64_t top = histogram.Percentile(100);
    EXPECT_GE(top, last);
    EXPECT_EQ(top, value);
    last = top;
  }
}

TEST(HistogramTest, TooLargeValuesCountAtTheTop) {
  Histogram histogram;
  for (int at = 0; at < 9; ++at)
    histogram.Record(10);
  histogram.Record(UINT64_MAX);
  EXPECT_EQ(histogram.Percentile(90), 10u);
  EXPECT_EQ(histogram.Percentile(99.9), UINT64_MAX);
}

TEST(HistogramTest, ClearForgets) {
  Histogram histogram;
  histogram.Record(1000);
  histogram.Clear();
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.Percentile(99), 0u);
}

}  // namespace
}  // namespace skein::bench
