// What clients do, as messages below $SYS.
//
// Purpose: tells subscribers on all nodes who connects and who goes:
// $SYS/brokers/{node}/clients/{client_id}/connected and .../disconnected, with a JSON object. In
// the client id '%', '/', '+', '#' and control characters are written as %XX, for a topic name has
// no room for them. QoS 0, not retained. Off unless ShardOptions::client_events is set: each costs
// a publish, and a client id may say more than everybody should know. Thread: confined to the
// shard. Limits: as any publish at QoS 0: what cannot be taken at once is dropped and counted.
#pragma once

#include <string>
#include <string_view>

#include "broker/shard/dispatcher.h"
#include "broker/shard/state.h"

namespace skein::shard {

class ClientEvents {
 public:
  ClientEvents(ShardState* state, Dispatcher* dispatcher)
      : state_(*state), dispatcher_(*dispatcher) {}

  // Both of a connection with a session.
  void Connected(const Connection& connection) {
    if (state_.options.client_events) [[unlikely]]
      TellConnected(connection);
  }
  void Disconnected(const Connection& connection, EndReason why) {
    if (state_.options.client_events) [[unlikely]]
      TellDisconnected(connection, why);
  }

  // A client id as one level of a topic.
  static std::string LevelOf(std::string_view client_id);

 private:
  void TellConnected(const Connection& connection);
  void TellDisconnected(const Connection& connection, EndReason why);
  void Tell(std::string_view client_id, std::string_view what, std::string_view payload);

  ShardState& state_;
  Dispatcher& dispatcher_;
};

}  // namespace skein::shard
