// The port to the node that the admin API is about.
//
// Purpose: what operators are shown, and what they can ask for, as values. Owner: cmd/ implements
// it. Thread: any of the API's. Errors: FailedPrecondition: not as things stand (409); NotFound;
// InvalidArgument; Unavailable: not now, for example while the node starts (503).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/base/stats.h"
#include "broker/base/types.h"
#include "broker/shard/partition_row.h"
#include "broker/shard/route_scan.h"

namespace skein::admin {

// What a load balancer has to know. Each of them: true is good, but for `draining`.
struct Readiness {
  bool serving = false;  // clients are let in
  bool joined = false;   // what the other nodes' clients subscribe to was known before that
  bool lease = false;    // acknowledgements are possible: see docs/operations.md
  bool draining = false;

  bool ready() const { return serving && joined && lease && !draining; }
};

// Of one question that probes ask; `reasons` say why not.
struct Health {
  std::vector<std::string> reasons;

  bool ok() const { return reasons.empty(); }
};

struct ClusterMember {
  std::string node;
  shard::NodeNumber number = 0;
  std::string address;  // for the other nodes; may be empty
  std::string state;    // joining, active, draining or away
  bool self = false;
  bool linked = false;  // this node reaches it
  size_t partitions = 0;
};

struct ClusterStatus {
  std::string node;
  shard::NodeNumber number = 0;
  std::string version;
  std::string cluster;
  std::string coordinator;    // none, fixed or etcd
  std::optional<bool> lease;  // etcd only
  std::string state;          // starting, serving, draining, drained or leaving
  size_t partitions = 0;      // of all
  size_t moving = 0;          // those that this node is giving away now
  std::vector<ClusterMember> members;
};

// Figures of this node.
struct NodeOverview {
  TimeMs uptime_ms = 0;
  uint64_t connections = 0;
  uint64_t sessions = 0;
  uint64_t subscriptions = 0;
  uint64_t routes = 0;  // filters that somebody has subscribed to, on any node
  uint64_t retained_messages = 0;
  uint64_t queued_messages = 0;
  // Since the node started.
  uint64_t messages_in = 0;
  uint64_t messages_out = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t dropped = 0;
  uint64_t outbox_messages = 0;
  // Seconds; none: nothing was measured.
  struct Latency {
    std::optional<double> p50, p99;
  };
  Latency publish_ack, publish_deliver;
  struct Door {
    std::string name;
    std::string url;
  };
  std::vector<Door> websocket_listeners;
};

class Node {
 public:
  virtual ~Node() = default;

  // Its node.id.
  virtual const std::string& name() const = 0;
  virtual absl::StatusOr<NodeOverview> Overview() = 0;

  virtual Readiness Ready() = 0;
  // Whether the process does its work at all: its event loops turn, its disk answers. Says nothing
  // of other nodes: a restart would not mend those.
  virtual Health Alive() = 0;
  // Whether it has ever been ready to serve since it began.
  virtual Health Started() = 0;
  virtual absl::StatusOr<ClusterStatus> Cluster() = 0;
  // By partition.
  virtual absl::StatusOr<std::vector<shard::PartitionRow>> Table() = 0;
  virtual absl::StatusOr<shard::RouteList> Routes(const shard::RouteQuery& query) = 0;
  // What the node has counted since it started. Asks no shard.
  virtual absl::StatusOr<ShardStats> Totals() = 0;

  // Both return when it has begun.
  virtual absl::Status Drain() = 0;
  virtual absl::Status Leave() = 0;
  // Another node is gone for good, with its sessions.
  virtual absl::Status Forget(const std::string& node) = 0;
};

}  // namespace skein::admin
