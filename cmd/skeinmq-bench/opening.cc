#include "cmd/skeinmq-bench/opening.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cmd/skeinmq-bench/clock.h"

namespace skein::bench {
namespace {

constexpr uint64_t kTurnNanos = 10'000'000;

}  // namespace

absl::Status OpenAll(Fleet& fleet, size_t first, double rate, double stall_seconds) {
  const uint64_t begin = NowNanos();
  const auto stall_ns = static_cast<uint64_t>(stall_seconds * 1e9);
  const auto due_ns = [&](size_t client) {
    return rate > 0
               ? begin + static_cast<uint64_t>(static_cast<double>(client - first) / rate * 1e9)
               : begin;
  };
  const size_t total = fleet.clients().size();
  size_t next = first;
  size_t ready = fleet.ready();
  uint64_t progress_ns = begin;
  while (fleet.ready() < total) {
    uint64_t now = NowNanos();
    while (next < total && fleet.opening() < kOpeningAtOnce && due_ns(next) <= now) {
      if (absl::Status status = fleet.Start(fleet.clients()[next++]); !status.ok()) return status;
      progress_ns = now;
    }
    uint64_t wait = kTurnNanos;
    if (next < total && due_ns(next) > now) wait = std::min(wait, due_ns(next) - now);
    if (absl::Status status = fleet.Turn(wait); !status.ok()) return status;
    now = NowNanos();
    if (fleet.ready() != ready) {
      ready = fleet.ready();
      progress_ns = now;
    } else if (now - progress_ns > stall_ns) {
      return absl::DeadlineExceededError(absl::StrCat(
          ready, " of ", total, " clients are ready, and no more for ", stall_seconds, " s"));
    }
  }
  return absl::OkStatus();
}

}  // namespace skein::bench
