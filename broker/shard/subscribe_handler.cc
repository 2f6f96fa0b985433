// SUBSCRIBE and UNSUBSCRIBE.
#include "broker/auth/topic_rules.h"
#include "broker/routing/topic.h"
#include "broker/shard/packet_handler.h"

namespace skein::shard {

using mqtt::ReasonCode;
using session::Session;

void PacketHandler::OnSubscribe(Connection& connection, const mqtt::Frame& frame) {
  mqtt::Subscribe packet;
  if (const auto error = mqtt::DecodeSubscribe(frame, connection.version, &packet))
    return Refuse(connection, *error);
  Session& session = state_.sessions[connection.session];
  if (!connection.v5()) {
    for (const mqtt::SubscribeEntry& entry : packet.entries) {
      // 3.x has no reason codes for a filter that breaks the syntax: the connection ends
      // [MQTT-4.7.1-1].
      const auto verdict = routing::ValidateTopicFilter(entry.filter, UINT32_MAX);
      if (verdict != routing::FilterError::kOk && verdict != routing::FilterError::kShareSyntax) {
        return Refuse(connection, {ReasonCode::kTopicFilterInvalid,
                                   "[MQTT-4.7.1-1] wildcard out of place in a topic filter"});
      }
    }
  }
  absl::InlinedVector<ReasonCode, 8> reasons;
  Promises::Wait wait;
  accepted_.clear();
  for (const mqtt::SubscribeEntry& entry : packet.entries) {
    reasons.push_back(Subscribe(session, entry, packet.properties.subscription_identifier, &wait));
    if (state_.tracer.on()) [[unlikely]]
      TraceSubscribe(session, entry, reasons.back());
  }
  std::string bytes;
  mqtt::EncodeSuback({packet.packet_id, std::span(reasons.data(), reasons.size()), {}},
                     connection.version, &bytes);
  const uint64_t suback = promises_.Reply(connection, wait, bytes);
  for (const Accepted& accepted : accepted_) {
    replay_.Start(session, accepted.entry.filter, accepted.options, accepted.existed, suback);
  }
}

ReasonCode PacketHandler::Subscribe(Session& session, const mqtt::SubscribeEntry& entry,
                                    uint32_t identifier, Promises::Wait* wait) {
  if (routing::ValidateTopicFilter(entry.filter, state_.limits.max_topic_levels) !=
      routing::FilterError::kOk) {
    return ReasonCode::kTopicFilterInvalid;
  }
  if (!auth::ClientMaySubscribeTo(entry.filter) || !access_.MaySubscribe(session, entry.filter)) {
    state_.stats.refusals[static_cast<uint8_t>(ReasonCode::kNotAuthorized)].Add();
    return ReasonCode::kNotAuthorized;
  }
  routing::SubscriptionOptions options{
      entry.qos,  entry.no_local, entry.retain_as_published, entry.retain_handling,
      identifier, state_.now};
  routing::FilterId filter = state_.subscriptions.Find(entry.filter);
  const auto known = filter == routing::kNoFilter ? session.subscriptions.end()
                                                  : session.subscriptions.find(filter);
  const bool existed = known != session.subscriptions.end();
  if (session.recorded() && state_.ports.store->full()) {
    state_.stats.Hit(LimitHit::kReserveBytes);
    state_.stats.refusals[static_cast<uint8_t>(ReasonCode::kQuotaExceeded)].Add();
    return ReasonCode::kQuotaExceeded;
  }
  if (existed) {
    options.since = state_.subscriptions.since(known->second);
    state_.subscriptions.Update(known->second, options);
  } else {
    const bool many = session.subscriptions.size() >= state_.limits.max_subscriptions_per_session;
    if (many || state_.subscriptions.size() >= state_.PartOf(state_.limits.max_subscriptions)) {
      state_.stats.Hit(many ? LimitHit::kMaxSubscriptionsPerSession : LimitHit::kMaxSubscriptions);
      state_.stats.refusals[static_cast<uint8_t>(ReasonCode::kQuotaExceeded)].Add();
      return ReasonCode::kQuotaExceeded;
    }
    const bool shared = entry.filter.starts_with("$share/");
    const bool first = filter == routing::kNoFilter;
    const routing::SubscriptionHandle handle =
        state_.subscriptions.Add(entry.filter, session.slot(), options);
    filter = state_.subscriptions.filter(handle);
    session.subscriptions.emplace(filter, handle);
    session.shares |= shared;
    state_.stats.subscriptions.Add(1);
    lifecycle_.CountDurable(session, entry.filter, 1);
    if (first || shared) lifecycle_.AnnounceRoute(entry.filter);
  }
  ++state_.subscription_epoch;
  // Also for a filter that was known: the one who brought it may still be waiting for the other
  // shards.
  wait->gate.routes = state_.route_sequence;
  state_.Record(session, session::Subscribed{entry.filter, options}, &wait->gate);
  accepted_.push_back({entry, options, existed});
  return static_cast<ReasonCode>(entry.qos);
}

void PacketHandler::TraceSubscribe(const Session& session, const mqtt::SubscribeEntry& entry,
                                   ReasonCode reason) {
  trace::Detail detail;
  detail.client = session.client_id();
  detail.qos = entry.qos;
  std::string why(mqtt::ReasonCodeName(reason));
  if (entry.no_local) why += ", no local";
  detail.why = why;
  std::string_view source;
  if (reason == ReasonCode::kNotAuthorized) {
    access_.ExplainFilter(session, entry.filter, &source);
    detail.rule = source.empty() ? std::string_view("default") : source;
  }
  const auto step = mqtt::IsError(reason) ? trace::Step::kDenied : trace::Step::kSubscribed;
  state_.tracer.Client(state_.now, step, entry.filter, detail);
}

void PacketHandler::OnUnsubscribe(Connection& connection, const mqtt::Frame& frame) {
  mqtt::Unsubscribe packet;
  if (const auto error = mqtt::DecodeUnsubscribe(frame, connection.version, &packet))
    return Refuse(connection, *error);
  Session& session = state_.sessions[connection.session];
  absl::InlinedVector<ReasonCode, 8> reasons;
  Promises::Wait wait;
  for (const std::string_view filter : packet.filters) {
    reasons.push_back(Unsubscribe(session, filter, &wait));
    if (state_.tracer.on()) [[unlikely]] {
      trace::Detail detail;
      detail.client = session.client_id();
      detail.why = mqtt::ReasonCodeName(reasons.back());
      state_.tracer.Client(state_.now, trace::Step::kUnsubscribed, filter, detail);
    }
  }
  std::string bytes;
  mqtt::EncodeUnsuback({packet.packet_id, std::span(reasons.data(), reasons.size()), {}},
                       connection.version, &bytes);
  promises_.Reply(connection, wait, bytes);
}

ReasonCode PacketHandler::Unsubscribe(Session& session, std::string_view filter,
                                      Promises::Wait* wait) {
  const routing::FilterId id = state_.subscriptions.Find(filter);
  const auto known =
      id == routing::kNoFilter ? session.subscriptions.end() : session.subscriptions.find(id);
  if (known == session.subscriptions.end()) {
    const bool valid =
        routing::ValidateTopicFilter(filter, UINT32_MAX) == routing::FilterError::kOk;
    return valid ? ReasonCode::kNoSubscriptionExisted : ReasonCode::kTopicFilterInvalid;
  }
  const bool last = state_.subscriptions.subscribers(id) == 1;
  state_.subscriptions.Remove(known->second);
  session.subscriptions.erase(known);
  ++state_.subscription_epoch;
  state_.stats.subscriptions.Add(-1);
  const bool shared = filter.starts_with("$share/");
  lifecycle_.CountDurable(session, filter, -1);
  if (last || shared) lifecycle_.AnnounceRoute(filter);
  if (shared) lifecycle_.LeaveGroup(session, filter);
  // From UNSUBACK on nobody sends this shard what is another member's, so the group's order holds;
  // and nobody who cannot reach us keeps what is published later for a session that may subscribe
  // again.
  if (shared || (state_.clustered() && session.recorded()))
    wait->gate.routes = state_.route_sequence;
  state_.Record(session, session::Unsubscribed{filter}, &wait->gate);
  return ReasonCode::kSuccess;
}

}  // namespace skein::shard
