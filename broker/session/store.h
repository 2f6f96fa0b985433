// The port through which a shard makes durable sessions durable.
//
// Purpose: a durable session is a stream of records and the state that follows from applying them.
// A shard appends records while it works through a tick and commits once at its end; a promise to a
// client (PUBACK, SUBACK, CONNACK ...) that depends on a record is held back until durable() has
// reached the record's number. The messages a session waits for stay in the store: the shard knows
// only how many they are, and reads them a page at a time when a client comes for them.
// Thread: one instance a shard, confined to it. An implementation with threads of its own wakes the
// shard's loop when durable() moved or a page came. Life: Recover() once for the shard's partitions
// before the first Append(). Errors: an implementation that cannot keep what it was given aborts
// the process; a retry would make the promise a lie.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

// Names a durable session in the store: its partition, and a number that is unique there and never
// used again.
struct SessionKey {
  PartitionId partition = 0;
  uint64_t number = 0;  // 0 = the store does not know the session
  auto operator<=>(const SessionKey&) const = default;
};

struct WillRecord {
  mqtt::MessagePtr message;
  uint32_t delay_seconds = 0;
  // Whose rights count when it is published after a restart; trusted: rules that came with the
  // credentials had a say, so they were asked at CONNECT for good.
  std::string user_name;
  bool trusted = false;
};

// --- records -------------------------------------------------------------------------------------
// A client connected: creates the session if there is none. A will replaces the one before.
struct Connected {
  std::string_view client_id;
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
// The session is over, with all that belongs to it.
struct Ended {};
struct Subscribed {
  std::string_view filter;  // as in SUBSCRIBE
  routing::SubscriptionOptions options;
};
struct Unsubscribed {
  std::string_view filter;
};
// A message entered the session's queue; sequences ascend. packet_id: it was sent with it at once,
// 0 = it waits.
struct Enqueued {
  uint64_t sequence = 0;
  mqtt::MessagePtr message;
  std::span<const uint32_t> subscription_ids;
  Qos qos = Qos::kAtLeastOnce;
  bool retain = false;
  PacketId packet_id = 0;
  routing::ShareRef share{};  // the shared group that it came through, if any
};
// It was sent with this packet id. Messages are sent in the order of their sequences.
struct Sent {
  uint64_t sequence = 0;
  PacketId packet_id = 0;
};
// PUBREC came for it.
struct Released {
  uint64_t sequence = 0;
};
// Its handshake is over, or it was dropped (expired, too large): it leaves the queue. cost: as the
// message counted in the queue.
struct Completed {
  uint64_t sequence = 0;
  uint64_t cost = 0;
};
// All waiting messages with a lower sequence leave the queue, but for those that were sent: the
// queue was full. cost: what they counted, or an estimate.
struct DroppedOldest {
  uint64_t below = 0;
  uint64_t messages = 0;
  uint64_t cost = 0;
};
// QoS 2 PUBLISH taken from the client, not yet released; and released by PUBREL. once: names the
// message to other nodes, however often it is sent; 0: it went to none. It is odd where it was
// taken, and what goes to sessions of that node is safe; even where the session has moved to since.
struct InboundTaken {
  PacketId packet_id = 0;
  uint64_t once = 0;
  bool operator==(const InboundTaken&) const = default;
};
struct InboundReleased {
  PacketId packet_id = 0;
};

using RecordBody =
    std::variant<Connected, Disconnected, WillDone, Ended, Subscribed, Unsubscribed, Enqueued, Sent,
                 Released, Completed, DroppedOldest, InboundTaken, InboundReleased>;

// Records of several shards, or of several ticks of one, that become durable together or not at
// all. Complete when Close() was called once for each part, each time when the part's records have
// been appended. Thread: the count is the store's own, guarded by its hand-over lock.
struct CommitGroup {
  uint32_t open_parts = 1;
};
using CommitGroupPtr = std::shared_ptr<CommitGroup>;

// --- the state that follows ----------------------------------------------------------------------
// What Recover() tells of a session. Its queue stays in the store.
struct SessionImage {
  SessionKey key;
  std::string client_id;
  uint32_t expiry_seconds = 0;
  uint8_t version = 4;
  TimeMs disconnected_at = kNever;  // kNever: it was connected when the records end
  std::optional<WillRecord> will;
  TimeMs will_due = kNever;
  std::vector<std::pair<std::string, routing::SubscriptionOptions>> subscriptions;
  std::vector<InboundTaken> inbound;
  // The queue, sent and waiting: from which sequence on, the highest so far, how many, what they
  // cost. last_sent: no waiting message has a lower sequence; 0 = none was sent.
  uint64_t first_sequence = 1;
  uint64_t last_sequence = 0;
  uint64_t last_sent = 0;
  uint64_t queued_messages = 0;
  uint64_t queued_bytes = 0;
};

// One message of a page.
struct StoredDelivery {
  uint64_t sequence = 0;
  mqtt::MessagePtr message;  // null once released
  std::vector<uint32_t> subscription_ids;
  Qos qos = Qos::kAtLeastOnce;
  bool retain = false;
  PacketId packet_id = 0;  // 0 = not sent yet
  bool released = false;
  uint64_t cost = 0;
  routing::ShareRef share;
};

// Asks for the messages of a queue from a sequence on, in ascending order.
struct QueueRead {
  SessionKey key;
  uint64_t token = 0;  // of the asker; comes back with the page
  uint64_t from = 1;
  uint32_t max_messages = 0;
  uint64_t max_bytes = 0;  // at least one message is given
  Lsn after = 0;           // the page shows all of this shard's records up to here
};

struct QueuePage {
  SessionKey key;
  uint64_t token = 0;
  std::vector<StoredDelivery> entries;
  uint64_t next = 1;  // where the next page begins
  bool end = false;   // nothing was stored from `next` on
};

class SessionStore {
 public:
  virtual ~SessionStore() = default;

  // Adds a record to the open batch, returns its number. Views in `body` need to live only during
  // the call. group: the record belongs to it.
  virtual Lsn Append(const SessionKey& key, const RecordBody& body,
                     const CommitGroupPtr& group) = 0;
  Lsn Append(const SessionKey& key, const RecordBody& body) { return Append(key, body, {}); }

  // What is retained under the message's topic changed (RetainedStore knows how).
  virtual Lsn AppendRetained(const mqtt::MessagePtr& message) = 0;

  // A group that is not complete gets one part more; one part has all its records, with the next
  // Commit().
  virtual void Open(const CommitGroupPtr& group) = 0;
  virtual void Close(const CommitGroupPtr& group) = 0;

  // The Enqueued record with this number need not be written any more: its subscriber has
  // acknowledged. False: too late, it is being written or has been; append Completed then.
  virtual bool Cancel(Lsn lsn) = 0;

  // Closes the batch and starts to make it durable.
  virtual void Commit() = 0;

  // All records up to this one are durable.
  virtual Lsn durable() const = 0;

  // New durable work should be refused: the disk is nearly full.
  virtual bool full() const = 0;

  // Asks for a page. It comes by TakePages(), any time later.
  virtual void ReadQueue(const QueueRead& request) = 0;

  // Appends the pages that have come since.
  virtual void TakePages(std::vector<QueuePage>* pages) = 0;

  // Yields every session the store holds for this shard, in no order.
  virtual void Recover(const std::function<void(const SessionImage&)>& visit) = 0;
};

}  // namespace skein::session
