// Brings every client of a fleet to "ready", a bounded number at a time (a listen backlog is
// finite) and, if asked, at a rate.
#pragma once

#include "absl/status/status.h"
#include "cmd/skeinmq-bench/fleet.h"

namespace skein::bench {

inline constexpr size_t kOpeningAtOnce = 64;

// Starts the fleet's clients from `first` on, in order. `rate`: connections a second, 0 for no
// limit. DeadlineExceeded when for `stall_seconds` no client has become ready.
absl::Status OpenAll(Fleet& fleet, size_t first, double rate, double stall_seconds);

}  // namespace skein::bench
