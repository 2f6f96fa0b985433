// Whether this shard's copy of the others' routes is what they say it is.
//
// Purpose: each shard of a cluster regularly tells all others a digest of its routes and of its
// partitions' durable filters. Mail is in order, so a receiver that has lost nothing has the same
// digest at that point. If not, or if a change does not follow the one before, it counts that and
// asks for all routes again; what it has stays in use until everything has been said, so no
// publish misses a subscriber meanwhile, and what was not said again goes. Until then it does not
// tell that changes are applied: nobody gets a SUBACK for what may be missing here. Thread:
// confined to the shard. Limits: a digest costs the same whatever the number of routes; one repair
// of a place at a time, and one each kPauseMs; the repair keeps the place's filters once more.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "broker/shard/state.h"

namespace skein::shard {

class RouteCheck {
 public:
  // Between two repairs of a place; also when nothing has come of the first.
  static constexpr TimeMs kPauseMs = 30'000;
  static constexpr TimeMs kLagMs = 1'000;  // how old ShardStats::route_lag may be

  explicit RouteCheck(ShardState* state) : state_(*state), tell_at_(NextTelling()) {}

  // Tells digests, and asks again, when it is time for it.
  void Tick();
  TimeMs next_at() const { return std::min(tell_at_, ask_at_); }
  // Changes of this shard's routes that the place has not applied yet; 0 if it is not up.
  uint64_t Lag(PlaceId place) const {
    const Place& other = state_.places[place];
    return other.up && place != state_.options.id ? state_.route_sequence - other.routes_applied
                                                  : 0;
  }

  void OnDigest(PlaceId from, const RouteDigest& digest);
  // A change of the place's routes with this number came.
  void OnSequence(PlaceId from, uint64_t sequence);

  // The place says all of its routes again: begin, each, and that it was all.
  void Begin(PlaceId place);
  void OnSaid(PlaceId place, std::string_view filter);
  void Finish(PlaceId place);
  // Its link is new, or gone.
  void Forget(PlaceId place);

 private:
  struct Repair {
    TimeMs ask_at = 0;  // not before
    absl::flat_hash_set<std::string> unsaid;
  };

  TimeMs NextTelling() const {
    const bool checks = state_.clustered() && state_.options.digest_interval_ms > 0;
    return checks ? state_.now + state_.options.digest_interval_ms : kNever;
  }
  void Tell();
  void AskAgain();
  void NoteLag();
  RouteDigest Own() const;
  // What its digest should be, as far as this shard knows.
  RouteDigest Known(PlaceId place) const;
  // Adds to rows and durable what sum(partition) says of the partitions of a node's shard.
  template <class Sum>
  void AddPartitions(NodeNumber node, ShardId shard, ShardId shards, Sum sum,
                     RouteDigest* digest) const;
  void Diverged(PlaceId place, std::string_view what);
  void Ask(PlaceId place);

  ShardState& state_;
  TimeMs tell_at_;
  TimeMs note_lag_at_ = 0;
  TimeMs ask_at_ = kNever;       // the first of repairs_
  std::vector<Repair> repairs_;  // by PlaceId
};

}  // namespace skein::shard
