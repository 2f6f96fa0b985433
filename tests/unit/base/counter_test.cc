#include "broker/base/counter.h"

#include "gtest/gtest.h"

namespace skein {
namespace {

// The bucket that a histogram puts a value in.
template <typename H>
size_t BucketOf(uint64_t value) {
  H histogram;
  histogram.Observe(value);
  for (size_t i = 0; i < H::kBuckets; ++i) {
    if (histogram.bucket(i) == 1) return i;
  }
  return H::kBuckets;
}

TEST(HistogramTest, ABoundBelongsToItsBucket) {
  using H = LatencyHistogram;
  EXPECT_EQ(BucketOf<H>(0), 0u);
  EXPECT_EQ(BucketOf<H>(1), 0u);
  EXPECT_EQ(BucketOf<H>(16), 0u);
  EXPECT_EQ(BucketOf<H>(17), 1u);
  EXPECT_EQ(BucketOf<H>(32), 1u);
  EXPECT_EQ(BucketOf<H>(uint64_t{1} << 26), H::kBuckets - 2);
  EXPECT_EQ(BucketOf<H>((uint64_t{1} << 26) + 1), H::kBuckets - 1);
  EXPECT_EQ(BucketOf<H>(uint64_t{1} << 63), H::kBuckets - 1);
  for (size_t i = 0; i + 1 < H::kBuckets; ++i) {
    const auto bound = static_cast<uint64_t>(H::BoundOf(i));
    EXPECT_EQ(BucketOf<H>(bound), i);
    EXPECT_EQ(BucketOf<H>(bound + 1), i + 1);
  }
  EXPECT_EQ(BucketOf<SizeHistogram>(0), 0u);
  EXPECT_EQ(BucketOf<SizeHistogram>(1), 0u);
  EXPECT_EQ(BucketOf<SizeHistogram>(2), 1u);
}

TEST(HistogramTest, CountsAndSums) {
  SizeHistogram histogram;
  histogram.Observe(1);
  histogram.Observe(3, 10);
  histogram.Observe(1'000'000);
  EXPECT_EQ(histogram.count(), 12u);
  EXPECT_EQ(histogram.sum(), 1'000'031u);
  EXPECT_EQ(histogram.bucket(2), 10u);
  EXPECT_EQ(histogram.bucket(SizeHistogram::kBuckets - 1), 1u);
  SizeHistogram sum;
  sum.Merge(histogram);
  sum.Merge(histogram);
  EXPECT_EQ(sum.count(), 24u);
  EXPECT_EQ(sum.bucket(2), 20u);
}

TEST(HistogramTest, QuantilesLieInTheirBucket) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  histogram.Observe(100, 90);    // up to 128
  histogram.Observe(3'000, 10);  // up to 4,096
  EXPECT_GT(histogram.Quantile(0.5), 64);
  EXPECT_LE(histogram.Quantile(0.5), 128);
  EXPECT_GT(histogram.Quantile(0.99), 2'048);
  EXPECT_LE(histogram.Quantile(0.99), 4'096);
  histogram.Observe(UINT32_MAX, 10'000);
  EXPECT_EQ(histogram.Quantile(0.5), LatencyHistogram::BoundOf(LatencyHistogram::kBuckets - 2));
}

TEST(LatencyBookTest, GathersWhatBeganTogether) {
  LatencyBook book;
  LatencyHistogram histograms[2];
  const auto of = [&](uint8_t kind) -> LatencyHistogram& { return histograms[kind]; };
  for (int i = 0; i < 5; ++i)
    book.Note(0, 1'000);
  book.Note(1, 1'000);
  book.Note(0, 9'000);
  book.Note(0, 20'000);  // our clock is behind: nothing takes less than no time
  book.Flush(10'000, of);
  EXPECT_TRUE(book.empty());
  EXPECT_EQ(histograms[0].count(), 7u);
  EXPECT_EQ(histograms[0].sum(), 5 * 9'000u + 1'000u);
  EXPECT_EQ(histograms[1].count(), 1u);
}

TEST(LatencyBookTest, IsBounded) {
  LatencyBook book;
  LatencyHistogram histogram;
  for (int64_t i = 0; i < 5'000; ++i)
    book.Note(0, i * 2);
  book.Flush(10'000, [&](uint8_t) -> LatencyHistogram& { return histogram; });
  EXPECT_EQ(histogram.count(), 5'000u);  // none is lost
}

}  // namespace
}  // namespace skein
