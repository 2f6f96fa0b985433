// The two kinds of run behind the subcommands.
//
// A run ends with a Report (which may tell of lost messages), or with an error when a connection
// failed or spoke wrongly.
#pragma once

#include "absl/status/statusor.h"
#include "cmd/skeinmq-bench/options.h"
#include "cmd/skeinmq-bench/report.h"

namespace skein::bench {

// `connect`: opens the connections and keeps them idle.
absl::StatusOr<Report> RunIdle(const Options& options);

// `pairs`, `pub`, `sub`, `fanin`, `fanout`: opens everybody, publishes through warm-up and measured
// phase, then waits until what was sent has arrived.
absl::StatusOr<Report> RunTraffic(const Options& options);

// CPU time this process has used so far.
double OwnCpuSeconds();

}  // namespace skein::bench
