#include "broker/shard/route_check.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"
#include "broker/base/check.h"

namespace skein::shard {

template <class Sum>
void RouteCheck::AddPartitions(NodeNumber node, ShardId shard, ShardId shards, Sum sum,
                               RouteDigest* digest) const {
  SKEIN_CHECK(shards > 0);
  for (size_t partition = shard; partition < state_.table.size(); partition += shards) {
    const PartitionRow& row = state_.table[partition];
    if (row.node != node) continue;
    const uint64_t epoch = row.epoch;
    const uint64_t filters = sum(static_cast<session::PartitionId>(partition));
    digest->rows += XXH3_64bits_withSeed(&epoch, sizeof epoch, partition);
    digest->durable += XXH3_64bits_withSeed(&filters, sizeof filters, partition);
  }
}

RouteDigest RouteCheck::Own() const {
  RouteDigest digest;
  digest.sequence = state_.route_sequence;
  digest.routes = state_.routes.DigestOf(state_.options.id).routes;
  AddPartitions(
      state_.options.node, state_.options.id, state_.options.count,
      [this](session::PartitionId partition) { return state_.durable_sums[partition]; }, &digest);
  return digest;
}

RouteDigest RouteCheck::Known(PlaceId place) const {
  RouteDigest digest;
  digest.sequence = state_.places[place].routes_told;
  digest.routes = state_.routes.DigestOf(place).routes;
  AddPartitions(
      state_.NodeOf(place), state_.ShardOf(place), state_.ShardsOf(state_.NodeOf(place)),
      [this](session::PartitionId partition) {
        return state_.durable_routes.DigestOf(partition).filters;
      },
      &digest);
  return digest;
}

void RouteCheck::Tick() {
  if (state_.now >= tell_at_) Tell();
  if (state_.now >= ask_at_) AskAgain();
  if (state_.now >= note_lag_at_) NoteLag();
}

void RouteCheck::Tell() {
  tell_at_ = NextTelling();
  const RouteDigest own = Own();
  for (PlaceId place = 0; place < state_.places.size(); ++place) {
    if (place != state_.options.id && state_.places[place].up)
      state_.out.mail[place].emplace_back(own);
  }
}

void RouteCheck::AskAgain() {
  ask_at_ = kNever;
  for (PlaceId place = 0; place < repairs_.size(); ++place) {
    if (!state_.places[place].mending) continue;
    if (repairs_[place].ask_at <= state_.now) Ask(place);
    ask_at_ = std::min(ask_at_, repairs_[place].ask_at);
  }
}

void RouteCheck::NoteLag() {
  note_lag_at_ = state_.now + kLagMs;
  uint64_t most = 0;
  for (PlaceId place = 0; place < state_.places.size(); ++place)
    most = std::max(most, Lag(place));
  state_.stats.route_lag.Set(static_cast<int64_t>(most));
}

void RouteCheck::OnDigest(PlaceId from, const RouteDigest& digest) {
  if (state_.places[from].mending) return;
  const RouteDigest known = Known(from);
  if (!state_.places[from].routes_known || digest.sequence != known.sequence) {
    Diverged(from, "sequence");
  } else if (digest.routes != known.routes) {
    Diverged(from, "routes");
  } else if (digest.rows == known.rows && digest.durable != known.durable) {
    // With other rows one of us has yet to hear of a new owner, and speaks of other partitions.
    Diverged(from, "durable routes");
  }
}

void RouteCheck::OnSequence(PlaceId from, uint64_t sequence) {
  const Place& place = state_.places[from];
  // While all routes are told, they have the number of the last change.
  const bool follows = sequence == place.routes_told || sequence == place.routes_told + 1;
  if (!follows && place.routes_known && !place.mending) Diverged(from, "sequence");
}

void RouteCheck::Diverged(PlaceId place, std::string_view what) {
  state_.stats.route_divergence.Add();
  state_.ports.log->Log(
      LogLevel::kWarn, "routes.diverged",
      {{"node", state_.NodeOf(place)}, {"shard", state_.ShardOf(place)}, {"what", what}});
  if (repairs_.size() <= place) repairs_.resize(place + size_t{1});
  state_.places[place].mending = true;
  if (repairs_[place].ask_at <= state_.now) Ask(place);
  ask_at_ = std::min(ask_at_, repairs_[place].ask_at);
}

void RouteCheck::Ask(PlaceId place) {
  repairs_[place].ask_at = state_.now + kPauseMs;
  state_.out.mail[place].emplace_back(RouteAsk{});
}

void RouteCheck::Begin(PlaceId place) {
  if (repairs_.size() <= place) repairs_.resize(place + size_t{1});
  state_.places[place].mending = true;
  repairs_[place].ask_at = state_.now + kPauseMs;
  absl::flat_hash_set<std::string>& unsaid = repairs_[place].unsaid;
  unsaid.clear();
  state_.routes.ForEachOf(place,
                          [&](std::string_view filter, uint32_t) { unsaid.emplace(filter); });
}

void RouteCheck::OnSaid(PlaceId place, std::string_view filter) {
  repairs_[place].unsaid.erase(absl::string_view(filter.data(), filter.size()));
}

void RouteCheck::Finish(PlaceId place) {
  for (const std::string& filter : std::exchange(repairs_[place].unsaid, {}))
    state_.routes.Set(filter, place, 0);
  state_.places[place].mending = false;
}

void RouteCheck::Forget(PlaceId place) {
  if (place < repairs_.size()) repairs_[place] = Repair();
  state_.places[place].mending = false;
}

}  // namespace skein::shard
