// Whether a peer belongs to us.
//
// Purpose: what Hello must say. For .cc files of this folder only. Thread: pure.
#pragma once

#include <string>
#include <vector>

#include "cluster/link/peer_net.h"
#include "skein/cluster/v1/peer.pb.h"

namespace skein::cluster {

// Empty: it may stay, and *node is who it is. expected: whom we dialed, -1 if it dialed us; digest:
// of our list of nodes.
std::string WhyRefuse(const PeerNetOptions& options, uint64_t digest, const v1::Hello& hello,
                      int expected, int* node);

// Of one that dialed us. Empty: its certificate has the name of its node, or none is asked for.
std::string WhyDoubt(const PeerNetOptions& options, const v1::Hello& hello,
                     const std::vector<std::string>& names);

}  // namespace skein::cluster
