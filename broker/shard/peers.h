// The port to the other nodes of the cluster.
//
// Purpose: takes mail for shards of peers, and brings theirs. Owner: cmd/, outlives the shards.
// Thread: Send() on any shard's; PeerEvents are brought on any thread and taken over by the shard
// in its next turn. Order: mail from one shard to one other arrives in the order it was sent, as
// long as the peer is up; a peer that went down and came up again has lost what was under way.
// Limits: what waits for a peer is bounded by the implementation: Send() refuses then. What was
// brought and not taken over yet is counted (Broker::peer_backlog); whoever brings stops reading.
#pragma once

#include <vector>

#include "broker/shard/mail.h"

namespace skein::shard {

inline constexpr ShardId kMaxShardsANode = 64;
inline constexpr NodeNumber kMaxNodes = 512;

// What happens with a peer or the cluster, for one shard.
struct PeerEvent {
  enum class Kind : uint8_t {
    kUp,
    kDown,
    kMail,
    kRows,        // of the partition table have changed, or are what they were
    kMembers,     // who belongs to the cluster and is alive
    kLease,       // whether the coordinator counts us among them
    kGive,        // hand a partition over: rows has one, with the new owner
    kMoveFailed,  // the coordinator did not take a hand-over: rows has one
    kRetire,      // an operator has drained the node: clients are to go elsewhere
  };
  Kind kind = Kind::kMail;
  NodeNumber node = 0;
  ShardId shard = 0;   // kUp: how many the peer has; kMail: the one it comes from
  uint32_t epoch = 0;  // kUp: names this life of the link
  std::vector<Mail> mail;
  size_t bytes = 0;  // about, of the mail
  std::vector<RowChange> rows;
  std::vector<NodeNumber> members;
  bool yes = false;  // kLease: it does; kMembers: wait for those that cannot be reached
};

class Peers {
 public:
  virtual ~Peers() = default;
  // epoch: as the last kUp had it; mail of another life of the link is dropped, as is mail for a
  // node that is down. False: too much waits for that node; nothing was taken.
  virtual bool Send(ShardId from, NodeNumber node, uint32_t epoch, ShardId shard,
                    std::vector<Mail>* mail) = 0;
};

// The port to the coordinator. Any shard's thread; the answer comes as PeerEvents kRows or
// kMoveFailed.
class Placement {
 public:
  virtual ~Placement() = default;
  // All of the partition is durable at `change.row.node`: make it the owner, if the table still has
  // the epoch before.
  virtual void Commit(const RowChange& change) = 0;
  // A hand-over that was asked for (kGive) has come to nothing.
  virtual void Abandon(session::PartitionId partition) = 0;
};

}  // namespace skein::shard
