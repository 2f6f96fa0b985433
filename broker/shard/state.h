// What the parts of one shard share.
//
// Purpose: the shard's tables, ports and outgoing effects in one place, so that each part (sender,
// dispatcher, lifecycle, packet handlers) is a small class over it. Parts change the tables and
// append to `out`; the runner carries out what `out` says at the end of the tick. No part touches a
// socket, a clock or another thread. Thread: confined to the shard.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/auth/access_rules.h"
#include "broker/auth/authenticator.h"
#include "broker/auth/chain.h"
#include "broker/auth/principal.h"
#include "broker/base/limits.h"
#include "broker/base/log.h"
#include "broker/base/rate.h"
#include "broker/base/stats.h"
#include "broker/base/timer_wheel.h"
#include "broker/mqtt/out_queue.h"
#include "broker/routing/route_table.h"
#include "broker/routing/subscription_table.h"
#include "broker/session/store.h"
#include "broker/shard/event_log.h"
#include "broker/shard/mail.h"
#include "broker/shard/peers.h"
#include "broker/shard/retained_store.h"
#include "broker/shard/share_strategy.h"
#include "broker/shard/sys_topics.h"
#include "broker/shard/tables.h"
#include "broker/trace/tracer.h"

namespace skein::shard {

// A listener as the protocol sees it.
struct ListenerInfo {
  std::string name;
  bool allow_anonymous = false;
  uint32_t max_connections = UINT32_MAX;  // more are closed at accept
  uint32_t max_handshakes = UINT32_MAX;   // connections without an accepted CONNECT; as above
  // PUBLISH of one client a second; more are read later. 0: no limit.
  uint32_t publish_rate = 0;
  uint64_t publish_bytes = 0;
  // A client that has been over these for so long without a rest gets DISCONNECT 0x96; 0: never.
  TimeMs publish_patience_ms = 0;
  // PUBLISH of all clients of the listener a second. 0: no limit.
  uint32_t total_publish_rate = 0;
  uint64_t total_publish_bytes = 0;
  // What they share; set when there is a limit.
  struct Total {
    SharedRate messages;
    SharedRate bytes;
    TimeMs ready_at() const { return std::max(messages.ready_at(), bytes.ready_at()); }
  };
  std::shared_ptr<Total> total;
  // What it asks of clients, as a text that is equal where that is. A client of another node is
  // judged as on the listener of the same name here, else as on one that asks the same.
  std::string policy;
};

struct ShardOptions {
  ShardId id = 0;
  ShardId count = 1;
  uint32_t partitions = 256;
  NodeNumber node = 0;
  // Who belongs to the cluster, as far as it is known at the start.
  std::vector<NodeNumber> members;
  // The partition table as far as it is known at the start; empty: there is no cluster.
  std::vector<PartitionRow> table;
  TimeMs join_timeout_ms = 0;  // how long the runner waits for the other nodes before it serves
  // How often the places of a cluster compare what they know of each other; 0: when a link comes
  // up.
  TimeMs digest_interval_ms = 0;
  Limits limits;
  ShareStrategies shares;
  std::vector<ListenerInfo> listeners;
  std::string node_name;       // in topics of $SYS
  bool client_events = false;  // see ClientEvents
};

// The other end of a connection, as its transport knows it.
struct Peer {
  std::string name;     // "192.0.2.7:51234", for log lines
  std::string address;  // "192.0.2.7"
  // What a verified client certificate says; null: there is none. Lives as long as the connection.
  const auth::ClientCertificate* certificate = nullptr;
};

// A verdict of an authenticator that answered later.
using AuthAnswer = std::function<void(ConnectionSlot, uint32_t generation, auth::Decision)>;

struct Ports {
  session::SessionStore* store = nullptr;
  RetainedStore* retained = nullptr;
  SysTopics* sys = nullptr;  // null: the broker says nothing about itself
  auth::Authenticator* authenticator = nullptr;
  const auth::BanList* bans = nullptr;             // null: nobody is banned
  Placement* placement = nullptr;                  // null: no partition moves
  std::atomic<uint64_t>* event_numbers = nullptr;  // of the node's EventLogs; null: one shard's own
  // Hears what the broker keeps for itself among the retained messages, when another node brings
  // it.
  std::function<void(const mqtt::Message&)> on_kept;
  trace::Sink* traces = nullptr;  // null: nothing can be traced
  Logger* log = nullptr;
  ShardStats* stats = nullptr;
  std::function<uint64_t()> random;             // unpredictable: makes client ids
  std::function<Peer(const Connection&)> peer;  // of an open connection
  std::function<void()> wake;                   // any thread; the shard takes a turn
  AuthAnswer
      auth_answer;  // any thread; brings the decision back to Core::OnAuthDecision on the shard
};

// Effects of a tick, for the runner.
struct Outputs {
  // Connections with bytes to write, or whose state or wish to read has changed.
  std::vector<ConnectionSlot> dirty;
  // Mail by destination shard.
  std::vector<std::vector<Mail>> mail;
  // Connections that leave for another shard: with all bytes from their CONNECT on. If that is one
  // of a peer, the network connection stays here and its bytes are relayed.
  struct Move {
    ConnectionSlot slot;
    ShardId target;  // a PlaceId
    std::string unread;
    std::string assigned_id;
  };
  std::vector<Move> moves;
};

// Where mail goes and routes come from: a shard of this node (always up), or one of a peer. Their
// ids: the shards of this node from 0, then kMaxShardsANode for each node of the cluster.
struct Place {
  bool up = false;
  uint32_t life = 0;            // names this telling of its routes; no other place has the same
  bool routes_known = false;    // of a peer's: all that it had when it came up
  uint32_t ups = 0;             // counts how often it came up
  bool mending = false;         // its routes here are known to be wrong, see RouteCheck
  uint64_t routes_told = 0;     // by it, as numbered there
  uint64_t routes_applied = 0;  // of ours, by it
  // Publishes that it has not answered, by token; of peers only.
  struct Awaited {
    uint32_t times = 0;
    bool plain = false;
    uint64_t table_version = 0;  // when it was sent first
    std::vector<std::string> groups;
  };
  absl::flat_hash_map<uint64_t, Awaited> awaited;
};

// A partition and a filter as one key, and back.
inline std::string DurableKey(session::PartitionId partition, std::string_view filter) {
  std::string key{static_cast<char>(partition >> 8 & 0xFF), static_cast<char>(partition & 0xFF)};
  key += filter;
  return key;
}
inline std::pair<session::PartitionId, std::string_view> ParseDurableKey(std::string_view key) {
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(key[at]); };
  return {session::PartitionId{byte(0)} << 8 | byte(1), key.substr(2)};
}

struct FrozenPartition {
  NodeNumber by = kNoNode;
  TimeMs since = 0;
};

// Another place keeps messages for a partition, see Kept. What our own outbox had for it by then,
// up to a sequence, does not wait for those: two places that have told each other would both wait.
struct KeptElsewhere {
  PlaceId place = 0;
  uint64_t after = 0;
};

struct ShardState {
  ShardState(const ShardOptions& o, const Ports& p, TimeMs start)
      : options(o),
        limits(o.limits),
        ports(p),
        stats(*p.stats),
        events(p.event_numbers),
        sessions(static_cast<uint16_t>(o.node * kMaxShardsANode + o.id)),
        wheel(start),
        tracer(p.traces, p.stats),
        now(start),
        table(o.table),
        row_versions(o.table.size()),
        claims(o.table.size()),
        members(o.members),
        durable_sums(o.table.size()) {
    out.mail.resize(o.count);
    places.resize(o.count);
    for (Place& place : places)
      place.up = place.routes_known = true;
    for (session::PartitionId partition = 0; partition < table.size(); ++partition) {
      if (IsMine(partition)) claims[partition] = 1;
    }
    // No number of a session is ever used twice, also not by those that owned its partition before.
    if (!table.empty()) last_session_number = static_cast<uint64_t>(start / 1'000) << 22;
    budget.maximum = PartOf(limits.max_total_queued_bytes);
    stats.listeners.resize(options.listeners.size());
  }

  void MarkDirty(Connection& connection) {
    if (connection.dirty) return;
    connection.dirty = true;
    out.dirty.push_back(connection.slot);
  }

  // This shard's part of a bound that holds for the node.
  uint64_t PartOf(uint64_t bound) const {
    return bound / options.count + (bound % options.count != 0 ? 1 : 0);
  }

  // Every other shard, of this node and of live peers, has applied this shard's route changes up to
  // `sequence`.
  bool RoutesApplied(uint64_t sequence) const {
    if (await_all_members && !AllMembersUp()) return false;
    for (PlaceId place = 0; place < places.size(); ++place) {
      if (place != options.id && places[place].up && places[place].routes_applied < sequence)
        return false;
    }
    return true;
  }

  bool clustered() const { return !table.empty(); }
  // There are others who may have subscribers.
  bool has_others() const { return options.count > 1 || clustered(); }
  NodeNumber OwnerOf(session::PartitionId partition) const {
    return table.empty() ? options.node : table[partition].node;
  }
  bool IsMine(session::PartitionId partition) const { return OwnerOf(partition) == options.node; }
  // Of all nodes that live, each can be reached.
  bool AllMembersUp() const {
    return std::all_of(members.begin(), members.end(), [this](NodeNumber member) {
      return member == options.node || PeerUp(member);
    });
  }
  // The place that owns the partition is there, knows that it does, and all of its routes are
  // known.
  bool OwnerKnown(session::PartitionId partition) const {
    if (table.empty()) return true;
    const NodeNumber node = OwnerOf(partition);
    if (node != options.node && (node == kNoNode || !PeerUp(node))) return false;
    const Place& place = places[OwnerPlace(partition)];
    return place.routes_known && claims[partition] == place.ups + 1;
  }
  // After a change of what OwnerKnown() looks at.
  void LookForOwners() {
    owners_missing = filters_missing = false;
    filters_known.resize(table.size());
    for (session::PartitionId partition = 0; partition < table.size(); ++partition) {
      if (OwnerKnown(partition)) {
        filters_known[partition] = true;
      } else {
        owners_missing = true;
        filters_missing |= !filters_known[partition];
      }
    }
  }
  // Needs an owner that was seen.
  PlaceId OwnerPlace(session::PartitionId partition) const {
    const NodeNumber node = OwnerOf(partition);
    if (node == options.node) return static_cast<PlaceId>(partition % options.count);
    return PlaceOf(node, static_cast<ShardId>(partition % peer_shards[node]));
  }
  bool PeerUp(NodeNumber peer) const {
    const PlaceId first = PlaceOf(peer, 0);
    return first < places.size() && places[first].up;
  }
  // Whether `place` is where the partition's sessions are.
  bool IsOwnerPlace(session::PartitionId partition, PlaceId place) const {
    const NodeNumber node = OwnerOf(partition);
    if (node == options.node) return place == partition % options.count;
    if (node >= peer_shards.size() || peer_shards[node] == 0) return false;
    return place == OwnerPlace(partition);
  }
  PlaceId PlaceOf(NodeNumber peer, ShardId shard) const {
    return static_cast<PlaceId>(options.count + peer * kMaxShardsANode + shard);
  }
  // Whose shard a place is, and which; how many that node has, 0 if it was never seen.
  NodeNumber NodeOf(PlaceId place) const {
    if (place < options.count) return options.node;
    return static_cast<NodeNumber>((place - options.count) / kMaxShardsANode);
  }
  ShardId ShardOf(PlaceId place) const {
    if (place < options.count) return place;
    return static_cast<ShardId>((place - options.count) % kMaxShardsANode);
  }
  ShardId ShardsOf(NodeNumber node) const {
    if (node == options.node) return options.count;
    return node < peer_shards.size() ? peer_shards[node] : ShardId{0};
  }

  // Appends a record if the session is durable; the gate then waits for it. Returns its number, 0 =
  // none.
  session::Lsn Record(const session::Session& session, const session::RecordBody& body,
                      Gate* gate) {
    if (!session.recorded()) return 0;
    last_lsn = ports.store->Append(session.key, body, commit_group);
    if (gate != nullptr) gate->lsn = last_lsn;
    return last_lsn;
  }

  // A delivery's handshake is over, or it was dropped: the store need not keep it.
  void RecordFinished(const session::Session& session, const session::Finished& finished) {
    if (!session.recorded()) return;
    if (finished.lsn != 0 && ports.store->Cancel(finished.lsn)) return;
    Record(session, session::Completed{finished.sequence, finished.cost}, nullptr);
  }

  const ShardOptions options;
  const Limits limits;
  const Ports ports;
  ShardStats& stats;
  EventLog events;

  ConnectionTable connections;
  SessionTable sessions;
  routing::SubscriptionTable subscriptions;
  routing::RouteTable routes;  // of all shards, used when there are several
  TimerWheel wheel;
  trace::Tracer tracer;  // ask on() first
  mqtt::ChunkPool chunks;
  session::QueueBudget budget;
  Outputs out;

  std::shared_ptr<const auth::AccessRules> rules;  // of the node; null: everything is allowed
  uint32_t access_epoch = 0;                       // moves when they change

  TimeMs now;              // of the event being handled
  int64_t now_micros = 0;  // the same, for what is timed
  // Timed is one PUBLISH in that many turns of the loop, and the first one after a pause: how many
  // are left, whether the next PUBLISH is, and whether that at hand is.
  static constexpr uint32_t kTimedTurns = 16;
  static constexpr int64_t kTimedPauseMicros = 10'000;
  uint32_t turns_to_timed = kTimedTurns;
  bool timing_due = false;
  bool timing = false;
  // Timed ones that were acknowledged (by QoS) or sent (by QoS, and kSentOf) in this turn.
  static constexpr uint8_t kSentOf = 3;
  LatencyBook timed;
  session::Lsn last_lsn = 0;
  session::CommitGroupPtr commit_group;  // of the records being appended, usually none
  uint64_t last_session_number = 0;      // in the store
  uint64_t subscription_epoch = 0;       // moves with every change of a subscription
  uint64_t route_sequence = 0;           // of the last RouteChange sent
  std::vector<Place> places;             // by PlaceId; those of peers when they were seen first
  uint32_t last_life = 0;                // see Place::life
  std::vector<ShardId> peer_shards;      // by NodeNumber; 0: was never seen
  std::vector<PartitionRow> table;       // by partition; empty: there is no cluster
  uint64_t table_version = 0;            // counts the changes of owners that were heard
  std::vector<uint64_t> row_versions;    // by partition: the last of its own; as long as the table
  // By partition: 1 + Place::ups of its owner when that said that it has it; 0: it has not. What
  // the coordinator says is true before the owner acts on it.
  std::vector<uint32_t> claims;
  std::vector<NodeNumber> members;  // who lives, as the coordinator has it
  bool await_all_members = false;   // also those that cannot be reached; see PeerEvent
  bool lease_held = true;           // the coordinator counts us among them
  // How many durable sessions of a partition of this shard subscribe to a filter (DurableKey()),
  // and which partitions have any, wherever they are and whether their owner is there or not: the
  // destination is the partition, the weight 1 + Place::life when it was told. In a cluster only.
  // durable_sums: by partition, the FilterHash() of what is in durable_filters.
  absl::flat_hash_map<std::string, uint32_t> durable_filters;
  std::vector<uint64_t> durable_sums;
  routing::RouteTable durable_routes;
  bool owners_missing = false;  // OwnerKnown() is false for some partition
  // By partition: its filters are in durable_routes, though its owner may be away. And whether that
  // is not so of some whose owner is.
  std::vector<bool> filters_known;
  bool filters_missing = false;
  // Partitions for which other places keep messages that go first (Kept), as these have told us.
  absl::flat_hash_map<session::PartitionId, std::vector<KeptElsewhere>> kept_elsewhere;
  // Partitions on the move: what is published to their durable sessions waits (Freeze).
  absl::flat_hash_map<session::PartitionId, FrozenPartition> frozen;
  // Those of them that leave this shard and have begun to be copied: nothing is taken for them.
  absl::flat_hash_set<session::PartitionId> leaving;
  std::vector<ConnectionSlot> waiting;  // connections with held replies to look at
  // Connections whose end is held back until Connection::linger_until is durable.
  std::vector<SlotAndGeneration> closing;
  bool draining = false;
};

}  // namespace skein::shard
