// What a shard counts.
//
// Purpose: one writer, any number of readers, no locked instruction: a counter is a plain 64-bit
// word that another thread may read at any time. The sum over the shards is the node's figure.
// Owner: each shard its own ShardStats. Thread:
// Add()/Set() on the shard's, value() and Visit() on any; values of one visit are not a consistent
// cut. Life cycle: as long as the shard.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skein {

// Only grows.
class Counter {
 public:
  void Add(uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down.
class Gauge {
 public:
  void Add(int64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Set(int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Why a message did not reach a subscriber, or was not retained.
enum class DropReason : uint8_t {
  kOutputFull,       // QoS 0 towards a slow reader
  kQueueFull,        // max_queued_messages of the session
  kQueueBytes,       // max_queued_bytes of the session
  kTotalQueueBytes,  // max_total_queued_bytes of the node
  kExpired,          // Message Expiry Interval ran out while it waited
  kPacketTooLarge,   // larger than the client's Maximum Packet Size [MQTT-3.1.2-24]
  kRetainedFull,     // max_retained_messages or max_retained_bytes: delivered, not retained
  kSessionEnded,     // the session ended with messages in its queue
  kPeerDown,         // for a durable session on a node that is away: the publisher is told
  kDiskFull,         // a durable session, and the disk is nearly full: the publisher is told
  kNotAuthorized,    // the access rules do not let the subscriber have it
  kOutboxFull,       // for a durable session on a node that is away, and max_outbox_bytes is
                     // reached: the publisher is told
};
inline constexpr size_t kDropReasons = 12;

inline constexpr std::array<std::string_view, kDropReasons> kDropReasonNames = {
    "output_full", "queue_full",       "queue_bytes",    "total_queue_bytes",
    "expired",     "packet_too_large", "retained_full",  "session_ended",
    "peer_down",   "disk_full",        "not_authorized", "outbox_full"};

inline constexpr std::array<std::string_view, 16> kPacketTypeLabels = {
    "reserved", "connect",  "connack",    "publish", "puback",      "pubrec",
    "pubrel",   "pubcomp",  "subscribe",  "suback",  "unsubscribe", "unsuback",
    "pingreq",  "pingresp", "disconnect", "auth"};

inline constexpr std::array<std::string_view, 3> kQosLabels = {"0", "1", "2"};

// One value in a visit. label: empty when the figure stands alone, else the name of what
// `label_value` tells apart.
struct Stat {
  std::string_view name;
  std::string_view label;
  std::string_view label_value;
  int64_t value;
  bool gauge;
};

struct alignas(64) ShardStats {
  Counter connections_accepted;
  Counter connections_closed;
  Counter connections_refused;  // max_connections
  Counter transport_failures;   // TLS, WebSocket or PROXY header: the peer broke its rules
  Counter connect_timeouts;     // connect_timeout_ms
  Counter keep_alive_timeouts;

  Counter bytes_in;
  Counter bytes_out;
  std::array<Counter, 16> packets_in;  // by packet type
  std::array<Counter, 16> packets_out;
  std::array<Counter, 3> publishes_in;  // by QoS
  std::array<Counter, 3> publishes_out;
  std::array<Counter, kDropReasons> messages_dropped;

  Gauge sessions;
  Gauge subscriptions;
  Gauge outbox_messages;  // for durable sessions on nodes that are away
  Gauge outbox_bytes;
  Counter outbox_stored;
  Counter outbox_sent;  // and taken by the owner, or expired
  Counter takeovers;
  Counter wills_sent;
  Counter messages_redispatched;  // a member of a shared group went, another one has its message
  Counter auth_refused;
  Counter access_refused;  // by the access rules
  Counter mailbox_full;
  Counter publish_rate_limited;  // a client was over its listener's publish_rate or publish_bytes
  Counter reads_paused;          // a connection was not read for a while: too much of it waits
  Gauge route_lag;           // changes of its routes that the slowest other shard has not applied
  Counter route_divergence;  // another shard's routes were not here what they are there
  Counter retained_divergence;  // retained messages and removals that a peer had to tell again
  std::array<Counter, 256> refusals;  // connections and publishes we refused, by reason code

  void Drop(DropReason reason, uint64_t n = 1) {
    messages_dropped[static_cast<size_t>(reason)].Add(n);
  }

  // Calls visit(const Stat&) for each figure. Refusals are given only for the codes that
  // occurred.
  template <typename V>
  void Visit(V&& visit) const;

 private:
  template <typename V, size_t N>
  static void VisitEach(V& visit, std::string_view name, std::string_view label,
                        const std::array<Counter, N>& counters,
                        const std::array<std::string_view, N>& values) {
    for (size_t i = 0; i < N; ++i) {
      visit(Stat{name, label, values[i], static_cast<int64_t>(counters[i].value()), false});
    }
  }
};

template <typename V>
void ShardStats::Visit(V&& visit) const {
  const auto one = [&visit](std::string_view name, const Counter& counter) {
    visit(Stat{name, {}, {}, static_cast<int64_t>(counter.value()), false});
  };
  one("connections_accepted", connections_accepted);
  one("connections_closed", connections_closed);
  one("connections_refused", connections_refused);
  one("transport_failures", transport_failures);
  one("connect_timeouts", connect_timeouts);
  one("keep_alive_timeouts", keep_alive_timeouts);
  one("bytes_in", bytes_in);
  one("bytes_out", bytes_out);
  VisitEach(visit, "packets_in", "type", packets_in, kPacketTypeLabels);
  VisitEach(visit, "packets_out", "type", packets_out, kPacketTypeLabels);
  VisitEach(visit, "publishes_in", "qos", publishes_in, kQosLabels);
  VisitEach(visit, "publishes_out", "qos", publishes_out, kQosLabels);
  VisitEach(visit, "messages_dropped", "reason", messages_dropped, kDropReasonNames);
  visit(Stat{"sessions", {}, {}, sessions.value(), true});
  visit(Stat{"subscriptions", {}, {}, subscriptions.value(), true});
  visit(Stat{"outbox_messages", {}, {}, outbox_messages.value(), true});
  visit(Stat{"outbox_bytes", {}, {}, outbox_bytes.value(), true});
  one("outbox_stored", outbox_stored);
  one("outbox_sent", outbox_sent);
  one("takeovers", takeovers);
  one("wills_sent", wills_sent);
  one("messages_redispatched", messages_redispatched);
  one("auth_refused", auth_refused);
  one("access_refused", access_refused);
  one("mailbox_full", mailbox_full);
  one("publish_rate_limited", publish_rate_limited);
  one("reads_paused", reads_paused);
  visit(Stat{"route_lag", {}, {}, route_lag.value(), true});
  one("route_divergence", route_divergence);
  one("retained_divergence", retained_divergence);
  for (size_t code = 0; code < refusals.size(); ++code) {
    const uint64_t count = refusals[code].value();
    if (count == 0) continue;
    constexpr std::string_view kDigits = "0123456789abcdef";
    const char text[] = {'0', 'x', kDigits[code >> 4], kDigits[code & 15]};
    visit(Stat{"refusals", "code", {text, sizeof(text)}, static_cast<int64_t>(count), false});
  }
}

}  // namespace skein
