// Which partitions a node should give away, or take since nobody has them.
//
// Purpose: each partition belongs to the active node that rendezvous hashing picks; a node gives
// what it owns and should not, and takes what nobody owns. All nodes compute the same. Thread:
// pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "broker/shard/mail.h"

namespace skein::cluster {

struct PlanInput {
  shard::NodeNumber self = 0;
  std::map<std::string, shard::NodeNumber> active;  // may own partitions, by node id
  std::map<std::string, shard::NodeNumber> known;   // all that have not left for good
  std::vector<shard::PartitionRow> table;
};

struct PlanOutput {
  std::vector<shard::RowChange> give;   // ours; row: as it is to be
  std::vector<shard::RowChange> claim;  // nobody's
};

PlanOutput Plan(const PlanInput& input);

}  // namespace skein::cluster
