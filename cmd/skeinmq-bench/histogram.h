// A log-linear histogram of durations.
//
// Each power of two is cut into 128 equal buckets, so a percentile is off by less than 1% at any
// magnitude, and recording is a shift and an increment. Values up to 2^42 ns (73 minutes) are told
// apart; larger ones count in the last bucket. Memory: about 38 KB. Not thread-safe.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace skein::bench {

class Histogram {
 public:
  void Record(uint64_t nanoseconds) {
    ++counts_[BucketOf(nanoseconds)];
    ++count_;
    sum_ += nanoseconds;
    if (nanoseconds > max_) max_ = nanoseconds;
  }

  void Clear();

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  // Arithmetic mean in nanoseconds; 0 when empty.
  double mean() const;

  // The smallest recorded duration (to the bucket's precision, never above max()) that at least
  // `percent` of the values do not exceed. `percent` is in 0..100; 0 when empty.
  uint64_t Percentile(double percent) const;

 private:
  static constexpr unsigned kSubBits = 7;
  static constexpr uint64_t kSubBuckets = uint64_t{1} << kSubBits;
  static constexpr unsigned kMaxBits = 42;
  static constexpr size_t kBuckets = (kMaxBits - kSubBits + 1) * kSubBuckets;

  static size_t BucketOf(uint64_t value) {
    if (value < kSubBuckets) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
    const size_t bucket = (size_t{shift} + 1) * kSubBuckets + ((value >> shift) - kSubBuckets);
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }
  static uint64_t HighestOf(size_t bucket);

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace skein::bench
