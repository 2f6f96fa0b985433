// What the broker says about itself below $SYS.
//
// Purpose: the topics that monitors of mosquitto know, with the figures of this node:
// $SYS/broker/..., the same below $SYS/brokers/{node}/... for all nodes, and load averages of 1, 5
// and 15 minutes. Owner: whoever publishes them. Thread: confined to it; pure. Life cycle: Make()
// once an interval, from the start on.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/stats.h"
#include "broker/base/types.h"
#include "broker/metrics/process.h"
#include "broker/shard/census.h"
#include "broker/shard/sys_topics.h"

namespace skein::metrics {

struct SysFigures {
  ShardStats totals;
  shard::CensusFigures census;
  uint64_t retained_messages = 0;
  uint64_t retained_bytes = 0;
  MemoryFigures memory;
  TimeMs now = 0;
};

class SysReport {
 public:
  SysReport(std::string node, std::string version, TimeMs started)
      : node_(std::move(node)), version_(std::move(version)), started_(started) {}

  // What is kept of a node that says no more ends after three intervals.
  std::vector<shard::OwnMessage> Make(const SysFigures& figures, TimeMs interval);

  using Values = std::vector<std::pair<std::string, std::string>>;
  // Topics below $SYS/broker/ and their payloads.
  Values ValuesOf(const SysFigures& figures);

 private:
  // A counter's load averages: what it grew by a minute, over 1, 5 and 15 minutes.
  struct Load {
    std::array<double, 3> averages{};
    uint64_t last = 0;
  };
  void AddLoad(const std::string& name, uint64_t value, double minutes, Load* load, Values* values);

  const std::string node_;
  const std::string version_;
  const TimeMs started_;
  TimeMs last_ = 0;
  uint64_t most_clients_ = 0;
  std::array<Load, 9> loads_;
};

}  // namespace skein::metrics
