// One node's broker: its listeners and its shards.
//
// Purpose: binds the listeners, starts a thread a shard, stops them. The stores and the
// authenticator are given to it; only cmd/ knows their kinds. Owner and thread: cmd/, the main
// thread. Life cycle: Start() once, Stop() once. Errors: Start() fails when a listener cannot be
// bound or the system refuses a descriptor; nothing runs then.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "broker/shard/census.h"
#include "broker/shard/shard.h"

namespace skein::shard {

struct BrokerListener {
  net::Endpoint endpoint;
  ListenerInfo info;
  MakeTransport make_transport;  // empty: plain TCP
};

struct BrokerOptions {
  ShardId shards = 1;
  uint32_t partitions = 256;
  NodeNumber node = 0;
  std::vector<PartitionRow> table;  // empty: there is no cluster
  std::vector<NodeNumber> members;  // of the cluster
  TimeMs join_timeout_ms = 0;       // how long to wait for the other nodes
  TimeMs digest_interval_ms = 0;    // see ShardOptions
  Limits limits;
  ShareStrategies shares;
  std::vector<BrokerListener> listeners;
  std::string node_name;       // in topics of $SYS
  bool client_events = false;  // see ClientEvents
};

struct BrokerPorts {
  // wake: to be called, on any thread, when the store has something for the shard.
  std::function<std::unique_ptr<session::SessionStore>(ShardId, std::function<void()> wake)>
      make_store;
  RetainedStore* retained = nullptr;
  SysTopics* sys = nullptr;  // null: nothing below $SYS
  auth::Authenticator* authenticator = nullptr;
  const auth::BanList* bans = nullptr;                // null: nobody is banned
  Placement* placement = nullptr;                     // null: no partition moves
  std::function<void(const mqtt::Message&)> on_kept;  // see Ports; any shard
  trace::Sink* traces = nullptr;                      // null: nothing can be traced
  Gatekeeper* gatekeeper = nullptr;                   // null: everybody may knock
  std::shared_ptr<const auth::AccessRules> rules;     // null: everything is allowed
  Logger* log = nullptr;
  std::function<uint64_t()> random;  // any thread
};

class Broker {
 public:
  Broker(BrokerOptions options, BrokerPorts ports)
      : options_(std::move(options)), ports_(std::move(ports)) {}
  ~Broker() { Stop(); }

  absl::Status Start();
  void Stop();

  // Other access rules; they hold on every shard on return. The thread that starts and stops.
  void SetRules(const std::shared_ptr<const auth::AccessRules>& rules);

  // Any thread.
  TimeMs Now() const { return shared_.clock.Now(); }

  // Before Start(): who carries mail to the other nodes. It outlives the shards.
  void SetPeers(Peers* peers, Placement* placement) {
    shared_.peers = peers;
    ports_.placement = placement;
  }
  // Any thread, after Start(): what happens with a peer, for one shard.
  void OnPeer(ShardId shard, PeerEvent event) { shared_.shards[shard]->OnPeer(std::move(event)); }

  // Any thread, after Start(). False: too many questions wait for the shard.
  bool Ask(ShardId shard, std::shared_ptr<Question> question) {
    return shared_.shards[shard]->Ask(std::move(question));
  }

  // Counts what the shards have, which costs them a look at each session. Any thread but theirs,
  // after Start(). Nothing if one of them does not answer in time; milliseconds.
  std::optional<CensusFigures> TakeCensus(TimeMs patience) const;
  // What the broker says about itself. Any thread, after Start().
  void PublishOwn(std::vector<OwnMessage> messages) {
    shared_.shards.front()->PublishOwn(std::move(messages));
  }

  // What is on disk is in memory; clients are let in. Any thread, after Start().
  bool recovered() const { return shared_.settled.load() >= options_.shards; }
  bool serving() const { return shared_.serving.load() >= options_.shards; }
  ShardId shards() const { return options_.shards; }
  uint32_t partitions() const { return options_.partitions; }

  // Bytes that were brought for the slowest shard and that it has not taken over yet. Any thread.
  size_t peer_backlog() const;

  // Connections of all listeners, clients or not yet. Any thread.
  uint32_t connections() const { return shared_.connections.load(std::memory_order_relaxed); }
  RetainedStore* retained() const { return ports_.retained; }
  // Of the newest event, see EventLog.
  uint64_t last_event() const { return shared_.event_numbers.load(); }

  // The bound listeners with their actual ports, after Start().
  std::vector<net::Endpoint> endpoints() const;

  // Counters of the shards, any thread, after Start().
  std::vector<const ShardStats*> stats() const;
  // Their sum.
  ShardStats Totals() const;

 private:
  BrokerOptions options_;
  BrokerPorts ports_;
  BrokerShared shared_;
  std::vector<std::unique_ptr<session::SessionStore>> stores_;
  std::vector<std::thread> threads_;
};

}  // namespace skein::shard
