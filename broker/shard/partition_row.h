// Who owns a partition of the durable sessions.
//
// Purpose: one row of the partition table, as the coordinator has it. Thread: a value.
#pragma once

#include <cstdint>

namespace skein::shard {

// A node of the cluster, as all of its nodes number it.
using NodeNumber = uint16_t;
inline constexpr NodeNumber kNoNode = UINT16_MAX;

struct PartitionRow {
  uint32_t epoch = 0;         // grows with every change of owner; 0: nobody has owned it
  NodeNumber node = kNoNode;  // kNoNode: nobody does
  bool operator==(const PartitionRow&) const = default;
};

}  // namespace skein::shard
