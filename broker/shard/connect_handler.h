// From the first packet to the verdict.
//
// Purpose: CONNECT: is it well formed, does its client id belong to this shard, may it come in; and
// MQTT 5 enhanced authentication, also while connected (re-authentication). Thread: confined to the
// shard; an authenticator that answers later does so through ports.auth_answer. Limits: one
// conversation a connection; Limits::connect_timeout_ms for all of it.
#pragma once

#include <string_view>

#include "broker/mqtt/codec.h"
#include "broker/shard/lifecycle.h"
#include "broker/shard/sender.h"
#include "broker/shard/state.h"

namespace skein::shard {

class ConnectHandler {
 public:
  ConnectHandler(ShardState* state, Access* access, Sender* sender, Lifecycle* lifecycle)
      : state_(*state), access_(*access), sender_(*sender), lifecycle_(*lifecycle) {}

  // The first packet of a connection. `bytes` begins with it and holds all that has been read: if
  // the client id belongs to another shard, they go there, and the connection is kMoved on return.
  void OnFirstPacket(Connection& connection, const mqtt::Frame& frame, std::string_view bytes);

  // A packet while the conversation goes on.
  void OnPacketWhileAuthenticating(Connection& connection, const mqtt::Frame& frame);

  // AUTH on a connection that is served: re-authentication [MQTT-4.12.1-1].
  void OnAuth(Connection& connection, const mqtt::Frame& frame);

  void OnDecision(Connection& connection, const auth::Decision& decision);

 private:
  void RefuseMalformed(Connection& connection, const mqtt::Connect& connect,
                       const mqtt::Error& error);
  bool MoveTo(Connection& connection, const mqtt::Connect& connect, std::string_view client_id,
              std::string_view bytes, std::string_view assigned_id);
  bool MoveUnnamed(Connection& connection, std::string_view bytes);
  void Leave(Connection& connection, PlaceId target, std::string_view bytes,
             std::string_view assigned_id);
  auth::ConnectRequest MakeRequest(const Connection& connection, const Peer& peer) const;
  void Ask(Connection& connection, const mqtt::Connect& connect, std::string_view packet,
           std::string_view bytes);
  void SendAuth(Connection& connection, mqtt::ReasonCode reason, std::string_view method,
                std::string_view data);
  auth::Authenticator::Done Callback(const Connection& connection) const;
  // The verdict on a CONNECT; `bytes` begins with it.
  void NoteDenied(const Connection& connection, mqtt::ReasonCode reason);
  void DecideConnect(Connection& connection, const mqtt::Connect& connect,
                     const auth::Decision& decision, std::string_view bytes);
  void DecideKept(Connection& connection, const auth::Decision& decision);
  void DecideAgain(Connection& connection, const auth::Decision& decision);

  ShardState& state_;
  Access& access_;
  Sender& sender_;
  Lifecycle& lifecycle_;
};

}  // namespace skein::shard
