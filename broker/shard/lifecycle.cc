#include "broker/shard/lifecycle.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "broker/mqtt/codec.h"
#include "broker/shard/tracing.h"

namespace skein::shard {

using mqtt::PropertyId;
using mqtt::ReasonCode;
using session::Session;

namespace {

EndReason EndReasonOf(ReasonCode code, std::string_view rule) {
  switch (code) {
    case ReasonCode::kKeepAliveTimeout:
      return EndReason::kKeepAlive;
    case ReasonCode::kSessionTakenOver:
      return EndReason::kTakeover;
    case ReasonCode::kNotAuthorized:
    case ReasonCode::kBadUserNameOrPassword:
      return EndReason::kNotAuthorized;
    case ReasonCode::kAdministrativeAction:
      return rule == "banned" ? EndReason::kBanned : EndReason::kKicked;
    case ReasonCode::kServerShuttingDown:
    case ReasonCode::kUseAnotherServer:
    case ReasonCode::kServerMoved:
      return EndReason::kDraining;
    case ReasonCode::kQuotaExceeded:
      return EndReason::kQuota;
    case ReasonCode::kMessageRateTooHigh:
      return EndReason::kRate;
    case ReasonCode::kServerBusy:
    case ReasonCode::kServerUnavailable:
    case ReasonCode::kSuccess:
      return EndReason::kOther;
    default:
      return EndReason::kProtocolError;
  }
}

size_t VersionIndex(mqtt::ProtocolVersion version) {
  return static_cast<size_t>(version) - static_cast<size_t>(mqtt::ProtocolVersion::k31);
}

}  // namespace

session::PartitionId PartitionOf(std::string_view client_id, uint32_t partitions) {
  return static_cast<session::PartitionId>(XXH3_64bits(client_id.data(), client_id.size()) %
                                           partitions);
}

bool IsOwner(std::string_view client_id, const ShardState& state) {
  const session::PartitionId partition = PartitionOf(client_id, state.options.partitions);
  return partition % state.options.count == state.options.id && state.IsMine(partition) &&
         !state.frozen.contains(partition);
}

std::string Lifecycle::NewClientId() {
  // 128 unpredictable bits, so that nobody can take over a client that was given its id; tried
  // until it is this shard's own.
  bool owns_any = false;
  for (session::PartitionId each = state_.options.id; each < state_.options.partitions;
       each += state_.options.count)
    owns_any |= state_.IsMine(each) && !state_.frozen.contains(each);
  while (owns_any) {
    char text[40];
    std::snprintf(text, sizeof text, "auto-%016llx%016llx",
                  static_cast<unsigned long long>(state_.ports.random()),
                  static_cast<unsigned long long>(state_.ports.random()));
    if (IsOwner(text, state_)) return text;
  }
  return {};
}

Session* Lifecycle::Resume(Connection& connection, const mqtt::Connect& connect,
                           const std::string& client_id, Gate* gate) {
  Session* session = state_.sessions.Find(client_id);
  if (session != nullptr && session->connected()) {
    state_.stats.takeovers.Add();
    Close(state_.connections[session->connection], ReasonCode::kSessionTakenOver,
          "[MQTT-3.1.4-3] another connection has this client id");
    session = state_.sessions.Find(client_id);
  }
  if (session != nullptr && (connect.clean_start || session->expires_at <= state_.now)) {
    const bool recorded = session->recorded();
    End(*session);
    if (recorded) gate->lsn = state_.last_lsn;
    session = nullptr;
  } else if (session != nullptr && session->will_due <= state_.now) {
    PublishWill(*session);  // its timer is about to fire: the client came too late
  }
  return session;
}

auth::PrincipalPtr Lifecycle::MakePrincipal(const Connection& connection,
                                            std::string_view client_id,
                                            const auth::Grant& grant) const {
  const bool plain = grant.user_name.empty() && !grant.superuser && grant.rules == nullptr;
  if (plain && state_.rules == nullptr) return nullptr;
  auth::Principal client;
  client.client_id = client_id;
  client.user_name = grant.user_name;
  client.address = state_.ports.peer(connection).address;
  client.listener = state_.options.listeners[connection.listener].name;
  client.superuser = grant.superuser;
  client.expires_at = grant.expires_at;
  client.own_rules = grant.rules;
  return std::make_shared<const auth::Principal>(std::move(client));
}

void Lifecycle::ScheduleTimer(Connection& connection) {
  TimeMs next = connection.expires_at;
  if (connection.keep_alive > 0)
    next = std::min(next, state_.now + connection.keep_alive * TimeMs{1500});
  if (next == kNever) {
    state_.wheel.Cancel(&connection.timer);
  } else {
    state_.wheel.Schedule(&connection.timer, next);
  }
}

void Lifecycle::Establish(Connection& connection, const mqtt::Connect& connect,
                          const auth::Decision& decision) {
  const session::ConnectGrant grant = session::JudgeConnect(connect, state_.limits);
  if (mqtt::IsError(grant.reason)) {
    if (connect.client_id.size() > state_.limits.max_client_id_bytes)
      state_.stats.Hit(LimitHit::kMaxClientIdBytes);
    return RefuseConnect(connection, grant.reason, grant.rule, connect.client_id);
  }
  const std::string client_id = !grant.assign_client_id            ? std::string(connect.client_id)
                                : decision.grant.client_id.empty() ? NewClientId()
                                                                   : decision.grant.client_id;
  if (client_id.empty() && grant.assign_client_id)
    return RefuseConnect(connection, ReasonCode::kServerBusy, "this node's sessions are moving");
  const auth::PrincipalPtr principal = MakePrincipal(connection, client_id, decision.grant);
  if (connect.will.has_value() && !access_.MayHaveWill(principal.get(), connect.will->topic,
                                                       connect.will->retain, &connection)) {
    return RefuseConnect(connection, ReasonCode::kNotAuthorized, "the access rules forbid the will",
                         client_id);
  }
  Promises::Wait wait;
  Session* session = Resume(connection, connect, client_id, &wait.gate);
  const bool present = session != nullptr;
  if (session == nullptr) {
    if (grant.expiry_seconds > 0 && state_.ports.store->full()) {
      state_.stats.Hit(LimitHit::kReserveBytes);
      return RefuseConnect(connection, ReasonCode::kQuotaExceeded, "the disk is nearly full",
                           client_id);
    }
    if (state_.sessions.size() >= state_.PartOf(state_.limits.max_sessions)) {
      state_.stats.Hit(LimitHit::kMaxSessions);
      return RefuseConnect(connection, ReasonCode::kQuotaExceeded, "limits.max_sessions reached",
                           client_id);
    }
    session = &state_.sessions.Create(client_id);
    state_.stats.sessions.Add(1);
    if (state_.clustered() && !state_.IsMine(PartitionOf(client_id, state_.options.partitions)))
      AddStray(*session);
  }
  state_.wheel.Cancel(&session->timer());
  session->expires_at = kNever;
  session->will_due = kNever;
  session->expiry_seconds = grant.expiry_seconds;
  session->version = static_cast<uint8_t>(connect.version);
  if (session->durable() && !session->recorded()) {
    session->key = {PartitionOf(client_id, state_.options.partitions),
                    ++state_.last_session_number};
  }
  SetWill(*session, connect);
  session->connection = connection.slot;
  const bool judge = present || principal != nullptr;
  session->principal = principal;
  session->rules_unknown = false;
  session->access_epoch = state_.access_epoch;
  std::optional<session::WillRecord> will;
  if (session->will != nullptr) {
    session->will->trusted = principal != nullptr && principal->own_rules != nullptr;
    will = session::WillRecord{session->will->message, session->will->delay_seconds,
                               principal == nullptr ? std::string() : principal->user_name,
                               session->will->trusted};
  }
  state_.Record(
      *session,
      session::Connected{client_id, grant.expiry_seconds, session->version, std::move(will)},
      &wait.gate);

  connection.session = session->slot();
  connection.state = Connection::State::kConnecting;
  connection.keep_alive = grant.keep_alive;
  NoteBegin(connection);
  connection.receive_maximum = grant.receive_maximum;
  connection.maximum_packet_size = grant.maximum_packet_size;
  connection.topic_alias_maximum_out = grant.topic_alias_maximum;
  connection.problem_information = grant.problem_information;
  connection.expires_at = decision.grant.expires_at;
  ScheduleTimer(connection);
  if (judge) access_.Judge(*session);
  mqtt::Connack packet =
      session::MakeConnack(connect, grant, state_.limits, present,
                           grant.assign_client_id ? client_id : std::string_view());
  if (connect.properties.Has(PropertyId::kAuthenticationMethod)) {
    packet.properties.authentication_method = connect.properties.authentication_method;
    packet.properties.Mark(PropertyId::kAuthenticationMethod);
    if (!decision.data.empty()) {
      packet.properties.authentication_data = decision.data;
      packet.properties.Mark(PropertyId::kAuthenticationData);
    }
  }
  std::string bytes;
  mqtt::EncodeConnack(packet, connect.version, &bytes);
  if (bytes.size() > connection.maximum_packet_size) {
    return Close(connection, ReasonCode::kPacketTooLarge,
                 "[MQTT-3.1.2-24] CONNACK does not fit the client's Maximum Packet Size");
  }
  connection.connected_at = state_.now;
  Note(EventKind::kConnected, connection, session->client_id(), present ? "session present" : "");
  state_.ports.log->Log(
      LogLevel::kDebug, "client.connected",
      {{"client_id", session->client_id()}, {"session_present", present ? 1 : 0}});
  AnnounceShared(*session);
  promises_.ReplyConnack(connection, wait, bytes);
}

void Lifecycle::NoteBegin(const Connection& connection) {
  ListenerStats& listener = state_.stats.listeners[connection.listener];
  listener.authentications.Add(AuthResult::kSuccess);
  listener.connected[VersionIndex(connection.version)].Add(1);
  events_.Connected(connection);
}

void Lifecycle::NoteEnd(const Connection& connection, EndReason why) {
  if (connection.session == kNoSession) return;
  state_.stats.disconnects.Add(why);
  state_.stats.listeners[connection.listener].connected[VersionIndex(connection.version)].Add(-1);
  events_.Disconnected(connection, why);
}

void Lifecycle::SetWill(Session& session, const mqtt::Connect& connect) {
  session.will.reset();
  if (!connect.will.has_value()) return;
  const mqtt::Will& will = *connect.will;
  std::string scratch;
  mqtt::Message::Init init;
  init.topic = will.topic;
  init.properties = mqtt::ForwardableProperties(will.properties, &scratch);
  init.payload = will.payload;
  init.qos = will.qos;
  init.retain = will.retain;
  init.received_at = state_.now;
  if (will.properties.Has(PropertyId::kMessageExpiryInterval)) {
    init.expiry_seconds =
        std::min(will.properties.message_expiry_interval, mqtt::Message::kNoExpiry - 1);
  }
  session.will = std::make_unique<session::Will>();
  session.will->message = mqtt::Message::Make(init);
  session.will->delay_seconds = will.properties.will_delay_interval;
}

void Lifecycle::RefuseConnect(Connection& connection, ReasonCode reason, const char* rule,
                              std::string_view client_id) {
  LogRefusal(connection, reason, rule, client_id);
  mqtt::Connack packet;
  packet.reason = reason;
  if (connection.v5() && rule[0] != '\0') {
    packet.properties.reason_string = rule;
    packet.properties.Mark(PropertyId::kReasonString);
  }
  std::string bytes;
  mqtt::EncodeConnack(packet, connection.version, &bytes);
  if (bytes.size() > connection.maximum_packet_size) {  // [MQTT-3.2.2-19]
    packet.properties = mqtt::Properties();
    bytes.clear();
    mqtt::EncodeConnack(packet, connection.version, &bytes);
  }
  sender_.SendBytes(connection, bytes);
  Linger(connection);
}

void Lifecycle::Note(EventKind kind, const Connection& connection, std::string_view client_id,
                     std::string_view reason) {
  state_.events.Add(state_.now, kind, client_id, state_.options.listeners[connection.listener].name,
                    state_.ports.peer(connection).name, reason);
  if (state_.tracer.on()) [[unlikely]] {
    const trace::Step step = kind == EventKind::kConnected      ? trace::Step::kConnected
                             : kind == EventKind::kDisconnected ? trace::Step::kDisconnected
                                                                : trace::Step::kRefused;
    TraceClient(state_, step, client_id, &connection, reason);
  }
}

void Lifecycle::LogRefusal(const Connection& connection, ReasonCode reason, const char* rule,
                           std::string_view client_id) {
  const bool in = connection.session != kNoSession;
  if (in) client_id = state_.sessions[connection.session].client_id();
  Note(in ? EventKind::kDisconnected : EventKind::kRefused, connection, client_id,
       rule[0] == '\0' ? std::string(mqtt::ReasonCodeName(reason))
                       : std::string(mqtt::ReasonCodeName(reason)) + ": " + rule);
  const LogLevel level = state_.draining ? LogLevel::kDebug : LogLevel::kInfo;
  if (!state_.ports.log->Enabled(level))
    return state_.stats.refusals[static_cast<uint8_t>(reason)].Add();
  state_.ports.log->Log(level,
                        connection.session == kNoSession ? "client.refused" : "client.closed",
                        {{"client_id", client_id},
                         {"peer", state_.ports.peer(connection).name},
                         {"listener", state_.options.listeners[connection.listener].name},
                         {"reason", mqtt::ReasonCodeName(reason)},
                         {"rule", rule}});
  state_.stats.refusals[static_cast<uint8_t>(reason)].Add();
}

void Lifecycle::Linger(Connection& connection) {
  connection.state = Connection::State::kLingering;
  connection.partial = {};
  connection.held.reset();
  connection.aliases.reset();
  connection.auth.reset();
  connection.session = kNoSession;
  connection.read_paused = false;
  state_.wheel.Schedule(&connection.timer, state_.now + kLingerMs);
  state_.MarkDirty(connection);
}

void Lifecycle::Close(Connection& connection, ReasonCode reason, const char* rule) {
  if (!connection.open()) return;
  LogRefusal(connection, reason, rule);
  if (connection.v5() && connection.state == Connection::State::kServing) {
    mqtt::Disconnect packet;
    packet.reason = reason;
    if (connection.problem_information && rule[0] != '\0') {
      packet.properties.reason_string = rule;
      packet.properties.Mark(PropertyId::kReasonString);
    }
    std::string bytes;
    mqtt::EncodeDisconnect(packet, &bytes);
    if (bytes.size() <= connection.maximum_packet_size) sender_.SendBytes(connection, bytes);
  }
  const SessionSlot slot = connection.session;
  NoteEnd(connection, EndReasonOf(reason, rule));
  Linger(connection);
  if (slot != kNoSession) Detach(state_.sessions[slot], true);
}

void Lifecycle::OnDisconnect(Connection& connection, const mqtt::Disconnect& packet) {
  Session& session = state_.sessions[connection.session];
  if (packet.properties.Has(PropertyId::kSessionExpiryInterval)) {
    const uint32_t wanted = packet.properties.session_expiry_interval;
    if (mqtt::IsError(session::JudgeDisconnectExpiry(session.expiry_seconds, wanted))) {
      return Close(connection, ReasonCode::kProtocolError,
                   "[MQTT-3.1.2-23] the session expiry interval was 0 and cannot be raised");
    }
    session.expiry_seconds = std::min(wanted, state_.limits.max_session_expiry);
  }
  const bool want_will = packet.reason != ReasonCode::kSuccess;
  Note(EventKind::kDisconnected, connection, session.client_id(),
       want_will ? "DISCONNECT with a will" : "DISCONNECT");
  state_.ports.log->Log(LogLevel::kDebug, "client.disconnected",
                        {{"client_id", session.client_id()}});
  NoteEnd(connection, EndReason::kClient);
  Linger(connection);
  const bool recorded = session.recorded();
  Detach(session, want_will);
  // The end of the connection is all that tells the client that its DISCONNECT was heard: after it,
  // no crash may bring the will back.
  if (!recorded) return;
  connection.linger_until = state_.last_lsn;
  state_.closing.push_back({connection.slot, connection.generation});
}

void Lifecycle::OnTransportClosed(Connection& connection, EndReason why) {
  const SessionSlot slot = connection.open() ? connection.session : kNoSession;
  if (slot != kNoSession) NoteEnd(connection, why);
  connection.state = Connection::State::kDead;
  connection.session = kNoSession;
  if (slot == kNoSession) return;
  Note(EventKind::kDisconnected, connection, state_.sessions[slot].client_id(),
       "the network connection ended");
  state_.ports.log->Log(LogLevel::kDebug, "client.lost",
                        {{"client_id", state_.sessions[slot].client_id()}});
  Detach(state_.sessions[slot], true);
}

}  // namespace skein::shard
