// Which node a partition belongs to.
//
// Purpose: rendezvous hashing: each node's weight for a partition is a hash of both, the greatest
// wins; so a node that comes or goes moves only its own share. Fixed for all machines and versions.
// Thread: pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace skein::cluster {

// The index in `nodes` of the partition's node. nodes: not empty, sorted, each once.
uint16_t Rendezvous(uint32_t partition, const std::vector<std::string>& nodes);

// For each of `partitions`.
std::vector<uint16_t> RendezvousTable(uint32_t partitions, const std::vector<std::string>& nodes);

// Equal for equal lists, on any machine.
uint64_t DigestOf(const std::vector<std::string>& nodes);

}  // namespace skein::cluster
