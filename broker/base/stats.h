// What a shard counts.
//
// Purpose: the figures of one shard, each with one writer and no locked instruction (counter.h);
// their sum over the shards is the node's (Merge()). broker/metrics names them for operators.
// Owner: each shard its own ShardStats. Thread: counted on the shard's, read on any; what is read
// together is no consistent cut. Life cycle: as long as the shard. Limits: labels have few values,
// all known when the node starts; none is a client's choice.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "broker/base/counter.h"

namespace skein {

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
  kNoSubscriber,     // nobody had subscribed to it, and it was not retained
  kOffline,          // QoS 0 for a session whose client is away
};
inline constexpr std::array<std::string_view, 14> kDropReasonNames = {
    "qos0_slow",   "queue_full",    "queue_bytes",   "total_queue_bytes", "expired",
    "too_large",   "retained_full", "session_ended", "peer_down",         "disk_full",
    "not_allowed", "outbox_full",   "no_subscriber", "qos0_offline"};

// Why the connection of a client ended.
enum class EndReason : uint8_t {
  kClient,          // DISCONNECT
  kClosed,          // the network connection was closed or lost
  kTransportError,  // TLS or WebSocket
  kKeepAlive,
  kTakeover,
  kProtocolError,
  kNotAuthorized,  // credentials that ended, or were not renewed
  kKicked,
  kBanned,
  kDraining,  // the node stops, or the session moves
  kQuota,
  kRate,
  kOther,
};
inline constexpr std::array<std::string_view, 13> kEndReasonNames = {
    "client",         "closed", "transport_error", "keep_alive", "takeover", "protocol_error",
    "not_authorized", "kicked", "banned",          "draining",   "quota",    "rate",
    "other"};

// Why a connection was closed at accept.
enum class ShedReason : uint8_t {
  kDrained,
  kOverloaded,        // max_loop_lag_ms
  kMaxConnections,    // of the node
  kListenerMaximum,   // of the listener
  kMaxHandshakes,     // of the listener
  kConnectionRate,    // of the listener
  kSourceRate,        // of one source
  kNotALoadBalancer,  // proxy_from
};
inline constexpr std::array<std::string_view, 8> kShedReasonNames = {
    "drained",        "overloaded",      "max_connections", "listener_max_connections",
    "max_handshakes", "connection_rate", "source_rate",     "not_a_load_balancer"};

// What became of a CONNECT when its credentials were judged.
enum class AuthResult : uint8_t {
  kSuccess,
  kBadCredentials,
  kNotAuthorized,
  kBanned,
  kBadMethod,
  kError,  // who should know cannot be asked
};
inline constexpr std::array<std::string_view, 6> kAuthResultNames = {
    "success", "bad_credentials", "not_authorized", "banned", "bad_method", "error"};

// A bound that acted; the names are those of docs/configuration.md.
enum class LimitHit : uint8_t {
  kMaxPacketSize,
  kMaxConnectBytes,
  kConnectTimeout,
  kMaxConnections,
  kMaxOutputBytes,
  kReceiveMaximum,
  kMaxInflight,
  kMaxClientIdBytes,
  kTopicAliasMaximum,
  kMaxTopicLevels,
  kMaxSubscriptionsPerSession,
  kMaxSubscriptions,
  kMaxSessions,
  kMaxSessionExpiry,
  kMaxQueuedMessages,
  kMaxQueuedBytes,
  kMaxTotalQueuedBytes,
  kMaxLoopLag,
  kMaxWaitingRecords,
  kMaxOutboxBytes,
  kMaxRetained,
  kFanoutSlice,
  kPublishRate,
  kReserveBytes,
};
inline constexpr std::array<std::string_view, 24> kLimitNames = {"max_packet_size",
                                                                 "max_connect_bytes",
                                                                 "connect_timeout_ms",
                                                                 "max_connections",
                                                                 "max_output_bytes",
                                                                 "receive_maximum",
                                                                 "max_inflight",
                                                                 "max_client_id_bytes",
                                                                 "topic_alias_maximum",
                                                                 "max_topic_levels",
                                                                 "max_subscriptions_per_session",
                                                                 "max_subscriptions",
                                                                 "max_sessions",
                                                                 "max_session_expiry",
                                                                 "max_queued_messages",
                                                                 "max_queued_bytes",
                                                                 "max_total_queued_bytes",
                                                                 "max_loop_lag_ms",
                                                                 "max_waiting_records",
                                                                 "max_outbox_bytes",
                                                                 "max_retained",
                                                                 "fanout_slice",
                                                                 "publish_rate",
                                                                 "storage_reserve_bytes"};

inline constexpr std::array<std::string_view, 16> kPacketTypeLabels = {
    "RESERVED", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
    "PUBREL",   "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
    "PINGREQ",  "PINGRESP", "DISCONNECT", "AUTH"};

inline constexpr std::array<std::string_view, 3> kQosLabels = {"0", "1", "2"};
inline constexpr std::array<std::string_view, 3> kVersionLabels = {"3.1", "3.1.1", "5.0"};

// Counters by the values of an enumeration.
template <typename Enum, size_t N>
struct CountersBy : std::array<Counter, N> {
  void Add(Enum value, uint64_t n = 1) { (*this)[static_cast<size_t>(value)].Add(n); }
};

// Packets of one direction by their first byte, which tells the type and the QoS of a PUBLISH: one
// addition a packet, and what is wanted of it is added up when somebody asks.
class PacketCounters {
 public:
  void Add(uint8_t first_byte, uint64_t n = 1) { by_first_byte_[first_byte].Add(n); }
  void Merge(const PacketCounters& other);

  uint64_t of_type(size_t type) const { return Sum(type << 4, 16); }
  uint64_t publishes(size_t qos) const;
  uint64_t publishes() const { return of_type(3); }
  uint64_t total() const { return Sum(0, by_first_byte_.size()); }

 private:
  uint64_t Sum(size_t first, size_t count) const;

  std::array<Counter, 256> by_first_byte_;
};

// Of one listener. A client of another node's listener counts where its session is, for the
// listener that it is judged by.
struct ListenerStats {
  Counter accepted;
  CountersBy<ShedReason, kShedReasonNames.size()> shed;
  CountersBy<AuthResult, kAuthResultNames.size()> authentications;
  std::array<Gauge, 3> connected;  // by protocol version

  void Merge(const ListenerStats& other);
};

struct alignas(64) ShardStats {
  // --- each message or packet
  Counter bytes_in;
  Counter bytes_out;
  PacketCounters packets_in;
  PacketCounters packets_out;
  Counter payload_in;  // bytes, of PUBLISH
  Counter payload_out;
  std::array<LatencyHistogram, 3> publish_ack;      // by QoS; of 0 there is none
  std::array<LatencyHistogram, 3> publish_deliver;  // by QoS of the delivery
  LatencyHistogram loop_lag;                        // turns of the event loop, without the wait
  Gauge heartbeat;                                  // when the last turn ended, microseconds
  std::array<Counter, 3> forwarded_in;              // publishes from other nodes, by QoS
  std::array<Counter, 3> forwarded_out;

  // --- connections and sessions
  Counter connections_accepted;
  Counter connections_closed;
  Counter connections_refused;  // at accept
  Counter transport_failures;   // TLS, WebSocket or PROXY header: the peer broke its rules
  Counter connect_timeouts;     // connect_timeout_ms
  Counter keep_alive_timeouts;
  Counter takeovers;
  Counter sessions_expired;
  CountersBy<EndReason, kEndReasonNames.size()> disconnects;
  std::vector<ListenerStats> listeners;  // made before the shard runs
  Gauge sessions;
  Gauge subscriptions;
  Gauge relays;  // clients of other nodes' sessions that are connected here

  // --- drops, refusals, limits
  CountersBy<DropReason, kDropReasonNames.size()> messages_dropped;
  CountersBy<LimitHit, kLimitNames.size()> limit_hits;
  std::array<Counter, 256> refusals;  // connections and publishes we refused, by reason code
  Counter auth_refused;
  Counter access_refused;                    // by the access rules
  std::array<Counter, 2> publish_allowed;    // the rules were asked: no, yes
  std::array<Counter, 2> subscribe_allowed;  // the same
  Counter mailbox_full;
  Counter publish_rate_limited;  // a client was over its listener's publish_rate or publish_bytes
  Counter reads_paused;          // a connection was not read for a while: too much of it waits

  // --- wills, shared groups, retained messages
  Counter wills_sent;
  Counter messages_redispatched;  // a member of a shared group went, another one has its message

  // --- the cluster
  Gauge outbox_messages;  // for durable sessions on nodes that are away
  Gauge outbox_bytes;
  Gauge outbox_since;  // since when the longest of its queues has not been empty, ms; 0: all are
  Counter outbox_stored;
  Counter outbox_sent;       // and taken by the owner, or expired
  Gauge route_lag;           // changes of its routes that the slowest other shard has not applied
  Counter route_divergence;  // another shard's routes were not here what they are there
  Counter retained_divergence;  // retained messages and removals that a peer had to tell again
  Counter trace_events;         // steps that were written down for the traces that are on
  Counter trace_events_lost;    // and that had to go for newer ones before somebody read them
  Counter handovers_out;
  Counter handovers_in;
  Counter handovers_failed;   // given up, by the giver
  LatencyHistogram handover;  // how long publishers were held

  void Drop(DropReason reason, uint64_t n = 1) { messages_dropped.Add(reason, n); }
  void Hit(LimitHit limit) { limit_hits.Add(limit); }

  // Adds another shard's, gauges too; but of heartbeat and outbox_since, the earliest counts, of
  // route_lag the greatest.
  void Merge(const ShardStats& other);
};

}  // namespace skein
