#include "broker/shard/connect_handler.h"

#include <string>
#include <utility>

namespace skein::shard {

using auth::Decision;
using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ProtocolVersion;
using mqtt::ReasonCode;

namespace {

AuthResult ResultOf(ReasonCode reason) {
  switch (reason) {
    case ReasonCode::kBadUserNameOrPassword:
    case ReasonCode::kClientIdentifierNotValid:
      return AuthResult::kBadCredentials;
    case ReasonCode::kNotAuthorized:
      return AuthResult::kNotAuthorized;
    case ReasonCode::kBanned:
      return AuthResult::kBanned;
    case ReasonCode::kBadAuthenticationMethod:
      return AuthResult::kBadMethod;
    default:
      return AuthResult::kError;
  }
}

// Who is asked last and passes on has not let anybody in.
bool Denied(const Decision& decision) {
  return decision.kind == Decision::Kind::kDeny || decision.kind == Decision::Kind::kIgnore;
}

}  // namespace

void ConnectHandler::OnFirstPacket(Connection& connection, const mqtt::Frame& frame,
                                   std::string_view bytes) {
  if (frame.type != PacketType::kConnect) {
    return lifecycle_.Close(connection, ReasonCode::kProtocolError,
                            "[MQTT-3.1.0-1] the first packet is not CONNECT");
  }
  mqtt::Connect connect;
  const auto error = mqtt::DecodeConnect(frame, &connect);
  connection.version = connect.version;
  if (error.has_value()) return RefuseMalformed(connection, connect, *error);
  if (connect.properties.Has(PropertyId::kMaximumPacketSize)) {
    connection.maximum_packet_size = connect.properties.maximum_packet_size;
  }
  connection.awaits_partition = false;
  if (connect.client_id.empty() ? MoveUnnamed(connection, bytes)
                                : MoveTo(connection, connect, connect.client_id, bytes, {}))
    return;
  Ask(connection, connect, bytes.substr(0, frame.size), bytes);
}

// Whether the connection goes elsewhere (or waits, or is refused) since another shard owns the
// client id.
bool ConnectHandler::MoveTo(Connection& connection, const mqtt::Connect& connect,
                            std::string_view client_id, std::string_view bytes,
                            std::string_view assigned_id) {
  const session::PartitionId partition = PartitionOf(client_id, state_.options.partitions);
  if (state_.frozen.contains(partition)) {
    if (!assigned_id.empty()) {
      lifecycle_.RefuseConnect(connection, ReasonCode::kServerBusy, "the session is moving");
    } else {
      connection.awaits_partition = true;
      connection.partition = partition;
    }
    return true;
  }
  const NodeNumber owner = state_.OwnerOf(partition);
  const bool here = owner == state_.options.node;
  if (here && partition % state_.options.count == state_.options.id) return false;
  if (!here && (owner == kNoNode || !state_.PeerUp(owner))) {
    // What dies with its connection needs no owner; who is right about it shows when there is one.
    const bool transient = session::JudgeConnect(connect, state_.limits).expiry_seconds == 0;
    if (transient && assigned_id.empty()) return false;
    lifecycle_.RefuseConnect(connection, ReasonCode::kServerUnavailable,
                             "the node that has the client's session cannot be reached");
    return true;
  }
  if (!here && connection.fd < 0) {
    lifecycle_.RefuseConnect(connection, ReasonCode::kUseAnotherServer,
                             "the session has moved to another node");
    return true;
  }
  Leave(connection, state_.OwnerPlace(partition), bytes, assigned_id);
  return true;
}

void ConnectHandler::Leave(Connection& connection, PlaceId target, std::string_view bytes,
                           std::string_view assigned_id) {
  connection.state = Connection::State::kMoved;
  state_.wheel.Cancel(&connection.timer);
  state_.out.moves.push_back(
      {connection.slot, target, std::string(bytes), std::string(assigned_id)});
}

// A client without an id gets one that the shard owns where it is; a shard without a partition
// sends it to one that has some.
bool ConnectHandler::MoveUnnamed(Connection& connection, std::string_view bytes) {
  if (!state_.clustered() || connection.fd < 0) return false;
  const auto first =
      static_cast<session::PartitionId>(state_.ports.random() % state_.options.partitions);
  PlaceId other = state_.options.id;
  for (session::PartitionId step = 0; step < state_.options.partitions; ++step) {
    const session::PartitionId partition = (first + step) % state_.options.partitions;
    if (state_.frozen.contains(partition) || !state_.OwnerKnown(partition)) continue;
    const PlaceId place = state_.OwnerPlace(partition);
    if (place == state_.options.id) return false;
    if (other == state_.options.id) other = place;
    // Any of ours is as good.
    if (state_.IsMine(partition)) other = place;
  }
  if (other == state_.options.id) return false;
  Leave(connection, other, bytes, {});
  return true;
}

// An error answer goes only to a client whose version is known and that can understand it.
void ConnectHandler::RefuseMalformed(Connection& connection, const mqtt::Connect& connect,
                                     const mqtt::Error& error) {
  const bool unsupported = error.code == ReasonCode::kUnsupportedProtocolVersion;
  if (unsupported || connect.version == ProtocolVersion::k5) {
    return lifecycle_.RefuseConnect(connection, error.code, error.rule);
  }
  lifecycle_.Close(connection, error.code,
                   error.rule);  // 3.x: closed without an answer [MQTT-3.1.4-1]
}

auth::ConnectRequest ConnectHandler::MakeRequest(const Connection& connection,
                                                 const Peer& peer) const {
  const ListenerInfo& listener = state_.options.listeners[connection.listener];
  auth::ConnectRequest request;
  request.listener = listener.name;
  request.listener_allows_anonymous = listener.allow_anonymous;
  request.version = connection.version;
  request.address = peer.address;
  request.certificate = peer.certificate;
  return request;
}

// bytes: all that has been read, from the packet on.
void ConnectHandler::Ask(Connection& connection, const mqtt::Connect& connect,
                         std::string_view packet, std::string_view bytes) {
  const Peer peer = state_.ports.peer(connection);
  auth::ConnectRequest request = MakeRequest(connection, peer);
  request.client_id = connect.client_id;
  request.user_name = connect.user_name;
  request.password = connect.password;
  request.method = connect.properties.authentication_method;
  request.data = connect.properties.authentication_data;
  std::unique_ptr<auth::Exchange> exchange;
  const Decision decision =
      state_.ports.authenticator->Begin(request, Callback(connection), &exchange);
  const bool allowed = decision.kind == Decision::Kind::kAllow;
  if (Denied(decision) || (allowed && request.method.empty()))
    return DecideConnect(connection, connect, decision, bytes);
  if (connection.auth == nullptr) connection.auth = std::make_unique<AuthState>();
  connection.auth->method = std::string(request.method);
  if (allowed) return DecideConnect(connection, connect, decision, bytes);
  connection.state = Connection::State::kAuthenticating;
  connection.auth->exchange = std::move(exchange);
  connection.auth->packet = std::string(packet);
  connection.auth->pending = decision.kind == Decision::Kind::kPending;
  if (!connection.auth->pending) {
    SendAuth(connection, ReasonCode::kContinueAuthentication, connection.auth->method,
             decision.data);
  }
}

auth::Authenticator::Done ConnectHandler::Callback(const Connection& connection) const {
  return [answer = state_.ports.auth_answer, slot = connection.slot,
          generation = connection.generation](Decision decision) {
    answer(slot, generation, std::move(decision));
  };
}

void ConnectHandler::SendAuth(Connection& connection, ReasonCode reason, std::string_view method,
                              std::string_view data) {
  mqtt::Auth packet;
  packet.reason = reason;
  packet.properties.authentication_method = method;
  packet.properties.Mark(PropertyId::kAuthenticationMethod);
  if (!data.empty()) {
    packet.properties.authentication_data = data;
    packet.properties.Mark(PropertyId::kAuthenticationData);
  }
  std::string bytes;
  mqtt::EncodeAuth(packet, &bytes);
  sender_.SendBytes(connection, bytes);
}

void ConnectHandler::OnPacketWhileAuthenticating(Connection& connection, const mqtt::Frame& frame) {
  if (frame.type == PacketType::kDisconnect)
    return lifecycle_.Close(connection, ReasonCode::kSuccess, "client gave up");
  mqtt::Auth packet;
  if (frame.type != PacketType::kAuth) {
    return lifecycle_.Close(connection, ReasonCode::kProtocolError,
                            "[MQTT-3.1.2-30] only AUTH or DISCONNECT may follow until CONNACK");
  }
  if (const auto error = mqtt::DecodeAuth(frame, &packet)) {
    return lifecycle_.RefuseConnect(connection, error->code, error->rule);
  }
  AuthState& state = *connection.auth;
  if (state.pending || state.exchange == nullptr ||
      packet.reason != ReasonCode::kContinueAuthentication ||
      packet.properties.authentication_method != state.method) {
    return lifecycle_.RefuseConnect(connection, ReasonCode::kProtocolError,
                                    "[MQTT-4.12.0-3] AUTH does not continue the conversation");
  }
  OnDecision(connection,
             state.exchange->Step(packet.properties.authentication_data, Callback(connection)));
}

void ConnectHandler::OnAuth(Connection& connection, const mqtt::Frame& frame) {
  mqtt::Auth packet;
  if (const auto error = mqtt::DecodeAuth(frame, &packet))
    return lifecycle_.Close(connection, error->code, error->rule);
  AuthState* state = connection.auth.get();
  if (state == nullptr || packet.properties.authentication_method != state->method) {
    return lifecycle_.Close(
        connection, ReasonCode::kProtocolError,
        "[MQTT-4.12.1-1] re-authentication needs the authentication method of CONNECT");
  }
  if (packet.reason == ReasonCode::kContinueAuthentication && state->reauthenticating &&
      state->exchange != nullptr && !state->pending) {
    return OnDecision(connection, state->exchange->Step(packet.properties.authentication_data,
                                                        Callback(connection)));
  }
  if (packet.reason != ReasonCode::kReAuthenticate || state->reauthenticating) {
    return lifecycle_.Close(connection, ReasonCode::kProtocolError,
                            "[MQTT-4.12.1-1] AUTH out of turn");
  }
  state->reauthenticating = true;
  const session::Session& session = state_.sessions[connection.session];
  const Peer peer = state_.ports.peer(connection);
  auth::ConnectRequest request = MakeRequest(connection, peer);
  request.client_id = session.client_id();
  if (session.principal != nullptr && !session.principal->user_name.empty())
    request.user_name = session.principal->user_name;
  request.method = state->method;
  request.data = packet.properties.authentication_data;
  request.again = true;
  OnDecision(connection,
             state_.ports.authenticator->Begin(request, Callback(connection), &state->exchange));
}

void ConnectHandler::OnDecision(Connection& connection, const Decision& decision) {
  if (connection.auth == nullptr) return;
  AuthState& state = *connection.auth;
  state.pending = decision.kind == Decision::Kind::kPending;
  if (state.pending) return;
  if (decision.kind == Decision::Kind::kContinue) {
    return SendAuth(connection, ReasonCode::kContinueAuthentication, state.method, decision.data);
  }
  return state.reauthenticating ? DecideAgain(connection, decision)
                                : DecideKept(connection, decision);
}

void ConnectHandler::DecideKept(Connection& connection, const Decision& decision) {
  // What the client sent meanwhile goes along if the connection moves.
  std::string bytes = std::move(connection.auth->packet);
  bytes += connection.partial;
  const mqtt::FrameResult whole = mqtt::NextFrame(bytes, UINT32_MAX);
  mqtt::Connect connect;
  const auto error = mqtt::DecodeConnect(whole.frame, &connect);
  SKEIN_CHECK(!error.has_value());  // it was decoded before
  connection.auth->exchange.reset();
  DecideConnect(connection, connect, decision, bytes);
}

void ConnectHandler::NoteDenied(const Connection& connection, ReasonCode reason) {
  state_.stats.auth_refused.Add();
  state_.stats.listeners[connection.listener].authentications.Add(ResultOf(reason));
}

void ConnectHandler::DecideConnect(Connection& connection, const mqtt::Connect& connect,
                                   const Decision& decision, std::string_view bytes) {
  if (Denied(decision)) {
    NoteDenied(connection, decision.reason);
    return lifecycle_.RefuseConnect(connection, decision.reason, decision.why, connect.client_id);
  }
  const std::string& id = decision.grant.client_id;
  if (!id.empty() && id != connect.client_id) {
    if (!connect.client_id.empty()) {
      NoteDenied(connection, ReasonCode::kClientIdentifierNotValid);
      return lifecycle_.RefuseConnect(connection, ReasonCode::kClientIdentifierNotValid,
                                      "the credentials are for another client id",
                                      connect.client_id);
    }
    // The shard that owns the id asks again: the answer may depend on what only it knows.
    const bool moved_before = connection.auth != nullptr && connection.auth->assigned_id == id;
    if (!moved_before && MoveTo(connection, connect, id, bytes, id)) return;
    if (!IsOwner(id, state_)) {
      return lifecycle_.RefuseConnect(connection, ReasonCode::kServerBusy,
                                      "the client id that the credentials assign has changed");
    }
  }
  // It may have begun to move while the authenticator was asked.
  const std::string_view final_id = id.empty() ? connect.client_id : std::string_view(id);
  if (!final_id.empty() && state_.clustered()) {
    const session::PartitionId partition = PartitionOf(final_id, state_.options.partitions);
    const NodeNumber owner = state_.table[partition].node;
    const bool stray = owner != state_.options.node && (owner == kNoNode || !state_.PeerUp(owner));
    if (!IsOwner(final_id, state_) && !stray) {
      return lifecycle_.RefuseConnect(connection, ReasonCode::kUseAnotherServer,
                                      "the session has moved to another node");
    }
  }
  if (connection.auth != nullptr && connection.auth->method.empty()) connection.auth.reset();
  lifecycle_.Establish(connection, connect, decision);
}

void ConnectHandler::DecideAgain(Connection& connection, const Decision& decision) {
  AuthState& state = *connection.auth;
  if (Denied(decision)) {
    NoteDenied(connection, decision.reason);
    return lifecycle_.Close(connection, decision.reason,
                            "[MQTT-4.12.1-2] re-authentication failed");
  }
  session::Session& session = state_.sessions[connection.session];
  const std::string_view before =
      session.principal == nullptr ? std::string_view() : session.principal->user_name;
  if (decision.grant.user_name != before) {
    NoteDenied(connection, ReasonCode::kNotAuthorized);
    return lifecycle_.Close(connection, ReasonCode::kNotAuthorized,
                            "re-authentication as another user");
  }
  session.principal = lifecycle_.MakePrincipal(connection, session.client_id(), decision.grant);
  connection.expires_at = decision.grant.expires_at;
  lifecycle_.ScheduleTimer(connection);
  access_.Judge(session);
  state.reauthenticating = false;
  state.exchange.reset();
  SendAuth(connection, ReasonCode::kSuccess, state.method, decision.data);
}

}  // namespace skein::shard
