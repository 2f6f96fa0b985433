// The routes that a shard knows, for operators.
//
// Purpose: goes through the routing tables of one shard, which hold what all shards of all nodes
// have said, and keeps the first `limit` rows in the order of their filters. Thread: the shard's,
// slice by slice; the result on any, after the last. Limits: `limit` rows; a slice is one 64th of
// the filters. What changes meanwhile may be in it or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "broker/shard/partition_row.h"

namespace skein::shard {

struct ShardState;

struct RouteQuery {
  std::string prefix;              // of the filter, as text
  std::optional<NodeNumber> node;  // only what goes there
  size_t limit = 1'000;
};

struct RouteRow {
  std::string filter;
  // A partition: of its durable sessions. Else a node: of all sessions that are there.
  std::optional<uint32_t> partition;
  NodeNumber node = 0;  // or the partition's owner; kNoNode: there is none
  uint64_t weight = 0;  // of nodes: as RouteTable::Set() has it, over the node's shards
  bool operator==(const RouteRow&) const = default;
};

struct RouteList {
  std::vector<RouteRow> rows;
  bool truncated = false;  // there are more
};

class RouteScan {
 public:
  explicit RouteScan(RouteQuery query) : query_(std::move(query)) {}

  // True: that was all.
  bool Step(const ShardState& state);

  RouteList Take();

 private:
  // Filter, whether a partition, its number or the node's.
  using Key = std::tuple<std::string, bool, uint32_t>;
  struct Value {
    NodeNumber node = 0;
    uint64_t weight = 0;
  };

  bool Wanted(std::string_view filter, NodeNumber node) const;
  void Add(std::string_view filter, bool partition, uint32_t number, NodeNumber node,
           uint64_t weight);

  const RouteQuery query_;
  size_t part_ = 0;
  bool truncated_ = false;
  std::map<Key, Value> rows_;
};

}  // namespace skein::shard
