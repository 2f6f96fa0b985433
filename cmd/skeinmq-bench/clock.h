// Monotonic time in nanoseconds. It is the same clock in every process of one machine, so a `sub`
// can read the stamps of a `pub` beside it.
#pragma once

#include <time.h>

#include <cstdint>

namespace skein::bench {

inline constexpr uint64_t kNanosPerSecond = 1'000'000'000;

inline uint64_t NowNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNanosPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace skein::bench
