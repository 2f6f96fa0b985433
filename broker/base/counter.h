// Counters, gauges and histograms with one writer.
//
// Purpose: what a thread counts on its hot path and others read at any time, without a locked
// instruction: each is plain 64-bit words. Owner: whoever counts. Thread: Add(), Set() and
// Observe() on the writer's, the rest on any; what is read together is no consistent cut. Life
// cycle: as long as the writer. Copies are as of the moment, and nobody else's.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace skein {

// False in a build that neither counts nor traces, which is how it is measured what that costs.
#ifdef SKEIN_UNOBSERVED
inline constexpr bool kObserved = false;
#else
inline constexpr bool kObserved = true;
#endif

// Only grows.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter& other) : value_(other.value()) {}
  Counter& operator=(const Counter& other) {
    value_.store(other.value(), std::memory_order_relaxed);
    return *this;
  }

  void Add(uint64_t n = 1) noexcept {
    if constexpr (!kObserved) return;
#ifdef __x86_64__
    // Nobody else writes, so it needs no lock; of a load and a store g++ makes three instructions.
    asm("addq %1, %0" : "+m"(value_) : "er"(n) : "cc");
#else
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
#endif
  }
  uint64_t value() const {
    return value_.load(std::memory_order_relaxed);
  }
  void Merge(const Counter& other) {
    Add(other.value());
  }

 private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down.
class Gauge {
 public:
  Gauge() = default;
  Gauge(const Gauge& other) : value_(other.value()) {}
  Gauge& operator=(const Gauge& other) {
    Set(other.value());
    return *this;
  }

  void Add(int64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Set(int64_t value) noexcept {
    if constexpr (kObserved) value_.store(value, std::memory_order_relaxed);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }
  void Merge(const Gauge& other) { Add(other.value()); }

 private:
  std::atomic<int64_t> value_{0};
};

// How often values up to 2^kFirst, 2^(kFirst + 1), ..., 2^kLast, and greater ones, occurred.
template <int kFirst, int kLast>
class Histogram {
 public:
  // The last one has no bound.
  static constexpr size_t kBuckets = kLast - kFirst + 2;

  // Of any but the last bucket: the greatest value in it.
  static constexpr double BoundOf(size_t bucket) {
    return static_cast<double>(uint64_t{1} << (static_cast<size_t>(kFirst) + bucket));
  }

  void Observe(uint64_t value, uint64_t times = 1) noexcept {
    by_width_[std::bit_width(value - 1)].Add(times);
    sum_.Add(value * times);
  }
  void Merge(const Histogram& other) {
    for (size_t i = 0; i < by_width_.size(); ++i)
      by_width_[i].Merge(other.by_width_[i]);
    sum_.Merge(other.sum_);
  }

  uint64_t bucket(size_t index) const {
    uint64_t count = 0;
    for (size_t width = 0; width < by_width_.size(); ++width)
      count += BucketOf(width) == index ? by_width_[width].value() : 0;
    return count;
  }
  uint64_t sum() const { return sum_.value(); }
  uint64_t count() const {
    uint64_t count = 0;
    for (const Counter& each : by_width_)
      count += each.value();
    return count;
  }
  // About the value that a part `q` (0 to 1) of all does not exceed, as if those in a bucket were
  // spread evenly; 0 if there are none. Beyond the greatest bound: that bound.
  double Quantile(double q) const {
    const double wanted = q * static_cast<double>(count());
    double seen = 0;
    for (size_t i = 0; i + 1 < kBuckets; ++i) {
      const auto here = static_cast<double>(bucket(i));
      if (here > 0 && seen + here >= wanted) {
        const double below = i == 0 ? 0 : BoundOf(i - 1);
        return below + (BoundOf(i) - below) * std::max(0.0, wanted - seen) / here;
      }
      seen += here;
    }
    return seen == 0 && bucket(kBuckets - 1) == 0 ? 0 : BoundOf(kBuckets - 2);
  }

 private:
  // Zero has no predecessor: its width is that of the greatest number, which does not occur.
  static constexpr size_t kZero = 64;
  static constexpr size_t BucketOf(size_t width) {
    const int exponent = width == kZero ? 0 : static_cast<int>(width);
    return static_cast<size_t>(std::clamp(exponent - kFirst, 0, kLast - kFirst + 1));
  }

  // By the width of what is one less; which bucket that is, is found out when somebody asks.
  std::array<Counter, kZero + 1> by_width_;
  Counter sum_;
};

// 16 us to 67 s, in microseconds.
using LatencyHistogram = Histogram<4, 26>;
// 1 to 65,536.
using SizeHistogram = Histogram<0, 16>;

// Things that end with the turn at hand, as moments of their beginning; what is of one kind and
// began together costs one addition each. Microseconds.
class LatencyBook {
 public:
  // More moments in one turn than this share the last one.
  static constexpr size_t kMaxMoments = 1'024;

  void Note(uint8_t kind, int64_t began) {
    if (!noted_.empty()) {
      Moment& last = noted_.back();
      if ((last.began == began && last.kind == kind) || noted_.size() == kMaxMoments) {
        ++last.times;
        return;
      }
    }
    noted_.push_back({began, 1, kind});
  }
  bool empty() const { return noted_.empty(); }
  // histogram_of(kind): where it counts.
  template <typename HistogramOf>
  void Flush(int64_t end, HistogramOf histogram_of) {
    for (const Moment& moment : noted_)
      histogram_of(moment.kind)
          .Observe(static_cast<uint64_t>(std::max<int64_t>(end - moment.began, 0)), moment.times);
    noted_.clear();
  }

 private:
  struct Moment {
    int64_t began;
    uint32_t times;
    uint8_t kind;
  };
  std::vector<Moment> noted_;
};

}  // namespace skein
