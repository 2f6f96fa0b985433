#include "cmd/skeinmq-bench/histogram.h"

#include <algorithm>
#include <cmath>

namespace skein::bench {

void Histogram::Clear() {
  *this = Histogram();
}

double Histogram::mean() const {
  return count_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

uint64_t Histogram::HighestOf(size_t bucket) {
  if (bucket < kSubBuckets) return bucket;
  const size_t shift = bucket / kSubBuckets - 1;
  const uint64_t lowest = (kSubBuckets + bucket % kSubBuckets) << shift;
  return lowest + (uint64_t{1} << shift) - 1;
}

uint64_t Histogram::Percentile(double percent) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(percent / 100.0 * static_cast<double>(count_));
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket + 1 < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= rank) return std::min(HighestOf(bucket), max_);
  }
  return max_;
}

}  // namespace skein::bench
