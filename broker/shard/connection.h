// The protocol side of one network connection.
//
// Purpose: what belongs to the connection and not to the session: version, keep alive, topic
// aliases, packet limits, a partial packet, output waiting to be written, replies waiting for their
// promise. It holds the descriptor as a number only; reading and writing is the shard runner's.
// Owner and thread: ConnectionTable of one shard. An idle connection owns no buffers.
// Limits: Limits (packet size, output bytes, aliases).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/auth/authenticator.h"
#include "broker/base/rate.h"
#include "broker/base/timer_wheel.h"
#include "broker/base/types.h"
#include "broker/mqtt/constants.h"
#include "broker/mqtt/out_queue.h"
#include "broker/shard/replies.h"

namespace skein::shard {

using ConnectionSlot = uint32_t;

struct TopicAliases {
  std::vector<std::string> inbound;                     // index alias - 1; empty = not set
  absl::flat_hash_map<std::string, uint16_t> outbound;  // topics we gave an alias
};

// A conversation that has not come to a verdict: the CONNECT waits in `packet`, or a connected
// client re-authenticates.
struct AuthState {
  std::unique_ptr<auth::Exchange> exchange;
  std::string packet;  // the whole CONNECT, views into it are made again for each step
  std::string method;
  std::string assigned_id;  // the authenticator's choice for a client that brought no client id
  bool pending = false;     // the authenticator has the word
  bool reauthenticating = false;
};

// What this client was allowed to publish to last.
struct AllowedPublish {
  std::string topic;
  uint32_t epoch = 0;  // of the rules
  bool retain = false;
};

// What this client has published lately.
struct PublishRates {
  Rate messages;
  Rate bytes;
  TimeMs over_since = 0;  // since when it has been over without a rest; 0: it is not
  TimeMs ready_at() const { return std::max(messages.ready_at(), bytes.ready_at()); }
  TimeMs even_at() const { return std::max(messages.even_at(), bytes.even_at()); }
};

struct Connection {
  enum class State : uint8_t {
    kFree,
    kAwaitConnect,    // nothing accepted yet
    kAuthenticating,  // CONNECT is here, the verdict is not
    kConnecting,      // session attached, CONNACK waits for its promise
    kServing,
    kMoved,      // leaves for another shard, the descriptor stays open
    kLingering,  // last bytes are on their way, then the write side shuts; what arrives is thrown
                 // away
    kDead,       // to be closed by the runner at the end of the tick
  };
  static constexpr uint8_t kTimerKind = 0;

  explicit Connection(ConnectionSlot s) : timer(kTimerKind, s), slot(s) {}

  bool open() const { return state != State::kFree && state < State::kMoved; }
  bool v5() const { return version == mqtt::ProtocolVersion::k5; }

  mqtt::OutQueue out;
  TimerEntry timer;
  TimeMs last_activity = 0;
  TimeMs expires_at = kNever;  // its credentials do
  TimeMs connected_at = 0;     // when its CONNECT was accepted
  session::PartitionId partition = 0;
  // Its CONNECT waits until `partition`, which moves, has arrived.
  bool awaits_partition = false;
  std::string partial;  // an incomplete packet
  std::unique_ptr<HeldReplies> held;
  std::unique_ptr<TopicAliases> aliases;
  std::unique_ptr<AuthState> auth;
  std::unique_ptr<AllowedPublish> allowed_publish;
  std::unique_ptr<PublishRates> rates;  // of a listener that limits them

  // Lingering: the client may see the end of its connection when this record is durable.
  session::Lsn linger_until = 0;

  int fd = -1;
  ConnectionSlot slot;
  uint32_t generation = 0;
  SessionSlot session = kNoSession;
  uint32_t maximum_packet_size = UINT32_MAX;  // towards the client
  uint32_t partial_size = 0;     // bytes the partial packet will have, 0 = not known yet
  uint16_t keep_alive = 0;       // seconds
  uint32_t waiting_sends = 0;    // messages in flight that wait for the store before they go out
  uint16_t receive_maximum = 0;  // towards the client
  uint16_t topic_alias_maximum_out = 0;
  uint16_t listener = 0;
  // Where the client is connected, if that is another node: a PlaceId.
  static constexpr uint16_t kHere = UINT16_MAX;
  uint16_t edge = kHere;
  State state = State::kFree;
  mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k311;
  bool problem_information = true;
  bool dirty = false;        // is in Outputs::dirty
  bool read_paused = false;  // the runner must not read
  bool waiting = false;      // is in the shard's list of connections with held replies
  bool write_shut = false;   // runner: lingering has shut the write side
  bool write_armed = false;  // runner: waits for writability
  bool handshaking = false;  // runner: counts among its listener's handshakes
  bool read_again = false;   // runner: its transport holds input that no event will announce
  bool read_armed = true;    // runner: waits for readability
};

}  // namespace skein::shard
