// PUBLISH from a client.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/auth/topic_rules.h"
#include "broker/mqtt/utf8.h"
#include "broker/shard/packet_handler.h"
#include "broker/shard/tracing.h"

namespace skein::shard {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ReasonCode;
using session::Session;

void PacketHandler::OnPublish(Connection& connection, const mqtt::Frame& frame) {
  if (const auto error = mqtt::DecodePublish(frame, connection.version, &publish_))
    return Refuse(connection, *error);
  state_.stats.payload_in.Add(publish_.payload.size());
  if (connection.v5() && !ResolveAlias(connection)) return;
  if (publish_.topic_levels > state_.limits.max_topic_levels) {
    state_.stats.Hit(LimitHit::kMaxTopicLevels);
    return Refuse(connection,
                  {ReasonCode::kTopicNameInvalid, "more levels than limits.max_topic_levels"});
  }
  Session& session = state_.sessions[connection.session];
  if (state_.tracer.on()) [[unlikely]]
    TracePublish(connection, session, trace::Step::kReceived, {});
  if (!AcceptPublish(connection, session)) return;
  Deliver(connection, session);
}

// A step before there is a message.
void PacketHandler::TracePublish(const Connection& connection, const Session& session,
                                 trace::Step step, std::string_view why) {
  trace::Detail detail;
  detail.client = session.client_id();
  detail.qos = publish_.qos;
  detail.dup = publish_.dup;
  detail.retain = publish_.retain;
  detail.packet_id = publish_.packet_id;
  detail.message = trace::NumberOf(session.token(), publish_.topic, publish_.payload);
  auth::AccessRules::Verdict verdict;
  std::string text(why);
  if (step == trace::Step::kReceived) {
    text = absl::StrCat(publish_.payload.size(), " bytes on listener ",
                        state_.options.listeners[connection.listener].name);
  } else if (text.empty()) {
    verdict = RuleForPublish(state_, PrincipalOf(state_, session), publish_.topic, publish_.retain);
    detail.rule = RuleText(verdict);
    text = "PUBLISH by the access rules";
  }
  detail.why = text;
  state_.tracer.Topic(state_.now, step, publish_.topic, detail);
}

bool PacketHandler::ResolveAlias(Connection& connection) {
  if (!publish_.properties.Has(PropertyId::kTopicAlias)) return true;
  const uint16_t alias = publish_.properties.topic_alias;
  if (alias > state_.limits.topic_alias_maximum) {
    state_.stats.Hit(LimitHit::kTopicAliasMaximum);
    Refuse(connection, {ReasonCode::kTopicAliasInvalid,
                        "[MQTT-3.3.2-9] topic alias above the Topic Alias Maximum"});
    return false;
  }
  if (connection.aliases == nullptr) connection.aliases = std::make_unique<TopicAliases>();
  auto& inbound = connection.aliases->inbound;
  if (inbound.size() < alias) inbound.resize(alias);
  std::string& known = inbound[alias - 1u];
  if (!publish_.topic.empty()) {
    known.assign(publish_.topic);
    return true;
  }
  if (known.empty()) {
    Refuse(connection,
           {ReasonCode::kProtocolError, "[MQTT-3.3.2-8] a topic alias that was never set"});
    return false;
  }
  publish_.topic = known;  // its levels were checked when it was set
  return true;
}

// Whether the message is to be delivered; if not, it has been answered.
bool PacketHandler::AcceptPublish(Connection& connection, Session& session) {
  const size_t maximum = connection.v5() ? state_.limits.receive_maximum : UINT16_MAX;
  const size_t held = connection.held == nullptr ? 0 : connection.held->publishes();
  if (publish_.qos == Qos::kAtLeastOnce) {
    const session::Inbound* inbound = session.inbound_if_any();
    if (held + (inbound == nullptr ? 0 : inbound->unreleased()) >= maximum) {
      RefuseFlood(connection);
      return false;
    }
  } else if (publish_.qos == Qos::kExactlyOnce) {
    switch (session.inbound().OnPublish(publish_.packet_id, held, maximum, publish_.dup)) {
      case session::Inbound::PublishResult::kNew:
        break;
      case session::Inbound::PublishResult::kDuplicate:
        if (!AcceptRepeated(connection, session)) return false;
        break;
      case session::Inbound::PublishResult::kReceiveMaximumExceeded:
        RefuseFlood(connection);
        return false;
    }
  }
  if (!auth::ClientMayPublishTo(publish_.topic)) {
    RefusePublish(connection, ReasonCode::kNotAuthorized, "the topic is the broker's own");
    return false;
  }
  const bool may = access_.MayPublish(connection, session, publish_.topic, publish_.retain);
  if (state_.tracer.on()) [[unlikely]]
    TracePublish(connection, session, may ? trace::Step::kAllowed : trace::Step::kDenied, {});
  if (!may) {
    AnswerRefused(connection, ReasonCode::kNotAuthorized);
    return false;
  }
  if (publish_.properties.payload_format_indicator == 1 && !mqtt::IsUtf8Payload(publish_.payload)) {
    RefusePublish(connection, ReasonCode::kPayloadFormatInvalid,
                  "the payload is not the UTF-8 it says it is");
    return false;
  }
  return true;
}

void PacketHandler::RefuseFlood(Connection& connection) {
  state_.stats.Hit(LimitHit::kReceiveMaximum);
  Refuse(connection, {ReasonCode::kReceiveMaximumExceeded,
                      "[MQTT-3.3.4-7] more than Receive Maximum in flight"});
}

// Whether a message whose packet id is taken has to be delivered all the same; if not, it is
// answered once more [MQTT-4.3.3-10].
bool PacketHandler::AcceptRepeated(Connection& connection, Session& session) {
  using session::Inbound;
  const uint64_t known = session.inbound().StateOf(publish_.packet_id);
  // What was refused just before the process ended may have been forgotten only here. The client
  // says so: it does not repeat anything [MQTT-3.3.1-1].
  if (known == Inbound::kUnsettled) {
    if (!publish_.dup) session.inbound().Arrived(publish_.packet_id);
    return true;
  }
  if (state_.tracer.on()) [[unlikely]] {
    TracePublish(connection, session, trace::Step::kRepeated,
                 "QoS 2, and a message with this packet id was taken already");
  }
  Promises::Wait wait;
  if (known != Inbound::kArrived) {
    const std::optional<Gate> gate = dispatcher_.WaitFor(known, connection);
    if (gate) {
      wait = {*gate, gate->destinations > 0 ? known : 0};
    } else {
      wait.repeats = true;
    }
  }
  if (session.recorded())
    wait.gate.lsn = state_.last_lsn;  // the record of the first one, or a later one
  promises_.AckPublish(connection, wait, Qos::kExactlyOnce, publish_.packet_id,
                       ReasonCode::kSuccess);
  return false;
}

// What is taken goes to other nodes when that is durable: so one that is not known after a restart
// has never left this node, and one that is keeps its name.
Once PacketHandler::OnceOf(Session& session) {
  using session::Inbound;
  Once once;
  if (publish_.qos != Qos::kExactlyOnce || !state_.clustered()) return once;
  if (session.inbound().StateOf(publish_.packet_id) == Inbound::kUnsettled) {
    once.id = session.inbound().OnceOf(publish_.packet_id);
    once.repeated = true;
  } else {
    once.id = dispatcher_.NewOnce();
    once.later = session.recorded();
  }
  return once;
}

// Answers a message that is not delivered: the acknowledgement says why in MQTT 5; 3.x has no word
// for it, so it is acknowledged and dropped [MQTT-3.3.5-2].
void PacketHandler::RefusePublish(Connection& connection, ReasonCode reason, const char* rule) {
  state_.ports.log->Log(LogLevel::kInfo, "publish.refused",
                        {{"client_id", state_.sessions[connection.session].client_id()},
                         {"listener", state_.options.listeners[connection.listener].name},
                         {"topic", publish_.topic},
                         {"reason", mqtt::ReasonCodeName(reason)},
                         {"rule", rule}});
  if (state_.tracer.on()) [[unlikely]]
    TracePublish(connection, state_.sessions[connection.session], trace::Step::kDenied, rule);
  AnswerRefused(connection, reason);
}

void PacketHandler::AnswerRefused(Connection& connection, ReasonCode reason) {
  state_.stats.refusals[static_cast<uint8_t>(reason)].Add();
  if (publish_.qos == Qos::kAtMostOnce) return;
  if (publish_.qos == Qos::kExactlyOnce && connection.v5()) {
    state_.sessions[connection.session].inbound().Forget(publish_.packet_id);
  }
  promises_.Ack(connection, {},
                publish_.qos == Qos::kAtLeastOnce ? PacketType::kPuback : PacketType::kPubrec,
                publish_.packet_id, connection.v5() ? reason : ReasonCode::kSuccess, false);
}

void PacketHandler::Deliver(Connection& connection, Session& session) {
  mqtt::Message::Init init;
  init.topic = publish_.topic;
  if (publish_.properties.present != 0) {
    init.properties = mqtt::ForwardableProperties(publish_.properties, &scratch_);
    if (publish_.properties.Has(PropertyId::kMessageExpiryInterval)) {
      // The largest value stands for "none" inside; a second less of 136 years.
      init.expiry_seconds =
          std::min(publish_.properties.message_expiry_interval, mqtt::Message::kNoExpiry - 1);
    }
  }
  init.payload = publish_.payload;
  init.qos = publish_.qos;
  init.retain = publish_.retain;
  init.received_at = state_.now;
  if (state_.timing_due) [[unlikely]] {
    state_.timing_due = false;
    state_.timing = publish_.qos != Qos::kAtMostOnce;  // its acknowledgement
    init.fraction = mqtt::Message::FractionOf(state_.now_micros);
  }
  init.publisher = session.token();
  init.client_hash = session.client_hash();
  const mqtt::MessagePtr message = mqtt::Message::Make(init);
  if (publish_.qos == Qos::kAtMostOnce) {
    NoteUnwanted(dispatcher_.Publish(message, nullptr, nullptr).matched);
    return;
  }
  Promises::Wait wait;
  const bool once = publish_.qos == Qos::kExactlyOnce;
  const Once name = OnceOf(session);
  const Dispatcher::Outcome outcome =
      dispatcher_.Publish(message, &wait.gate, &wait.token, once && session.recorded(), name);
  // What is held is taken when it goes on: after a crash in between the client has to send it
  // again.
  if (once && !outcome.held)
    state_.Record(session, session::InboundTaken{publish_.packet_id, name.id}, &wait.gate);
  dispatcher_.EndPublish();
  NoteUnwanted(outcome.matched);
  ReasonCode reason = ReasonCode::kSuccess;
  if (connection.v5()) {
    if (outcome.retained_full) {
      reason = ReasonCode::kQuotaExceeded;
    } else if (!outcome.matched) {
      reason = ReasonCode::kNoMatchingSubscribers;
    }
  }
  if (once && wait.gate.destinations > 0) {
    session.inbound().Await(publish_.packet_id, wait.token, name.id);
    dispatcher_.Settle(wait.token, {session.slot(), session.token()}, publish_.packet_id,
                       wait.gate.refused);
  } else if (once) {
    session.inbound().Arrived(publish_.packet_id);
  }
  // Until the client has been told that it is refused, it may send it again.
  if (once && wait.gate.refused && wait.gate.destinations == 0)
    session.inbound().Unsettle(publish_.packet_id, name.id);
  if (once && mqtt::IsError(reason)) {
    session.inbound().Forget(publish_.packet_id);
    state_.Record(session, session::InboundReleased{publish_.packet_id}, &wait.gate);
  }
  if (state_.tracer.on()) [[unlikely]]
    TraceAnswer(session, *message, wait.gate, reason);
  promises_.AckPublish(connection, wait, publish_.qos, publish_.packet_id, reason);
  state_.timing = false;
}

void PacketHandler::TraceAnswer(const Session& session, const mqtt::Message& message,
                                const Gate& gate, ReasonCode reason) {
  std::string why(mqtt::ReasonCodeName(gate.refused ? ReasonCode::kQuotaExceeded : reason));
  if (gate.destinations > 0)
    absl::StrAppend(&why, ", when ", gate.destinations,
                    " other places have said that they have it");
  if (gate.lsn != 0) why += ", when it is on disk";
  trace::Detail detail;
  detail.client = session.client_id();
  detail.why = why;
  detail.qos = message.qos();
  detail.packet_id = publish_.packet_id;
  state_.tracer.Message(state_.now, trace::Step::kAnswered, message, detail);
}

}  // namespace skein::shard
