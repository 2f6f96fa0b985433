// What the shards counted, under the names that operators see.
//
// Purpose: ShardStats and Census as families; docs/operations.md lists them. Thread: pure.
#pragma once

#include <string>
#include <vector>

#include "broker/base/stats.h"
#include "broker/metrics/sheet.h"
#include "broker/shard/census.h"

namespace skein::metrics {

struct BrokerFigures {
  ShardStats totals;
  std::vector<const ShardStats*> shards;
  std::vector<std::string> listeners;  // their names, as totals.listeners
  shard::CensusFigures census;
  std::vector<std::string> peers;  // by node number; empty: there is none
  size_t self = 0;                 // this node's number
  uint64_t retained_messages = 0;
  uint64_t retained_bytes = 0;
  TimeMs now = 0;
};

void AddBroker(const BrokerFigures& figures, Sheet* sheet);

}  // namespace skein::metrics
