// A rate that is kept by waiting.
//
// Purpose: a bucket that holds one second's worth and may be overdrawn once: then its user waits
// until it is even again. One number a bucket: the moment at which everything taken so far has been
// earned. Thread: Rate is confined to its owner, SharedRate may be used on any. Limits: rates of 1
// to 10^9 a second.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "broker/base/types.h"

namespace skein {

class Rate {
 public:
  // Takes `amount` at `now`, of what comes in at `per_second` (> 0).
  void Take(uint64_t amount, uint64_t per_second, TimeMs now) {
    earned_us_ = Taken(earned_us_, amount, per_second, now);
  }

  // From when on more may be taken.
  TimeMs ready_at() const { return ReadyAt(earned_us_); }
  // From when on the bucket is full again.
  TimeMs even_at() const { return (earned_us_ + 999) / 1'000; }

  static int64_t Taken(int64_t earned_us, uint64_t amount, uint64_t per_second, TimeMs now) {
    const int64_t now_us = now * 1'000;
    // More than an hour's worth at once counts as an hour's.
    const uint64_t seconds_at_most = std::min<uint64_t>(amount / per_second, 3'600);
    const auto cost_us = static_cast<int64_t>(
        seconds_at_most == 3'600 ? uint64_t{3'600'000'000} : amount * 1'000'000 / per_second);
    return std::max(earned_us, now_us) + cost_us;
  }
  static TimeMs ReadyAt(int64_t earned_us) { return (earned_us - kBurstUs + 999) / 1'000; }

 private:
  static constexpr int64_t kBurstUs = 1'000'000;

  int64_t earned_us_ = 0;
};

// One bucket for all shards.
class SharedRate {
 public:
  void Take(uint64_t amount, uint64_t per_second, TimeMs now) {
    int64_t earned = earned_us_.load(std::memory_order_relaxed);
    while (!earned_us_.compare_exchange_weak(earned, Rate::Taken(earned, amount, per_second, now),
                                             std::memory_order_relaxed)) {
    }
  }
  TimeMs ready_at() const { return Rate::ReadyAt(earned_us_.load(std::memory_order_relaxed)); }

 private:
  std::atomic<int64_t> earned_us_{0};
};

}  // namespace skein
