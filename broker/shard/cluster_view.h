// What a shard knows of the other shards, of this node and of its peers.
//
// Purpose: keeps the replica of everybody's routes, tells ours, knows which places are there, who
// owns which partition and which partitions are on the move. Thread: confined to the shard. Source
// of the rules: docs/architecture.md, "Several nodes" and "Partitions that move".
#pragma once

#include <vector>

#include "broker/shard/dispatcher.h"
#include "broker/shard/mover.h"
#include "broker/shard/retained_feed.h"
#include "broker/shard/route_check.h"
#include "broker/shard/state.h"

namespace skein::shard {

class ClusterView {
 public:
  ClusterView(ShardState* state, RetainedFeed* feed, Dispatcher* dispatcher, Lifecycle* lifecycle,
              Mover* mover, RouteCheck* check)
      : state_(*state),
        feed_(*feed),
        dispatcher_(*dispatcher),
        lifecycle_(*lifecycle),
        mover_(*mover),
        check_(*check) {}

  // Before anything else.
  void Begin() { state_.LookForOwners(); }

  // False: it is not about the cluster.
  bool OnMail(PlaceId from, Mail* mail);

  void OnPeerUp(NodeNumber peer, ShardId shards);
  void OnPeerDown(NodeNumber peer);

  // Rows as the coordinator or another node has them; older ones are ignored.
  void OnRows(const std::vector<RowChange>& rows);
  void SetMembers(std::vector<NodeNumber> members, bool await_all);
  void SetLease(bool held);

  // Every member is there, all of its routes are known, and every partition has an owner.
  bool Joined() const;

  // Once a tick: publishes that have waited too long for a partition are refused.
  void Tick();

  bool answers_wait() const { return !unfrozen_.empty(); }

 private:
  void OnRouteChange(PlaceId from, const RouteChange& change);
  void OnDurableRoute(PlaceId from, const DurableRoute& change);
  void OnHearsay(const DurableRoute& change);
  // The owner says that it has the partition.
  void OnClaim(PlaceId from, const RowChange& change);
  void AnswerFrozen();
  void OnReset(PlaceId from, const RouteReset& reset);
  // All routes of this life of the place are known: those that were not told again are gone.
  void OnReady(PlaceId from);
  void OnRow(const RowChange& change);
  void OnFreeze(PlaceId from, const Freeze& freeze);
  void Answer(PlaceId from, uint64_t sequence);
  void OnKept(PlaceId from, const Kept& kept);
  void ForgetKept(PlaceId from);
  void Tell(PlaceId place);
  void TellAgain(PlaceId place);
  void TellRoutes(std::vector<Mail>* box);
  void TellHearsay(std::vector<Mail>* box);
  // Partitions that the predicate picks go on.
  template <class Pick>
  void Thaw(Pick pick);

  ShardState& state_;
  RetainedFeed& feed_;
  Dispatcher& dispatcher_;
  Lifecycle& lifecycle_;
  Mover& mover_;
  RouteCheck& check_;
  // Who waits for Frozen, until all publishes whose token is less have been answered.
  struct Unfrozen {
    PlaceId place;
    Frozen answer;
    uint64_t tokens;
  };
  std::vector<Unfrozen> unfrozen_;
};

}  // namespace skein::shard
