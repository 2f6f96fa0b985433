// The dispatcher's part about what cannot be promised now: partitions that move, owners that are
// away.
#include <algorithm>
#include <deque>
#include <utility>

#include "broker/shard/dispatcher.h"

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
  for (Held& each : held) {
    if (!state_.frozen.empty() && IsFrozen(each.message->topic())) {
      held_.push_back(std::move(each));
      continue;
    }
    Gate gate;
    uint32_t destinations = 0;
    bool matched = false;
    const uint64_t token = each.token == 0 ? 0 : next_token_;
    Route(each.message, each.token == 0 ? nullptr : &gate, token, &destinations, &matched);
    if (each.token == 0) continue;
    const Chain publisher{state_.options.id, each.token};
    if (destinations == 0) {
      Answer(publisher.origin, publisher.token, gate.lsn, gate.refused);
      continue;
    }
    Pending& pending = pending_[next_token_++];
    pending.remaining = destinations + 1;  // and our own part
    pending.chain = publisher;
    Answer(state_.options.id, token, gate.lsn, gate.refused);
  }
}

void Dispatcher::RefuseHeld() {
  for (const Held& each : std::exchange(held_, {})) {
    Drop(DropReason::kPeerDown);
    if (each.token != 0) OnPublishDone(each.token, true);
  }
}

// Whether a positive answer is possible: the cluster counts on us, and every durable session's
// owner is there.
bool Dispatcher::MayPromise(std::string_view topic) {
  // Who can reach all that live is counted on, whatever the coordinator can say.
  if (!state_.lease_held && !state_.AllMembersUp()) return false;
  return !state_.owners_missing || !Stranded(topic);
}

bool Dispatcher::Stranded(std::string_view topic) {
  const auto away = [this](session::PartitionId partition) {
    return !state_.OwnerKnown(partition);
  };
  stranded_.Clear();
  state_.durable_routes.Match(topic, &stranded_);
  if (std::any_of(stranded_.destinations.begin(), stranded_.destinations.end(), away)) return true;
  return std::any_of(stranded_.shared.begin(), stranded_.shared.end(), [&](const auto* group) {
    const auto gone = [&](const auto& share) { return away(share.destination); };
    if (!std::all_of(group->shares.begin(), group->shares.end(), gone)) return false;
    const auto& live = route_matches_.shared;
    return std::none_of(live.begin(), live.end(),
                        [&](const auto* route) { return route->text == group->text; });
  });
}

}  // namespace skein::shard
