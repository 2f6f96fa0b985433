// Mail between shards as the bytes between nodes.
//
// Purpose: the only place that turns one into the other (proto/skein/cluster/v1/peer.proto).
// Thread: pure. Times cross as ages, since clocks differ. Errors: what a peer sends and what makes
// no sense is left out, and counted by the caller.
#pragma once

#include <cstddef>
#include <vector>

#include "broker/shard/mail.h"
#include "broker/shard/peers.h"

namespace skein::cluster::v1 {
class Letter;
}  // namespace skein::cluster::v1

namespace skein::cluster {

// Whose mail it is: places are numbered differently on each node.
struct Viewpoint {
  shard::NodeNumber node = 0;
  ShardId shards = 1;
};

// About how many bytes it is, in memory and on the wire.
size_t CostOf(const shard::Mail& mail);

// MovedConnection does not leave its node: a failed check.
void EncodeLetter(shard::Mail* mail, const Viewpoint& view, TimeMs now, v1::Letter* letter);

// False: not understood.
bool DecodeLetter(v1::Letter* letter, const Viewpoint& view, TimeMs now, shard::Mail* mail);

}  // namespace skein::cluster
