#include "broker/shard/route_scan.h"

#include <iterator>
#include <string_view>
#include <utility>

#include "broker/shard/state.h"

namespace skein::shard {

bool RouteScan::Step(const ShardState& state) {
  const size_t part = part_++;
  const ShardOptions& options = state.options;
  if (!state.has_others()) {  // then nobody keeps routes
    state.subscriptions.ForEachFilterIn(
        part, [&](std::string_view filter) { Add(filter, false, options.node, options.node, 1); });
  }
  state.routes.ForEachIn(part, [&](std::string_view filter, PlaceId place, uint32_t weight) {
    const NodeNumber node = state.NodeOf(place);
    Add(filter, false, node, node, weight);
  });
  state.durable_routes.ForEachIn(part, [&](std::string_view filter, uint32_t partition, uint32_t) {
    if (partition < state.table.size())
      Add(filter, true, partition, state.table[partition].node, 1);
  });
  return part_ == routing::RouteTable::kParts;
}

bool RouteScan::Wanted(std::string_view filter, NodeNumber node) const {
  return filter.starts_with(query_.prefix) && (!query_.node || *query_.node == node);
}

void RouteScan::Add(std::string_view filter, bool partition, uint32_t number, NodeNumber node,
                    uint64_t weight) {
  if (!Wanted(filter, node)) return;
  Key key(filter, partition, number);
  if (rows_.size() >= query_.limit) {
    if (rows_.empty() || std::prev(rows_.end())->first < key) {
      truncated_ = true;
      return;
    }
  }
  Value& value = rows_[std::move(key)];
  value.node = node;
  value.weight += weight;
  if (rows_.size() <= query_.limit) return;
  rows_.erase(std::prev(rows_.end()));
  truncated_ = true;
}

RouteList RouteScan::Take() {
  RouteList list;
  list.truncated = truncated_;
  list.rows.reserve(rows_.size());
  for (const auto& [key, value] : rows_) {
    const auto& [filter, partition, number] = key;
    RouteRow& row = list.rows.emplace_back();
    row.filter = filter;
    if (partition) row.partition = number;
    row.node = value.node;
    row.weight = value.weight;
  }
  return list;
}

}  // namespace skein::shard
