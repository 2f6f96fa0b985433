// Who belongs to the cluster and who owns which partition.
//
// Purpose: the small decisions that need agreement: a node's number, membership under a lease, the
// partition table by compare-and-swap. It moves no bytes. etcd decides; see etcd_coordinator.h. A
// node alone and a fixed list of nodes need none: their table is computed (cluster/table). Thread:
// see each call; events come on a thread of the coordinator's. Errors: Join() says what is wrong
// and what to do; later, what cannot be reached is tried again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster/link/peer_net.h"

namespace skein::cluster {

enum class MemberState : uint8_t {
  kJoining,   // it serves nobody yet
  kActive,    // it may own partitions
  kDraining,  // it gives its partitions away
};

struct LiveMember {
  Member member;
  MemberState state = MemberState::kJoining;
  bool operator==(const LiveMember&) const = default;
};

// What a node has to know before it starts.
struct Membership {
  shard::NodeNumber number = 0;
  std::string cluster_id;           // differs for every cluster that was ever formed
  bool formed_now = false;          // nobody owns anything yet
  std::vector<LiveMember> members;  // who lived then
  std::vector<shard::PartitionRow> table;
};

// A node that has not left for good, whether it lives or not.
struct NodeStanding {
  Member member;
  bool live = false;
  MemberState state = MemberState::kJoining;  // of a live one
};

// What operators are shown.
struct Standing {
  std::vector<NodeStanding> nodes;
  std::vector<shard::PartitionRow> table;
  bool lease_held = false;
  size_t moving = 0;  // partitions that this node is giving away
};

struct CoordinatorEvents {
  std::function<void(const std::vector<LiveMember>&)> on_members;
  std::function<void(const std::vector<shard::RowChange>&)> on_rows;
  std::function<void(bool held)> on_lease;
  // The partition should move to row.node.
  std::function<void(const shard::RowChange&)> on_give;
  std::function<void(const shard::RowChange&)> on_move_failed;
  // Another process has this node's name now, or an operator has removed it: it has to end.
  std::function<void(const char* why)> on_replaced;
};

class Coordinator : public shard::Placement {
 public:
  // Registers the node and reads the table; waits for the coordinator as long as `give_up` does not
  // say true. Before anything else, once.
  virtual absl::StatusOr<Membership> Join(const std::function<bool()>& give_up) = 0;
  // From now on the node lives. ready: it serves clients, so that it may own partitions; on any
  // thread.
  virtual void Start(CoordinatorEvents events, std::function<bool()> ready) = 0;
  // Gives its partitions away; false: there is nobody who could have them. Any thread. owned(): how
  // many are left.
  virtual bool Drain() = 0;
  virtual size_t owned() const = 0;
  // What is known now. Any thread.
  virtual Standing View() const = 0;
  // Takes this node out for good: it lives no more, and its name and number are free. Waits for the
  // answer; any thread. FailedPrecondition: it owns partitions.
  virtual absl::Status Leave() = 0;
  // An operator's word that another node is gone for good: what it owned goes to the others, its
  // sessions are lost. Waits for the answer; any thread. FailedPrecondition: it lives; NotFound.
  virtual absl::Status Forget(const std::string& node) = 0;
  // The node lives no more. No event comes after it.
  virtual void Stop() = 0;
};

}  // namespace skein::cluster
