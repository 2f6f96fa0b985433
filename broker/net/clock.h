// The one place that reads the machine's clocks.
//
// Purpose: `now` for everything pure: wall time when the clock was made plus monotonic time since.
// It never goes back and does not jump when the wall clock is set. Thread: any; immutable. Life
// cycle: made once in cmd/ and shared by all shards, so that their `now` agree.
#pragma once

#include <chrono>

#include "broker/base/types.h"

namespace skein::net {

class Clock {
 public:
  Clock() : wall_start_(Milliseconds(std::chrono::system_clock::now())) {}

  TimeMs Now() const {
    const auto elapsed = std::chrono::steady_clock::now() - steady_start_;
    return wall_start_ + std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
  }
  // The same in microseconds.
  int64_t NowMicros() const {
    const auto elapsed = std::chrono::steady_clock::now() - steady_start_;
    return wall_start_ * 1'000 +
           std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  }

 private:
  static TimeMs Milliseconds(std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  }

  const TimeMs wall_start_;
  const std::chrono::steady_clock::time_point steady_start_ = std::chrono::steady_clock::now();
};

}  // namespace skein::net
