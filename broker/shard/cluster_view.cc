#include "broker/shard/cluster_view.h"

#include <algorithm>
#include <utility>

namespace skein::shard {
namespace {

// A publish that waits longer for a partition that moves is refused.
constexpr TimeMs kLongestHoldMs = 15'000;

}  // namespace

bool ClusterView::OnMail(PlaceId from, Mail* mail) {
  if (auto* change = std::get_if<RouteChange>(mail)) {
    OnRouteChange(from, *change);
  } else if (auto* durable = std::get_if<DurableRoute>(mail)) {
    OnDurableRoute(from, *durable);
  } else if (auto* reset = std::get_if<RouteReset>(mail)) {
    OnReset(from, *reset);
  } else if (auto* applied = std::get_if<RouteApplied>(mail)) {
    state_.places[from].routes_applied = applied->sequence;
  } else if (std::holds_alternative<RouteReady>(*mail)) {
    OnReady(from);
  } else if (auto* digest = std::get_if<RouteDigest>(mail)) {
    check_.OnDigest(from, *digest);
  } else if (std::holds_alternative<RouteAsk>(*mail)) {
    TellAgain(from);
  } else if (auto* row = std::get_if<RowChange>(mail)) {
    OnRow(*row);
    if (row->claim) OnClaim(from, *row);
  } else if (auto* freeze = std::get_if<Freeze>(mail)) {
    OnFreeze(from, *freeze);
  } else if (auto* kept = std::get_if<Kept>(mail)) {
    OnKept(from, *kept);
  } else {
    return mover_.OnMail(from, mail);
  }
  return true;
}

void ClusterView::OnRouteChange(PlaceId from, const RouteChange& change) {
  state_.routes.Set(change.filter, from, change.weight);
  if (state_.places[from].mending) check_.OnSaid(from, change.filter);
  check_.OnSequence(from, change.sequence);
  Answer(from, change.sequence);
}

void ClusterView::OnDurableRoute(PlaceId from, const DurableRoute& change) {
  if (change.hearsay) return OnHearsay(change);
  if (change.partition < state_.table.size() &&
      state_.table[change.partition].node == state_.NodeOf(from)) {
    state_.durable_routes.Set(change.filter, change.partition,
                              change.present ? state_.places[from].life + 1 : 0);
  }
  check_.OnSequence(from, change.sequence);
  Answer(from, change.sequence);
}

// Only of use while its owner has not told us itself.
void ClusterView::OnHearsay(const DurableRoute& change) {
  if (change.partition >= state_.table.size() || state_.filters_known[change.partition]) return;
  constexpr uint32_t kToldByNobody = 1;  // its owner's word replaces it, see OnReady()
  if (change.filter.empty()) {
    state_.filters_known[change.partition] = true;
    state_.LookForOwners();
  } else {
    state_.durable_routes.Set(change.filter, change.partition, kToldByNobody);
  }
}

void ClusterView::OnReset(PlaceId from, const RouteReset& reset) {
  if (reset.again) {
    state_.places[from].life = ++state_.last_life;
    check_.Begin(from);
  } else {
    state_.routes.WithdrawAll(from);
  }
  Answer(from, reset.sequence);
}

void ClusterView::Answer(PlaceId from, uint64_t sequence) {
  // What is told at the start counts when all of it is there.
  Place& place = state_.places[from];
  place.routes_told = sequence;
  if (!place.routes_known || place.mending) return;
  // One answer a batch is enough: a later one covers the earlier.
  auto& box = state_.out.mail[from];
  if (!box.empty()) {
    if (auto* last = std::get_if<RouteApplied>(&box.back())) {
      last->sequence = sequence;
      return;
    }
  }
  box.emplace_back(RouteApplied{sequence});
}

void ClusterView::OnReady(PlaceId from) {
  std::vector<std::pair<std::string, session::PartitionId>> gone;
  const uint32_t life = state_.places[from].life + 1;
  const NodeNumber node = state_.NodeOf(from);
  const ShardId shards = state_.ShardsOf(node);
  if (shards > 0) {
    const ShardId shard = state_.ShardOf(from);
    state_.durable_routes.ForEach([&](std::string_view filter, uint32_t partition, uint32_t told) {
      if (told != life && state_.table[partition].node == node && partition % shards == shard &&
          state_.claims[partition] == state_.places[from].ups + 1)
        gone.emplace_back(filter, partition);
    });
  }
  for (const auto& [filter, partition] : gone)
    state_.durable_routes.Set(filter, partition, 0);
  state_.places[from].routes_known = true;
  if (state_.places[from].mending) check_.Finish(from);
  Answer(from, state_.places[from].routes_told);
  state_.LookForOwners();
  Thaw([&](session::PartitionId partition, const FrozenPartition& frozen) {
    return frozen.by != node && state_.table[partition].node == node &&
           state_.OwnerPlace(partition) == from &&
           state_.claims[partition] == state_.places[from].ups + 1;
  });
}

void ClusterView::OnPeerUp(NodeNumber peer, ShardId shards) {
  const PlaceId end = state_.PlaceOf(peer, shards);
  if (state_.peer_shards.size() <= peer) state_.peer_shards.resize(peer + size_t{1});
  state_.peer_shards[peer] = shards;
  if (state_.places.size() < end) {
    state_.places.resize(end);
    state_.out.mail.resize(end);
  }
  const PlaceId last = std::min<PlaceId>(state_.PlaceOf(peer, kMaxShardsANode),
                                         static_cast<PlaceId>(state_.places.size()));
  for (PlaceId place = state_.PlaceOf(peer, 0); place < last; ++place) {
    Place& changed = state_.places[place];
    changed.up = place < end;
    changed.routes_applied = 0;
    changed.routes_known = false;
    changed.life = ++state_.last_life;
    ++changed.ups;
    check_.Forget(place);
    ForgetKept(place);
    if (changed.up) Tell(place);
  }
  state_.LookForOwners();
  feed_.Start(peer);
  mover_.OnPeerUp(peer);
  lifecycle_.CloseStrays();
}

void ClusterView::Tell(PlaceId place) {
  auto& box = state_.out.mail[place];
  box.emplace_back(RouteReset{state_.route_sequence});
  TellRoutes(&box);
  TellHearsay(&box);
  dispatcher_.outbox().Tell(place, &box);
  for (const auto& [partition, frozen] : state_.frozen) {
    if (frozen.by == state_.options.node && partition % state_.options.count == state_.options.id)
      box.emplace_back(Freeze{partition, false, 0});
  }
  box.emplace_back(RouteReady{});
}

void ClusterView::TellAgain(PlaceId place) {
  auto& box = state_.out.mail[place];
  box.emplace_back(RouteReset{state_.route_sequence, true});
  TellRoutes(&box);
  box.emplace_back(RouteReady{});
}

void ClusterView::TellRoutes(std::vector<Mail>* box) {
  for (session::PartitionId partition = state_.options.id; partition < state_.table.size();
       partition += state_.options.count) {
    if (state_.IsMine(partition))
      box->emplace_back(RowChange{partition, state_.table[partition], true});
  }
  state_.routes.ForEachOf(state_.options.id, [&](std::string_view filter, uint32_t weight) {
    box->emplace_back(RouteChange{state_.route_sequence, weight, std::string(filter)});
  });
  for (const auto& [key, count] : state_.durable_filters) {
    const auto [partition, filter] = ParseDurableKey(key);
    box->emplace_back(DurableRoute{state_.route_sequence, partition, true, std::string(filter)});
  }
}

// Of partitions whose owner is away: a node that starts meanwhile has nobody else to ask. Each of
// our shards speaks for its part of them.
void ClusterView::TellHearsay(std::vector<Mail>* box) {
  if (!state_.owners_missing) return;
  const auto told = [this](session::PartitionId partition) {
    return partition % state_.options.count == state_.options.id &&
           state_.filters_known[partition] && !state_.OwnerKnown(partition);
  };
  state_.durable_routes.ForEach([&](std::string_view filter, uint32_t partition, uint32_t) {
    if (told(partition))
      box->emplace_back(
          DurableRoute{state_.route_sequence, partition, true, std::string(filter), true});
  });
  for (session::PartitionId partition = state_.options.id; partition < state_.table.size();
       partition += state_.options.count) {
    if (told(partition))
      box->emplace_back(DurableRoute{state_.route_sequence, partition, true, {}, true});
  }
}

void ClusterView::OnPeerDown(NodeNumber peer) {
  feed_.Stop(peer);
  const PlaceId end = std::min<PlaceId>(state_.PlaceOf(peer, kMaxShardsANode),
                                        static_cast<PlaceId>(state_.places.size()));
  for (PlaceId place = state_.PlaceOf(peer, 0); place < end; ++place) {
    if (!state_.places[place].up) continue;
    state_.places[place].up = false;
    check_.Forget(place);
    ForgetKept(place);
    state_.out.mail[place].clear();
    state_.routes.WithdrawAll(place);
    dispatcher_.OnPlaceDown(place);
  }
  state_.LookForOwners();
  mover_.OnPeerDown(peer);
  // Whoever owns them now, if anybody can be reached, is not on the way to tell. If it is this
  // node, its shard thaws when it has taken them over.
  Thaw([&](session::PartitionId partition, const FrozenPartition& frozen) {
    const NodeNumber owner = state_.table[partition].node;
    if (owner == state_.options.node) return false;
    return owner == peer || (frozen.by == peer && !state_.PeerUp(owner));
  });
}

void ClusterView::OnRows(const std::vector<RowChange>& rows) {
  for (const RowChange& change : rows)
    OnRow(change);
}

void ClusterView::OnRow(const RowChange& change) {
  if (change.partition >= state_.table.size()) return;
  PartitionRow& row = state_.table[change.partition];
  if (change.row.epoch <= row.epoch) return;
  const bool mine_before = row.node == state_.options.node;
  row = change.row;
  state_.row_versions[change.partition] = ++state_.table_version;
  state_.claims[change.partition] = 0;
  state_.LookForOwners();
  if (change.partition % state_.options.count == state_.options.id)
    mover_.OnOwner(change.partition, mine_before);
  lifecycle_.CloseStrays();
}

void ClusterView::OnClaim(PlaceId from, const RowChange& change) {
  if (change.partition >= state_.table.size() || state_.table[change.partition] != change.row ||
      !state_.IsOwnerPlace(change.partition, from))
    return;
  state_.claims[change.partition] = state_.places[from].ups + 1;
  if (state_.places[from].routes_known) state_.LookForOwners();
}

void ClusterView::OnKept(PlaceId from, const Kept& kept) {
  if (kept.partition >= state_.table.size()) return;
  auto& places = state_.kept_elsewhere[kept.partition];
  if (!kept.done) {
    places.push_back({from, dispatcher_.outbox().LastOf(kept.partition)});
    return;
  }
  const auto first = std::find_if(places.begin(), places.end(),
                                  [from](const auto& each) { return each.place == from; });
  if (first != places.end()) places.erase(first);
  if (places.empty()) state_.kept_elsewhere.erase(kept.partition);
}

void ClusterView::ForgetKept(PlaceId from) {
  absl::erase_if(state_.kept_elsewhere, [from](auto& entry) {
    std::erase_if(entry.second, [from](const auto& each) { return each.place == from; });
    return entry.second.empty();
  });
}

void ClusterView::SetLease(bool held) {
  // Who was not counted among the members may have missed what others subscribed to.
  if (held && !state_.lease_held)
    std::fill(state_.filters_known.begin(), state_.filters_known.end(), false);
  state_.lease_held = held;
  state_.LookForOwners();
}

void ClusterView::SetMembers(std::vector<NodeNumber> members, bool await_all) {
  state_.members = std::move(members);
  state_.await_all_members = await_all;
}

bool ClusterView::Joined() const {
  if (!state_.clustered()) return true;
  const auto known = [this](NodeNumber member) {
    if (member == state_.options.node) return true;
    if (!state_.PeerUp(member)) return false;
    const PlaceId first = state_.PlaceOf(member, 0);
    for (PlaceId place = first; place < first + state_.peer_shards[member]; ++place) {
      if (!state_.places[place].routes_known) return false;
    }
    return true;
  };
  return std::all_of(state_.members.begin(), state_.members.end(), known) &&
         std::none_of(state_.table.begin(), state_.table.end(),
                      [](const PartitionRow& row) { return row.node == kNoNode; });
}

void ClusterView::OnFreeze(PlaceId from, const Freeze& freeze) {
  if (freeze.partition >= state_.table.size()) return;
  const auto found = state_.frozen.find(freeze.partition);
  const NodeNumber node = state_.NodeOf(from);
  if (!freeze.thaw) {
    // Who has lost it meanwhile, and not heard so, would keep it frozen for ever.
    if (state_.table[freeze.partition].node == node)
      state_.frozen[freeze.partition] = {node, state_.now};
    unfrozen_.push_back({from, Frozen{freeze.partition, freeze.move}, dispatcher_.next_token()});
    AnswerFrozen();
    return;
  }
  if (found == state_.frozen.end() || state_.table[freeze.partition].node != node) return;
  Thaw([&](session::PartitionId partition, const FrozenPartition&) {
    return partition == freeze.partition;
  });
}

template <class Pick>
void ClusterView::Thaw(Pick pick) {
  bool any = false;
  for (auto each = state_.frozen.begin(); each != state_.frozen.end();) {
    if (pick(each->first, each->second)) {
      state_.frozen.erase(each++);
      any = true;
    } else {
      ++each;
    }
  }
  if (any) dispatcher_.OnThaw();
}

// What was published before has to be where it goes, also what waits in this node's own mail: else
// it might come after the partition, to the same sessions for a second time.
void ClusterView::AnswerFrozen() {
  std::erase_if(unfrozen_, [this](const Unfrozen& each) {
    if (!dispatcher_.AllAnswered(each.tokens)) return false;
    if (state_.places[each.place].up) state_.out.mail[each.place].emplace_back(each.answer);
    return true;
  });
}

void ClusterView::Tick() {
  AnswerFrozen();
  const bool late = std::any_of(
      state_.frozen.begin(), state_.frozen.end(),
      [this](const auto& entry) { return state_.now - entry.second.since > kLongestHoldMs; });
  if (late) dispatcher_.RefuseHeld();
}

}  // namespace skein::shard
