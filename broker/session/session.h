// The MQTT session behind a client id.
//
// Purpose: what outlives a network connection: subscriptions, both directions' handshakes, the
// queue, the will, the expiry interval. A session is durable when it is to survive its connection
// (expiry > 0, or clean session 0 in 3.x): then it is also recorded through SessionStore. A
// transient one dies with its connection. Owner and thread: its shard's SessionTable; confined to
// the shard. Pure: decisions come back as values. Limits: Limits (subscriptions, queue, window).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "broker/base/limits.h"
#include "broker/base/timer_wheel.h"
#include "broker/base/types.h"
#include "broker/routing/subscription_table.h"
#include "broker/session/delivery.h"
#include "broker/session/inbound.h"
#include "broker/session/outbound.h"
#include "broker/session/store.h"

namespace skein::auth {
struct Principal;
}

namespace skein::session {

inline constexpr uint32_t kExpiryNever =
    UINT32_MAX;  // Session Expiry Interval 0xFFFFFFFF [MQTT-3.1.2.11.2]

// A will as the client gave it; the message is stamped anew when it is published.
struct Will {
  mqtt::MessagePtr message;
  uint32_t delay_seconds = 0;
  bool trusted = false;  // see WillRecord
};

// The part of a durable session's queue that is in the store only. While the session is offline
// that is all of it, sent and waiting; a client that comes back is given it a page at a time.
struct StoredQueue {
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint64_t next = 1;    // sequence from which the next page is read
  uint64_t oldest = 1;  // no waiting message has a lower sequence
  Lsn last_lsn = 0;     // of the newest record about it
  uint64_t read = 0;    // the page that was asked for, 0 = none
  TimeMs since = 0;     // about when its oldest message came; not earlier than the broker's start
};

class Session {
 public:
  // Index of the connection that serves the session, in its shard.
  using ConnectionSlot = uint32_t;
  static constexpr ConnectionSlot kOffline = UINT32_MAX;

  // token: unique on the node, marks this session's publishes for No Local.
  Session(std::string client_id, SessionSlot slot, uint64_t token);

  static constexpr uint8_t kTimerKind = 1;

  const std::string& client_id() const { return client_id_; }
  // The same for a client id on every node; never 0.
  uint32_t client_hash() const { return client_hash_; }
  SessionSlot slot() const { return slot_; }
  uint64_t token() const { return token_; }

  bool connected() const { return connection != kOffline; }
  bool durable() const { return expiry_seconds > 0; }

  // The directions exist from their first QoS 1/2 message on, so that an idle session stays small.
  Outbound& outbound();
  Inbound& inbound();
  Outbound* outbound_if_any() { return outbound_.get(); }
  const Outbound* outbound_if_any() const { return outbound_.get(); }
  Inbound* inbound_if_any() { return inbound_.get(); }
  const Inbound* inbound_if_any() const { return inbound_.get(); }
  // About when the oldest message that waits came; kNever: none waits.
  TimeMs queued_since() const {
    if (outbound_ != nullptr && !outbound_->queue_empty())
      return outbound_->front().message->received_at();
    return stored.messages > 0 ? stored.since : kNever;
  }
  bool has_queued() const {
    return stored.messages > 0 || (outbound_ != nullptr && !outbound_->queue_empty());
  }
  // Forgets what was in memory: the store has it.
  void DropOutbound(QueueBudget* budget) {
    if (outbound_ != nullptr) outbound_->ClearQueue(budget);
    outbound_.reset();
  }

  // The number of the next delivery of a durable session.
  uint64_t NextSequence() { return ++last_sequence_; }
  uint64_t last_sequence() const { return last_sequence_; }
  void RestoreSequence(uint64_t sequence) { last_sequence_ = std::max(last_sequence_, sequence); }

  // When the session must be looked at next while it is offline: the earlier of will and expiry;
  // kNever if neither.
  TimeMs NextDeadline() const;

  TimerEntry& timer() { return timer_; }

  using Subscriptions = absl::flat_hash_map<routing::FilterId, routing::SubscriptionHandle>;
  Subscriptions subscriptions;

  ConnectionSlot connection = kOffline;
  uint32_t expiry_seconds = 0;
  uint32_t match_position = 0;  // scratch of the matcher, see shard/matcher.h
  uint64_t match_stamp = 0;
  TimeMs expires_at = kNever;  // while offline
  TimeMs will_due = kNever;    // while offline, or kNever
  std::unique_ptr<Will> will;
  uint8_t version = 4;
  // Its messages are asked about one by one (broker/shard/access.h).
  bool check_each = false;
  // Restored, and its client has not been back: what it may do is not known.
  bool rules_unknown = false;
  // It is or was a member of shared groups.
  bool shares = false;
  uint32_t access_epoch = 0;  // of the rules its subscriptions were judged with
  // Who the client is; null: anonymous.
  std::shared_ptr<const auth::Principal> principal;
  SessionKey key;  // number 0: the store does not know it
  StoredQueue stored;

  bool recorded() const { return key.number != 0; }

 private:
  std::string client_id_;
  std::unique_ptr<Outbound> outbound_;
  std::unique_ptr<Inbound> inbound_;
  TimerEntry timer_;
  uint64_t token_;
  uint64_t last_sequence_ = 0;
  SessionSlot slot_;
  uint32_t client_hash_;
};

// When a session that goes offline at `now` expires.
TimeMs ExpiryDeadline(TimeMs now, uint32_t expiry_seconds);

// When its will is due: after the delay, or when the session ends if that is earlier [MQTT-3.1.2-8]
// [MQTT-3.1.3-9].
TimeMs WillDeadline(TimeMs now, uint32_t delay_seconds, uint32_t expiry_seconds);

}  // namespace skein::session
