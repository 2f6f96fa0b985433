// Every bound of the broker, with its default.
//
// Purpose: one place that names how large any queue, table, window or packet may become. What
// happens at the bound stands beside it; each action is counted in base/stats.h. Keys in the
// configuration file carry the same names below `limits.`. Thread: a plain value, copied into each
// shard at start.
#pragma once

#include <cstdint>

#include "broker/base/types.h"

namespace skein {

// Which message goes when a session's queue is full.
enum class QueueDrop : uint8_t {
  kNewest,  // the one that just came
  kOldest,  // the one that has waited longest and was not sent
};

struct Limits {
  // --- packets and connections
  // ----------------------------------------------------------------------------- Largest packet
  // accepted, fixed header included; bytes. Larger: DISCONNECT 0x95 (v5) or close.
  uint32_t max_packet_size = 16u << 20;
  // Largest CONNECT accepted, so that a stranger cannot make the broker keep more; bytes. Larger:
  // close.
  uint32_t max_connect_bytes = 512u << 10;
  // Time from accept to a complete CONNECT; milliseconds. Later: close.
  TimeMs connect_timeout_ms = 10'000;
  // Network connections a node; more are closed at accept.
  uint32_t max_connections = 1'000'000;
  // Keep alive the server imposes when the client asks for more, or for none; seconds, 0 = leave
  // the client's.
  uint16_t server_keep_alive = 0;
  // Bytes waiting in one connection's output. Beyond: QoS 0 is dropped, QoS 1/2 wait in the
  // session's queue.
  uint32_t max_output_bytes = 1u << 20;
  // QoS 1/2 PUBLISH a client may have unacknowledged towards us (Receive Maximum in CONNACK).
  // Beyond: 0x93.
  uint16_t receive_maximum = 1024;
  // QoS 1/2 PUBLISH in flight towards a client, or its Receive Maximum if smaller. Beyond: wait in
  // the queue.
  uint16_t max_inflight = 256;
  // Length of a client id; bytes. Beyond: CONNACK 0x85.
  uint16_t max_client_id_bytes = 65'535;
  // Topic aliases a client may set on its connection. Beyond: DISCONNECT 0x94.
  uint16_t topic_alias_maximum = 32;
  // Topic aliases we set towards a client that allows them. Beyond: full topic names.
  uint16_t topic_alias_maximum_out = 32;

  // --- topics and subscriptions
  // ---------------------------------------------------------------------------- Levels in a topic
  // name or filter. Beyond: 0x90 for a PUBLISH, 0x8F for a SUBSCRIBE.
  uint16_t max_topic_levels = 128;
  // Subscriptions of one session. Beyond: SUBACK 0x97.
  uint32_t max_subscriptions_per_session = 10'000;
  // Subscriptions a node. Beyond: SUBACK 0x97.
  uint64_t max_subscriptions = 50'000'000;

  // --- sessions and queues
  // --------------------------------------------------------------------------------- Sessions a
  // node, connected or not. Beyond: CONNACK 0x97 for new ones.
  uint64_t max_sessions = 10'000'000;
  // Longest Session Expiry Interval granted; seconds, 0xFFFFFFFF = any. A longer wish is cut and
  // said in CONNACK.
  uint32_t max_session_expiry = UINT32_MAX;
  // Messages waiting in one session's queue. Beyond: what queue_drop says, counted.
  uint32_t max_queued_messages = 10'000;
  QueueDrop queue_drop = QueueDrop::kNewest;
  // Bytes of messages waiting in one session's queue. Beyond: as above.
  uint64_t max_queued_bytes = 64u << 20;
  // Bytes of messages waiting in all sessions' queues of a node. Beyond: the new message is
  // dropped.
  uint64_t max_total_queued_bytes = uint64_t{4} << 30;

  // A durable session's messages that are kept in memory for a connected client, and that are read
  // at once from the store; what is beyond stays in the store.
  uint32_t queue_page_messages = 256;
  uint64_t queue_page_bytes = 256u << 10;

  // A turn of a shard's loop that takes longer; milliseconds. Then new connections are closed at
  // accept until it is faster.
  uint32_t max_loop_lag_ms = 1'000;
  // Records of one shard (a durable message a session is one) that wait for the disk. Beyond: the
  // shard reads no more from its clients until some are durable.
  uint32_t max_waiting_records = 100'000;

  // Bytes of messages a node keeps for durable sessions on nodes that cannot be reached. Beyond:
  // their publishers are refused (0x97).
  uint64_t max_outbox_bytes = uint64_t{4} << 30;

  // --- retained messages
  // ----------------------------------------------------------------------------------- Retained
  // messages a node. Beyond: the message is delivered but not retained: 0x97 for QoS 1/2.
  uint64_t max_retained_messages = 1'000'000;
  // Bytes of retained messages a node, topics and properties included. Beyond: as above.
  uint64_t max_retained_bytes = uint64_t{1} << 30;

  // --- fairness
  // --------------------------------------------------------------------------------------------
  // Subscribers served of one publish before the shard turns to other work.
  uint32_t fanout_slice = 1'000;
  // Bytes read from one connection before the shard turns to the next.
  uint32_t read_slice_bytes = 256u << 10;
};

}  // namespace skein
