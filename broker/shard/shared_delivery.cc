// The dispatcher's part about messages whose member of a shared group has gone.
#include <algorithm>
#include <memory>
#include <utility>

#include "broker/shard/dispatcher.h"

namespace skein::shard {

Dispatcher::Reach Dispatcher::GiveToGroup(const mqtt::MessagePtr& message,
                                          const routing::ShareRef& group, uint64_t id) {
  atomic_ = true;
  once_ = {};
  std::vector<std::string> groups(1, std::string(group.text()));
  const uint64_t token = next_token_;
  Gate gate;
  Reach reach = Reach::kNode;
  uint32_t sent = 0;
  PlaceId target = state_.options.id;
  if (state_.has_others()) {
    route_matches_.Clear();
    state_.routes.Match(message->topic(), &route_matches_);
    const auto& routes = route_matches_.shared;
    const auto route = std::find_if(routes.begin(), routes.end(),
                                    [&](const auto* each) { return each->text == group.text(); });
    if (route == routes.end()) return KeepGiven(message, group, id, &gate);
    target = *picker_.PickPlace(*route, *message);
  }
  if (target == state_.options.id) {
    matches_.Clear();
    state_.subscriptions.Match(message->topic(), &matches_);
    DeliverToGroups(message, &groups, &gate);
    if (!groups.empty() && state_.has_others()) {
      sent = PassOn(message, token, groups, {}, &gate);
      reach = Reach::kPeer;
    }
    if (!groups.empty() && sent == 0 && gate.lsn == 0)
      return NobodyHere(message->topic(), group.text());
  } else {
    ForwardedPublish mail;
    mail.message = message;
    mail.token = token;
    mail.plain = false;
    mail.groups = std::make_unique<std::vector<std::string>>(std::move(groups));
    Send(target, std::move(mail));
    if (target >= state_.options.count) reach = Reach::kPeer;
    sent = 1;
  }
  if (sent == 0) {
    Answer(state_.options.id, id, gate.lsn, gate.refused);
    return reach;
  }
  Pending& pending = pending_[next_token_++];
  pending.remaining = sent;
  pending.chain = {state_.options.id, id};
  pending.message = message;
  return reach;
}

// No member can be reached; it is kept for one that is away.
Dispatcher::Reach Dispatcher::KeepGiven(const mqtt::MessagePtr& message,
                                        const routing::ShareRef& group, uint64_t id, Gate* gate) {
  KeepForGroup(group.text(), message, gate);
  if (gate->lsn == 0) return NobodyHere(message->topic(), group.text());
  Answer(state_.options.id, id, gate->lsn, gate->refused);
  return Reach::kNode;
}

Dispatcher::Reach Dispatcher::NobodyHere(std::string_view topic, std::string_view group) {
  if (!state_.owners_missing) return Reach::kNobody;
  stranded_.Clear();
  state_.durable_routes.Match(topic, &stranded_);
  for (const auto* each : stranded_.shared) {
    if (each->text != group) continue;
    const bool away =
        std::any_of(each->shares.begin(), each->shares.end(),
                    [this](const auto& share) { return !state_.OwnerKnown(share.destination); });
    if (away) return Reach::kAway;
  }
  return Reach::kNobody;
}

}  // namespace skein::shard
