// The port through which a shard makes durable sessions durable.
//
// Purpose: a durable session is a stream of records and the state that follows from applying them.
// A shard appends records while it works through a tick and commits once at its end; a promise to a
// client (PUBACK, SUBACK, CONNACK ...) that depends on a record is held back until durable() has
// reached the record's number. Thread: one instance a shard, confined to it. An implementation with
// threads of its own tells the shard's loop when durable() moved. Life: Recover() once for the
// shard's partitions before the first Append(). Errors: an implementation that cannot keep what it
// was given aborts the process; a retry would make the promise a lie.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/base/types.h"
#include "broker/mqtt/message.h"
#include "broker/routing/subscription_table.h"
#include "broker/session/delivery.h"

namespace skein::session {

// Log sequence number: numbers the records of one shard's store, from 1.
using Lsn = uint64_t;

// A slice of the durable sessions: hash(client id) % partition count.
using PartitionId = uint32_t;

struct WillRecord {
  mqtt::MessagePtr message;
  uint32_t delay_seconds = 0;
};

// --- records; each names its session by client id
// ------------------------------------------------------------------- A client connected: creates
// the session if there is none. A will replaces the one before.
struct Connected {
  uint32_t expiry_seconds = 0;
  uint8_t version = 4;
  std::optional<WillRecord> will;
};
// The connection ended. The will, if still wanted, is due at will_due (kNever: not wanted).
struct Disconnected {
  TimeMs at = 0;
  uint32_t expiry_seconds = 0;
  TimeMs will_due = kNever;
};
struct WillDone {};
struct Ended {};
struct Subscribed {
  std::string_view filter;  // as in SUBSCRIBE
  routing::SubscriptionOptions options;
};
struct Unsubscribed {
  std::string_view filter;
};
// A message entered the session's queue.
struct Enqueued {
  uint64_t sequence = 0;
  mqtt::MessagePtr message;
  std::span<const uint32_t> subscription_ids;
  Qos qos = Qos::kAtLeastOnce;
  bool retain = false;
};
// It was sent with this packet id.
struct Sent {
  uint64_t sequence = 0;
  PacketId packet_id = 0;
};
// PUBREC came for it.
struct Released {
  uint64_t sequence = 0;
};
// Its handshake is over, or it was dropped (expired, too large): it leaves the queue.
struct Completed {
  uint64_t sequence = 0;
};
// QoS 2 PUBLISH taken from the client, not yet released; and released by PUBREL.
struct InboundTaken {
  PacketId packet_id = 0;
};
struct InboundReleased {
  PacketId packet_id = 0;
};

using RecordBody = std::variant<Connected, Disconnected, WillDone, Ended, Subscribed, Unsubscribed,
                                Enqueued, Sent, Released, Completed, InboundTaken, InboundReleased>;

// --- the state that follows
// -----------------------------------------------------------------------------------------
struct StoredDelivery {
  mqtt::MessagePtr message;
  std::vector<uint32_t> subscription_ids;
  Qos qos = Qos::kAtLeastOnce;
  bool retain = false;
  PacketId packet_id = 0;  // 0 = not sent yet
  bool released = false;
};

struct SessionImage {
  std::string client_id;
  uint32_t expiry_seconds = 0;
  uint8_t version = 4;
  // kNever: it was connected when the records end.
  TimeMs disconnected_at = kNever;
  std::optional<WillRecord> will;
  TimeMs will_due = kNever;
  std::map<std::string, routing::SubscriptionOptions> subscriptions;
  std::map<uint64_t, StoredDelivery> queue;  // by sequence; also what is in flight
  std::vector<uint64_t> sent_order;          // sequences in the order their packet ids were given
  std::vector<PacketId> inbound;
};

class SessionStore {
 public:
  virtual ~SessionStore() = default;

  // Adds a record to the open batch, returns its number. Views in `body` need to live only during
  // the call.
  virtual Lsn Append(std::string_view client_id, const RecordBody& body) = 0;

  // Closes the batch and starts to make it durable.
  virtual void Commit() = 0;

  // All records up to this one are durable.
  virtual Lsn durable() const = 0;

  // Yields every session the store holds for this shard, in no order.
  virtual void Recover(const std::function<void(const SessionImage&)>& visit) = 0;
};

}  // namespace skein::session
