// The dispatcher's part about what cannot be promised now: partitions that move, owners that are
// away.
#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/tracing.h"

namespace skein::shard {

bool Dispatcher::IsFrozen(std::string_view topic) {
  const auto frozen = [this](session::PartitionId partition) {
    return state_.frozen.contains(partition);
  };
  stranded_.Clear();
  state_.durable_routes.Match(topic, &stranded_);
  if (std::any_of(stranded_.destinations.begin(), stranded_.destinations.end(), frozen))
    return true;
  return std::any_of(stranded_.shared.begin(), stranded_.shared.end(), [&](const auto* group) {
    return std::any_of(group->shares.begin(), group->shares.end(),
                       [&](const auto& share) { return frozen(share.destination); });
  });
}

void Dispatcher::OnThaw() {
  std::deque<Held> held = std::exchange(held_, {});
  // Publishers of QoS 2 messages. What they sent after those has the same fate.
  absl::flat_hash_set<uint64_t> gone;
  absl::flat_hash_set<uint64_t> leaving;
  for (Held& each : held) {
    if (!state_.frozen.empty() && IsFrozen(each.message->topic())) {
      held_.push_back(std::move(each));
      continue;
    }
    const uint64_t publisher_token = each.message->publisher();
    if (each.once.id != 0) {
      const Whereabouts publisher = WhereIsPublisher(each.token);
      if (publisher == Whereabouts::kLeaving) leaving.insert(publisher_token);
      if (publisher == Whereabouts::kGone) gone.insert(publisher_token);
    }
    if (each.token != 0 && leaving.contains(publisher_token)) {
      held_.push_back(std::move(each));
      continue;
    }
    // The client sends it again, to the owner of its session.
    if (each.token != 0 && gone.contains(publisher_token)) {
      pending_.erase(each.token);
      continue;
    }
    Gate gate;
    uint32_t destinations = 0;
    bool matched = false;
    const uint64_t token = each.token == 0 ? 0 : next_token_;
    once_ = each.once;
    const session::Session* const publisher = OnceMore(each);
    atomic_ = publisher != nullptr;
    Route(each.message, each.token == 0 ? nullptr : &gate, token, &destinations, &matched);
    if (publisher != nullptr)
      state_.Record(*publisher, session::InboundTaken{pending_[each.token].packet_id, each.once.id},
                    &gate);
    EndPublish();
    if (each.token == 0) continue;
    const Chain chain{state_.options.id, each.token};
    if (destinations == 0) {
      Answer(chain.origin, chain.token, gate.lsn, gate.refused);
      continue;
    }
    Pending& pending = pending_[next_token_++];
    pending.remaining = destinations + 1;  // and our own part
    pending.chain = chain;
    pending.message = each.message;
    pending.once = each.once.id;
    Answer(state_.options.id, token, gate.lsn, gate.refused);
  }
}

Dispatcher::Whereabouts Dispatcher::WhereIsPublisher(uint64_t token) const {
  const auto found = pending_.find(token);
  if (found == pending_.end() || found->second.packet_id == 0) return Whereabouts::kHere;  // a will
  const session::Session* const session = state_.sessions.Find(found->second.publisher);
  if (session == nullptr) return Whereabouts::kGone;
  const bool leaves = session->recorded() && state_.leaving.contains(session->key.partition);
  return leaves ? Whereabouts::kLeaving : Whereabouts::kHere;
}

const session::Session* Dispatcher::OnceMore(const Held& held) {
  const auto found = pending_.find(held.token);
  if (held.once.id == 0 || found == pending_.end() || found->second.packet_id == 0) return nullptr;
  const session::Session* const session = state_.sessions.Find(found->second.publisher);
  return session != nullptr && session->recorded() ? session : nullptr;
}

bool Dispatcher::AllAnswered(uint64_t before) const {
  absl::flat_hash_set<uint64_t> held;
  for (const Held& each : held_)
    held.insert(each.token);
  return std::none_of(pending_.begin(), pending_.end(), [&](const auto& entry) {
    return entry.first < before && !held.contains(entry.first);
  });
}

void Dispatcher::RefuseHeld() {
  for (const Held& each : std::exchange(held_, {})) {
    Drop(DropReason::kPeerDown);
    if (state_.tracer.on()) [[unlikely]]
      TraceMessage(trace::Step::kDropped, *each.message, "a partition has not moved in time");
    if (each.token != 0) OnPublishDone(each.token, true);
  }
}

bool Dispatcher::MayPromise() const {
  // Who can reach all that live is counted on, whatever the coordinator can say.
  if (!state_.lease_held && !state_.AllMembersUp()) return false;
  // Somebody's sessions may want it, and nobody who is there knows.
  return !state_.filters_missing;
}

void Dispatcher::LookAside(const mqtt::Message& message) {
  aside_.clear();
  stranded_.Clear();
  if (message.qos() == Qos::kAtMostOnce ||
      (!state_.owners_missing && outbox_.empty() && state_.kept_elsewhere.empty()))
    return;
  state_.durable_routes.Match(message.topic(), &stranded_);
  for (const session::PartitionId partition : stranded_.destinations) {
    if (!state_.OwnerKnown(partition) || outbox_.Holds(partition) ||
        state_.kept_elsewhere.contains(partition))
      aside_.push_back(partition);
  }
}

void Dispatcher::KeepAside(const mqtt::MessagePtr& message, Gate* gate, bool* matched) {
  bool safe = true;
  if (state_.clustered() && !MayPromise()) {
    Drop(DropReason::kPeerDown);
    if (state_.tracer.on()) [[unlikely]]
      TraceMessage(trace::Step::kDropped, *message, DropText(DropReason::kPeerDown));
    safe = false;
  } else {
    for (const session::PartitionId partition : aside_)
      safe &= outbox_.Put(partition, {}, message, once_.id, gate);
    const auto& live = route_matches_.shared;
    for (const auto* group : stranded_.shared) {
      const bool reachable = std::any_of(live.begin(), live.end(),
                                         [&](auto* route) { return route->text == group->text; });
      // Another member, whose node is here, may have begun to subscribe and have no route yet.
      const auto away =
          std::find_if(group->shares.begin(), group->shares.end(),
                       [&](const auto& share) { return !state_.OwnerKnown(share.destination); });
      if (reachable || away == group->shares.end()) continue;
      safe &= outbox_.Put(away->destination, group->text, message, once_.id, gate);
      *matched = true;
    }
  }
  *matched |= !aside_.empty();
  if (!safe && gate != nullptr) gate->refused = true;
}

void Dispatcher::OnPlaceDown(PlaceId place) {
  auto awaited = std::exchange(state_.places[place].awaited, {});
  // In the order in which they were published, so that they are kept in that order.
  std::map<uint64_t, Place::Awaited> in_order;
  for (auto& [token, lost] : awaited)
    in_order.emplace(token, std::move(lost));
  for (const auto& [token, lost] : in_order) {
    session::Lsn lsn = 0;
    const bool safe = Rescue(place, token, lost, &lsn);
    for (uint32_t i = 1; i < lost.times; ++i)
      OnPublishDone(token, !safe);
    Answer(state_.options.id, token, lsn, !safe);
  }
}

bool Dispatcher::Rescue(PlaceId place, uint64_t token, const Place::Awaited& lost,
                        session::Lsn* lsn) {
  const auto found = pending_.find(token);
  if (found == pending_.end() || !found->second.message || !MayPromise()) return false;
  const mqtt::MessagePtr message = found->second.message;
  const uint64_t once = found->second.once;
  Gate gate;
  if (lost.plain) {
    stranded_.Clear();
    state_.durable_routes.Match(message->topic(), &stranded_);
    const auto partitions = stranded_.destinations;
    for (const routing::Destination partition : partitions) {
      // One that has moved meanwhile may have left before the message came.
      const bool moved = state_.row_versions[partition] > lost.table_version;
      if (!moved && !state_.IsOwnerPlace(partition, place)) continue;
      if (!outbox_.Put(partition, {}, message, once, &gate)) gate.refused = true;
    }
  }
  if (!lost.groups.empty()) {
    const uint32_t sent = RescueShared(place, token, message, lost.groups, &gate);
    Pending& pending = pending_[token];
    pending.remaining += sent;
    Connection* const connection = state_.connections.Find(pending.slot, pending.generation);
    if (connection != nullptr && connection->held != nullptr)
      connection->held->AwaitMore(pending.ordinal, sent);
  }
  *lsn = gate.lsn;
  return !gate.refused;
}

// Somebody else of each group gets it: here, elsewhere, or whoever is back first.
uint32_t Dispatcher::RescueShared(PlaceId place, uint64_t token, const mqtt::MessagePtr& message,
                                  std::vector<std::string> groups, Gate* gate) {
  matches_.Clear();
  state_.subscriptions.Match(message->topic(), &matches_);
  DeliverToGroups(message, &groups, gate);
  return groups.empty() ? 0 : PassOn(message, token, groups, {place}, gate);
}

// If it has members that are not here; who they are is known before they can be reached.
void Dispatcher::KeepForGroup(std::string_view group, const mqtt::MessagePtr& message, Gate* gate) {
  if (message->qos() == Qos::kAtMostOnce || !state_.clustered()) return;
  stranded_.Clear();
  state_.durable_routes.Match(message->topic(), &stranded_);
  for (const auto* route : stranded_.shared) {
    if (route->text != group) continue;
    const auto away = std::find_if(route->shares.begin(), route->shares.end(),
                                   [&](auto& share) { return !state_.IsMine(share.destination); });
    if (away == route->shares.end()) return;
    if (!outbox_.Put(away->destination, group, message, 0, gate) && gate != nullptr)
      gate->refused = true;
    return;
  }
}

bool Dispatcher::RunOutbox() {
  Outbox::Outgoing next;
  for (uint32_t left = state_.limits.fanout_slice; left > 0; --left) {
    if (!outbox_.Next(&next)) return false;
    const uint64_t token = next_token_++;
    Pending& pending = pending_[token];
    pending.remaining = 1;
    pending.ticket = next.ticket;
    next.publish.token = token;
    if (next.place == state_.options.id) {
      OnForwarded(next.place, std::move(next.publish));
    } else {
      Send(next.place, std::move(next.publish));
    }
  }
  return true;
}

}  // namespace skein::shard
