// The lifecycle's second half: sessions without a connection.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/shard/lifecycle.h"
#include "broker/shard/tracing.h"

namespace skein::shard {

using mqtt::ReasonCode;
using session::Session;

void Lifecycle::Detach(Session& session, bool want_will) {
  session.connection = Session::kOffline;
  if (!want_will) session.will.reset();
  if (!session.durable()) return End(session);
  stored_.Unload(&session);
  session.expires_at = session::ExpiryDeadline(state_.now, session.expiry_seconds);
  if (session.will != nullptr) {
    session.will_due =
        session::WillDeadline(state_.now, session.will->delay_seconds, session.expiry_seconds);
  }
  state_.Record(session,
                session::Disconnected{state_.now, session.expiry_seconds, session.will_due},
                nullptr);
  if (session.will_due <= state_.now && !dispatcher_.MustHold(session)) PublishWill(session);
  StartTimer(session);
  AnnounceShared(session);
}

void Lifecycle::PublishWill(Session& session) {
  session.will_due = kNever;
  if (session.will == nullptr) return;
  const std::unique_ptr<session::Will> will = std::move(session.will);
  const mqtt::Message& given = *will->message;
  if (!will->trusted && !access_.MayPublishWill(session, given.topic(), given.retain())) {
    state_.Record(session, session::WillDone{}, nullptr);
    return;
  }
  mqtt::Message::Init init;
  init.topic = given.topic();
  init.properties = given.properties();
  init.payload = given.payload();
  init.qos = given.qos();
  init.retain = given.retain();
  init.expiry_seconds = given.expiry_seconds();
  init.received_at = state_.now;
  init.publisher = session.token();
  const std::string name = session.client_id() + '/' + std::to_string(given.received_at());
  init.client_hash = session.client_hash();
  state_.stats.wills_sent.Add();
  // As one: else a crash in between would lose the will, or send it twice.
  dispatcher_.PublishWill(mqtt::Message::Make(init), name, session.recorded());
  state_.Record(session, session::WillDone{}, nullptr);
  dispatcher_.EndPublish();
}

void Lifecycle::OnSessionTimer(Session& session) {
  if (session.connected() || IsLeaving(session)) return;
  // Its will waits with all that is published to a partition that moves.
  if (dispatcher_.MustHold(session)) {
    return state_.wheel.Schedule(&session.timer(), state_.now + kWillPauseMs);
  }
  if (session.expires_at <= state_.now) {
    state_.stats.sessions_expired.Add();
    return End(session);
  }
  if (session.will_due <= state_.now) PublishWill(session);
  StartTimer(session);
}

void Lifecycle::End(Session& session) {
  PublishWill(session);
  DropSubscriptions(session);
  const bool outlived = redispatch_.TakeOver(&session);
  const uint64_t lost = stored_.Forget(&session);
  if (lost > 0 && !outlived && state_.tracer.on()) [[unlikely]] {
    TraceClient(state_, trace::Step::kDropped, session.client_id(), nullptr,
                absl::StrCat("the session ended with ", lost, " messages in its queue"));
  }
  state_.wheel.Cancel(&session.timer());
  if (!outlived) {
    state_.stats.Drop(DropReason::kSessionEnded, lost);
    state_.Record(session, session::Ended{}, nullptr);
  }
  state_.stats.sessions.Add(-1);
  state_.sessions.Erase(session);
}

void Lifecycle::DropSubscriptions(Session& session) {
  std::vector<std::string> filters;
  for (const auto& [filter, handle] : session.subscriptions) {
    if (state_.has_others()) {
      filters.emplace_back(state_.subscriptions.text(filter));
      CountDurable(session, filters.back(), -1);
    }
    state_.subscriptions.Remove(handle);
    state_.stats.subscriptions.Add(-1);
  }
  ++state_.subscription_epoch;
  session.subscriptions.clear();
  for (const std::string& filter : filters)
    AnnounceRoute(filter);
}

void Lifecycle::CountDurable(const Session& session, std::string_view filter, int by) {
  if (!state_.clustered() || !session.recorded()) return;
  const session::PartitionId partition = session.key.partition;
  std::string key = DurableKey(partition, filter);
  if (by > 0) {
    if (++state_.durable_filters[std::move(key)] > 1) return;
    state_.durable_sums[partition] += routing::RouteTable::FilterHash(filter);
  } else {
    const auto found = state_.durable_filters.find(key);
    if (found == state_.durable_filters.end() || --found->second > 0) return;
    state_.durable_filters.erase(found);
    state_.durable_sums[partition] -= routing::RouteTable::FilterHash(filter);
  }
  // Of a partition that has left us the new owner speaks.
  if (!state_.IsMine(partition)) return;
  state_.durable_routes.Set(filter, partition, by > 0 ? 1 : 0);
  ++state_.route_sequence;
  for (PlaceId place = 0; place < state_.places.size(); ++place) {
    if (place != state_.options.id && state_.places[place].up) {
      state_.out.mail[place].emplace_back(
          DurableRoute{state_.route_sequence, partition, by > 0, std::string(filter)});
    }
  }
}

uint64_t Lifecycle::AnnounceRoute(std::string_view filter) {
  if (!state_.has_others()) return 0;
  const routing::FilterId id = state_.subscriptions.Find(filter);
  uint32_t weight = id == routing::kNoFilter ? 0 : 1;
  const bool shared = filter.starts_with("$share/");
  if (weight > 0 && shared) {
    uint32_t connected = 0;
    for (const routing::Subscriber& member : state_.subscriptions.members(id)) {
      connected += state_.sessions[member.session].connected() ? 1 : 0;
    }
    weight = connected > 0 ? connected * 2 : 1;
  }
  ++state_.route_sequence;
  for (PlaceId place = 0; place < state_.places.size(); ++place) {
    if (place == state_.options.id) {
      state_.routes.Set(filter, place, weight);
    } else if (state_.places[place].up) {
      state_.out.mail[place].emplace_back(
          RouteChange{state_.route_sequence, weight, std::string(filter)});
    }
  }
  return state_.route_sequence;
}

void Lifecycle::AnnounceShared(const Session& session) {
  if (!state_.has_others()) return;
  for (const auto& [filter, handle] : session.subscriptions) {
    const std::string_view text = state_.subscriptions.text(filter);
    if (text.starts_with("$share/")) AnnounceRoute(text);
  }
}

void Lifecycle::CloseAll(ReasonCode reason) {
  state_.draining = true;
  for (ConnectionSlot slot = 0; slot < state_.connections.slots(); ++slot) {
    Connection& connection = state_.connections[slot];
    if (!connection.open()) continue;
    if (connection.session == kNoSession) {
      Linger(connection);
    } else {
      Close(connection, reason, "the server stops");
    }
  }
}

Session& Lifecycle::Restore(const session::SessionImage& image) {
  Session& session = state_.sessions.Create(image.client_id);
  state_.stats.sessions.Add(1);
  session.expiry_seconds = image.expiry_seconds;
  session.version = image.version;
  session.rules_unknown = true;
  session.key = image.key;
  state_.last_session_number = std::max(state_.last_session_number, image.key.number);
  for (const auto& [filter, stored] : image.subscriptions) {
    routing::SubscriptionOptions options = stored;
    options.since = std::min(options.since, state_.now);  // the clock may have been set back
    const routing::SubscriptionHandle handle =
        state_.subscriptions.Add(filter, session.slot(), options);
    session.subscriptions.emplace(state_.subscriptions.filter(handle), handle);
    session.shares |= filter.starts_with("$share/");
    state_.stats.subscriptions.Add(1);
    CountDurable(session, filter, 1);
    AnnounceRoute(filter);
  }
  ++state_.subscription_epoch;
  session.RestoreSequence(image.last_sequence);
  session.stored = {image.queued_messages,
                    image.queued_bytes,
                    image.first_sequence,
                    std::max(image.first_sequence, image.last_sent + 1),
                    0,
                    0,
                    state_.now};
  state_.budget.used += image.queued_bytes;
  for (const session::InboundTaken& taken : image.inbound)
    session.inbound().Restore(taken);
  if (image.will.has_value()) {
    session.will = std::make_unique<session::Will>();
    session.will->message = image.will->message;
    session.will->delay_seconds = image.will->delay_seconds;
    session.will->trusted = image.will->trusted;
    session.principal = std::make_shared<const auth::Principal>(
        auth::Principal{image.client_id, image.will->user_name, {}, {}, false, kNever, nullptr});
    session.will_due = image.will_due;
  }
  if (image.disconnected_at == kNever) {
    orphans_.push_back({session.slot(), session.token()});
  } else {
    session.expires_at = session::ExpiryDeadline(image.disconnected_at, session.expiry_seconds);
  }
  return session;
}

void Lifecycle::StartTimer(Session& session) {
  if (session.NextDeadline() != kNever)
    state_.wheel.Schedule(&session.timer(), session.NextDeadline());
}

void Lifecycle::FinishOrphans() {
  for (const SessionRef& ref : std::exchange(orphans_, {})) {
    Session* const session = state_.sessions.Find(ref);
    if (session != nullptr && !session->connected()) Detach(*session, true);
  }
}

void Lifecycle::FinishRestore() {
  state_.sessions.ForEach([this](Session& session) { StartTimer(session); });
  FinishOrphans();
}

void Lifecycle::Discard(Session& session) {
  if (session.connected()) {
    Connection& connection = state_.connections[session.connection];
    session.will.reset();
    const bool durable = session.durable();
    Close(connection, ReasonCode::kUseAnotherServer, "the session has moved to another node");
    if (!durable) return;  // it has ended with its connection, and is freed
  }
  session.will.reset();
  DropSubscriptions(session);
  stored_.Forget(&session);
  state_.wheel.Cancel(&session.timer());
  state_.Record(session, session::Ended{}, nullptr);
  state_.stats.sessions.Add(-1);
  state_.sessions.Erase(session);
}

void Lifecycle::CloseStrays() {
  if (strays_.empty()) return;
  std::vector<SessionRef> stay;
  for (const SessionRef& ref : std::exchange(strays_, {})) {
    Session* const session = state_.sessions.Find(ref);
    if (session == nullptr || !session->connected()) continue;
    const session::PartitionId partition =
        PartitionOf(session->client_id(), state_.options.partitions);
    const NodeNumber owner = state_.table[partition].node;
    const bool here = owner == state_.options.node;
    if (!here && (owner == kNoNode || !state_.PeerUp(owner))) {
      stay.push_back(ref);
    } else {
      Close(state_.connections[session->connection], ReasonCode::kUseAnotherServer,
            "the node that keeps this client id can be reached again");
    }
  }
  strays_ = std::move(stay);
}

}  // namespace skein::shard
