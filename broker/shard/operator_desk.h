// What operators do to a shard.
//
// Purpose: ends connections and sessions, publishes, and looks into queues, in the shard's own
// words, so that clients, stores and other nodes see nothing that they do not know already. Owner
// and thread: Core, confined to the shard; orders of Question call it. Limits: kPeeks looks into
// queues at a time. Errors: values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/mqtt/message.h"
#include "broker/session/store.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/lifecycle.h"
#include "broker/shard/state.h"

namespace skein::shard {

class OperatorDesk {
 public:
  static constexpr uint64_t kPageBit = uint64_t{1} << 59;
  static constexpr size_t kPeeks = 16;

  OperatorDesk(ShardState* state, Dispatcher* dispatcher, Lifecycle* lifecycle)
      : state_(*state), dispatcher_(*dispatcher), lifecycle_(*lifecycle) {}

  enum class Result : uint8_t { kDone, kUnknown, kMoving };

  // Ends the client's connection, wherever its network end is: DISCONNECT 0x98. kUnknown: it has
  // none.
  Result Kick(std::string_view client_id);
  // Ends the session, its connection before. *lsn: it is gone for good when that is durable.
  Result EndSession(std::string_view client_id, session::Lsn* lsn);

  // A publish on its way. What it has to wait for is over when Arrived() says so.
  struct Publication {
    bool matched = false;        // somebody wants it
    bool retained_full = false;  // it asked to be retained, and there is no room
    bool refused = false;        // a durable session could not take it
    session::Lsn lsn = 0;
    bool answered = true;  // by all it went to
  };
  // As from a client without limits; received now.
  std::shared_ptr<Publication> Publish(const mqtt::MessagePtr& message);
  // What the broker keeps for itself: retained here and on all nodes, delivered to nobody.
  std::shared_ptr<Publication> Keep(const mqtt::MessagePtr& message);
  bool Arrived(const Publication& publication) const {
    return publication.answered && publication.lsn <= state_.ports.store->durable();
  }

  // The first messages of a queue, in flight or waiting.
  struct Peek {
    std::vector<session::StoredDelivery> messages;
    bool done = false;
  };
  // Null: there is no such session, or too many look already (*busy).
  std::shared_ptr<Peek> Look(std::string_view client_id, size_t limit, bool* busy);
  void OnPage(session::QueuePage* page);

 private:
  bool Moves(const session::Session& session) const {
    return session.recorded() && state_.frozen.contains(session.key.partition);
  }

  ShardState& state_;
  Dispatcher& dispatcher_;
  Lifecycle& lifecycle_;
  uint64_t next_peek_ = 0;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Peek>> peeks_;
};

}  // namespace skein::shard
