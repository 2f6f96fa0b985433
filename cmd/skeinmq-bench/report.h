// The outcome of a run as a value, and its two faces: a table for people, one JSON object for
// scripts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cmd/skeinmq-bench/broker_usage.h"
#include "cmd/skeinmq-bench/histogram.h"
#include "cmd/skeinmq-bench/options.h"

namespace skein::bench {

struct Report {
  double seconds = 0;      // measured phase
  uint64_t published = 0;  // in the measured phase
  uint64_t acknowledged = 0;
  uint64_t delivered = 0;
  uint64_t lost = 0;  // of the whole run, from here on
  uint64_t repeated = 0;
  uint64_t unacknowledged = 0;
  uint64_t connections = 0;    // `connect` only
  double connect_seconds = 0;  // from the first connect() to the last CONNACK
  uint64_t pings_answered = 0;
  double generator_cpu_seconds = 0;
  Histogram latency;  // publish to delivery (pub: to acknowledgement; connect: to CONNACK)
  std::optional<BrokerUsage> broker_before;
  std::optional<BrokerUsage> broker_after;

  // What the figures per message are divided by: deliveries, or acknowledged publishes when nobody
  // listens.
  uint64_t messages() const { return delivered > 0 ? delivered : acknowledged; }
  bool clean() const { return lost == 0 && repeated == 0 && unacknowledged == 0; }
};

std::string ToTable(const Options& options, const Report& report);
std::string ToJson(const Options& options, const Report& report);

}  // namespace skein::bench
