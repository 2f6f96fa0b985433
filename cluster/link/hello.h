// Whether a peer belongs to us.
//
// Purpose: what Hello must say. For .cc files of this folder only, and their tests. Thread: pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cluster/link/peer_net.h"
#include "skein/cluster/v1/peer.pb.h"

namespace skein::cluster {

// The numbers of the nodes that belong to the cluster.
using Numbers = std::map<std::string, shard::NodeNumber>;

// Part of a refusal that may soon be none.
inline constexpr const char* kNotAMember = "is not a member";

// Empty: it may stay, and *node is who it is. expected: whom we dialed, -1 if it dialed us; digest:
// of our list of nodes, 0 if that changes.
std::string WhyRefuse(const PeerNetOptions& options, const Numbers& numbers, uint64_t digest,
                      const v1::Hello& hello, int expected, int* node);

// Of one that dialed us. Empty: its certificate has the name of its node, or none is asked for.
std::string WhyDoubt(const PeerNetOptions& options, const v1::Hello& hello,
                     const std::vector<std::string>& names);

}  // namespace skein::cluster
