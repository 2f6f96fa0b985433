#include "broker/shard/census.h"

#include <algorithm>

namespace skein::shard {

using session::Session;

void CensusFigures::Merge(const CensusFigures& other) {
  const auto add = [](Kind* to, const Kind& from) {
    to->connected += from.connected;
    to->offline += from.offline;
    to->subscriptions += from.subscriptions;
  };
  add(&transient, other.transient);
  add(&durable, other.durable);
  shared_subscriptions += other.shared_subscriptions;
  queued_messages += other.queued_messages;
  queued_bytes += other.queued_bytes;
  inflight_messages += other.inflight_messages;
  queued_since = std::min(queued_since, other.queued_since);
  filters = std::max(filters, other.filters);
  for (const auto& [node, count] : other.routes)
    routes[node] += count;
  for (const auto& [node, changes] : other.lag)
    lag[node] = std::max(lag[node], changes);
}

bool Census::Step(const ShardState& state) {
  if (next_ == 0) CountRoutes(state);
  const auto end =
      static_cast<SessionSlot>(std::min<size_t>(state.sessions.slots(), size_t{next_} + kSlice));
  for (; next_ < end; ++next_) {
    if (const Session* session = state.sessions.At(next_)) Count(*session, state);
  }
  return next_ >= state.sessions.slots();
}

void Census::Count(const Session& session, const ShardState& state) {
  CensusFigures::Kind& kind = session.durable() ? figures_.durable : figures_.transient;
  ++(session.connected() ? kind.connected : kind.offline);
  kind.subscriptions += session.subscriptions.size();
  if (session.shares) {
    for (const auto& [filter, handle] : session.subscriptions)
      figures_.shared_subscriptions += state.subscriptions.text(filter).starts_with("$share/");
  }
  uint64_t waiting = session.stored.messages;
  figures_.queued_bytes += session.stored.bytes;
  if (const session::Outbound* outbound = session.outbound_if_any()) {
    figures_.inflight_messages += outbound->in_flight();
    figures_.queued_bytes += outbound->queued_bytes();
    waiting += outbound->queued();
  }
  figures_.queued_messages += waiting;
  figures_.queued_since = std::min(figures_.queued_since, session.queued_since());
}

void Census::CountRoutes(const ShardState& state) {
  figures_.filters = state.has_others() ? state.routes.size() + state.durable_routes.size()
                                        : state.subscriptions.filters();
  if (state.options.id == 0) {
    uint64_t& own = figures_.routes[state.options.node];
    if (!state.has_others()) {
      own = state.subscriptions.filters();
    } else {
      for (PlaceId place = 0; place < state.places.size(); ++place)
        figures_.routes[state.NodeOf(place)] += state.routes.CountOf(place);
    }
  }
  for (PlaceId place = 0; place < state.places.size(); ++place) {
    const Place& each = state.places[place];
    if (place < state.options.count || !each.up) continue;
    uint64_t& most = figures_.lag[state.NodeOf(place)];
    most =
        std::max(most, state.route_sequence - std::min(state.route_sequence, each.routes_applied));
  }
}

}  // namespace skein::shard
