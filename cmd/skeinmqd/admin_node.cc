#include "cmd/skeinmqd/admin_node.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/shard/client_scan.h"
#include "broker/shard/route_scan.h"
#include "cluster/coordinator/state.h"
#include "cmd/skeinmqd/admin_shards.h"
#include "cmd/skeinmqd/flags.h"
#include "cmd/skeinmqd/listener_url.h"

namespace skein {
namespace {

absl::Status Starting() {
  return absl::UnavailableError("the node starts; try again");
}

const char* NameOf(Clustering::Phase phase, bool serving) {
  switch (phase) {
    case Clustering::Phase::kDraining:
      return "draining";
    case Clustering::Phase::kDrained:
      return "drained";
    case Clustering::Phase::kLeaving:
      return "leaving";
    case Clustering::Phase::kMember:
      break;
  }
  return serving ? "serving" : "starting";
}

std::vector<admin::ClusterMember> MembersOf(const cluster::Standing& standing,
                                            const std::vector<shard::NodeNumber>& linked,
                                            const std::string& self) {
  std::vector<admin::ClusterMember> members;
  for (const cluster::NodeStanding& node : standing.nodes) {
    const shard::NodeNumber number = node.member.number;
    admin::ClusterMember& member = members.emplace_back();
    member.node = node.member.node;
    member.number = number;
    member.address = node.member.address;
    member.state = node.live ? cluster::NameOf(node.state) : "away";
    member.self = node.member.node == self;
    member.linked = member.self || std::find(linked.begin(), linked.end(), number) != linked.end();
    member.partitions =
        static_cast<size_t>(std::count_if(standing.table.begin(), standing.table.end(),
                                          [&](const auto& row) { return row.node == number; }));
  }
  return members;
}

admin::NodeOverview::Latency LatencyOf(const LatencyHistogram& histogram) {
  constexpr double kMicroseconds = 1e-6;
  if (histogram.count() == 0) return {};
  return {histogram.Quantile(0.5) * kMicroseconds, histogram.Quantile(0.99) * kMicroseconds};
}

std::vector<admin::NodeOverview::Door> DoorsOf(const config::Config& config,
                                               const std::vector<net::Endpoint>& endpoints) {
  std::vector<admin::NodeOverview::Door> doors;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    config::Listener listener = config.listeners[i];
    if (!listener.websocket()) continue;
    listener.address.port = endpoints[i].port;
    // Without any named each will do.
    const std::string path = listener.paths.empty() ? "/mqtt" : listener.paths.front();
    doors.push_back({listener.name, config::FormatUrl(listener) + path});
  }
  return doors;
}

}  // namespace

void AdminNode::Attach(shard::Broker* broker, Clustering* cluster, const storage::Store* store) {
  MutexLock lock(mutex_);
  parts_.broker = broker;
  parts_.cluster = cluster;
  parts_.store = store;
}

void AdminNode::Stopping() {
  MutexLock lock(mutex_);
  parts_.stopping = true;
}

AdminNode::Parts AdminNode::parts() {
  MutexLock lock(mutex_);
  return parts_;
}

absl::StatusOr<shard::Broker*> AdminNode::broker() {
  const Parts now = parts();
  if (now.broker == nullptr) return Starting();
  if (now.stopping) return absl::UnavailableError("the node stops");
  return now.broker;
}

absl::StatusOr<shard::Broker*> AdminNode::serving() {
  const absl::StatusOr<shard::Broker*> now = broker();
  if (now.ok() && !(*now)->serving()) return Starting();
  return now;
}

// Figures of a moment; those of shards are not of the same one.
absl::StatusOr<admin::NodeOverview> AdminNode::Overview() {
  const absl::StatusOr<shard::Broker*> now = broker();
  if (!now.ok()) return now.status();
  shard::Broker& broker = **now;
  admin::NodeOverview overview;
  overview.uptime_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::steady_clock::now() - began_)
                           .count();
  overview.connections = broker.connections();
  const ShardStats totals = broker.Totals();
  overview.sessions = static_cast<uint64_t>(totals.sessions.value());
  overview.subscriptions = static_cast<uint64_t>(totals.subscriptions.value());
  overview.outbox_messages = static_cast<uint64_t>(totals.outbox_messages.value());
  overview.bytes_in = totals.bytes_in.value();
  overview.bytes_out = totals.bytes_out.value();
  LatencyHistogram ack;
  LatencyHistogram deliver;
  overview.messages_in = totals.packets_in.publishes();
  overview.messages_out = totals.packets_out.publishes();
  for (size_t qos = 0; qos < totals.publish_ack.size(); ++qos) {
    ack.Merge(totals.publish_ack[qos]);
    deliver.Merge(totals.publish_deliver[qos]);
  }
  for (const Counter& dropped : totals.messages_dropped)
    overview.dropped += dropped.value();
  overview.publish_ack = LatencyOf(ack);
  overview.publish_deliver = LatencyOf(deliver);
  overview.retained_messages = broker.retained()->stats().messages;
  const auto census = broker.TakeCensus(kShardsMs);
  if (!census) return absl::UnavailableError("the shards do not answer; try again");
  overview.queued_messages = census->queued_messages;
  overview.routes = census->filters;
  overview.websocket_listeners = DoorsOf(config_, broker.endpoints());
  return overview;
}

admin::Readiness AdminNode::Ready() {
  const Parts now = parts();
  admin::Readiness readiness;
  readiness.draining = now.stopping;
  if (now.broker == nullptr) return readiness;
  readiness.serving = now.broker->serving();
  readiness.joined = readiness.serving || (now.cluster == nullptr && now.broker->recovered());
  readiness.lease = true;
  if (now.cluster == nullptr) return readiness;
  readiness.lease = now.cluster->MayPromise(now.cluster->View());
  readiness.draining |= now.cluster->draining();
  return readiness;
}

admin::Health AdminNode::Alive() {
  const Parts now = parts();
  admin::Health health;
  // While it reads its disk at the start no loop turns; /startupz tells when that is over.
  if (now.broker == nullptr || !now.broker->serving()) return health;
  const std::vector<const ShardStats*> shards = now.broker->stats();
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    const TimeMs silent = now.broker->Now() - shards[shard]->heartbeat.value() / 1'000;
    if (silent > kStuckMs)
      health.reasons.push_back(
          absl::StrCat("the event loop of shard ", shard, " has not turned for ", silent, " ms"));
  }
  const TimeMs busy = now.store == nullptr ? 0 : now.store->Busy();
  if (busy > kStuckMs)
    health.reasons.push_back(absl::StrCat("the disk has not answered for ", busy, " ms"));
  return health;
}

admin::Health AdminNode::Started() {
  const Parts now = parts();
  if (now.broker != nullptr && now.broker->serving()) return {};
  if (now.broker == nullptr) return {{"the node opens its store, or joins its cluster"}};
  if (!now.broker->recovered()) return {{"sessions are read from the disk"}};
  return {{"the other nodes' routes are not known yet"}};
}

admin::ClusterStatus AdminNode::Single(const Parts& now) const {
  admin::ClusterStatus status;
  status.node = config_.node_id;
  status.version = config::Version();
  status.cluster = config_.cluster_name;
  status.coordinator = "none";
  status.partitions = now.broker->partitions();
  status.state = now.broker->serving() ? "serving" : "starting";
  status.members = {{config_.node_id, 0, "", "active", true, true, status.partitions}};
  return status;
}

absl::StatusOr<admin::ClusterStatus> AdminNode::Cluster() {
  const Parts now = parts();
  if (now.broker == nullptr) return Starting();
  admin::ClusterStatus status = Single(now);
  if (now.cluster == nullptr) return status;
  const cluster::Standing standing = now.cluster->View();
  const bool etcd = now.cluster->has_coordinator();
  status.coordinator = etcd ? "etcd" : "fixed";
  if (etcd) status.lease = standing.lease_held;
  status.state = NameOf(now.cluster->phase(), now.broker->serving());
  status.partitions = standing.table.size();
  status.moving = standing.moving;
  status.members = MembersOf(standing, now.cluster->Linked(), config_.node_id);
  for (const admin::ClusterMember& member : status.members) {
    if (member.self) status.number = member.number;
  }
  return status;
}

absl::StatusOr<std::vector<shard::PartitionRow>> AdminNode::Table() {
  const Parts now = parts();
  if (now.broker == nullptr) return Starting();
  if (now.cluster != nullptr) return now.cluster->View().table;
  return std::vector<shard::PartitionRow>(now.broker->partitions(), shard::PartitionRow{1, 0});
}

// Any shard knows what all have said; the first is asked.
absl::StatusOr<shard::RouteList> AdminNode::Routes(const shard::RouteQuery& query) {
  const Parts now = parts();
  if (now.broker == nullptr) return Starting();
  const auto scan = std::make_shared<shard::RouteScan>(query);
  const auto question = std::make_shared<shard::Question>(
      [scan](const shard::ShardState& state) { return scan->Step(state); });
  if (!now.broker->Ask(0, question))
    return absl::UnavailableError("too many questions wait already; try again");
  if (!question->Await(kAnswerMs))
    return absl::UnavailableError("the node is too busy to answer; try again");
  return scan->Take();
}

absl::StatusOr<ShardStats> AdminNode::Totals() {
  const Parts now = parts();
  if (now.broker == nullptr) return Starting();
  return now.broker->Totals();
}

absl::StatusOr<Clustering*> AdminNode::Changeable() {
  const Parts now = parts();
  if (now.broker == nullptr) return Starting();
  if (now.cluster == nullptr)
    return absl::FailedPreconditionError("this node is alone: nobody could take its sessions");
  return now.cluster;
}

absl::Status AdminNode::Drain() {
  const absl::StatusOr<Clustering*> cluster = Changeable();
  return cluster.ok() ? (*cluster)->StartDrain() : cluster.status();
}

absl::Status AdminNode::Leave() {
  const absl::StatusOr<Clustering*> cluster = Changeable();
  return cluster.ok() ? (*cluster)->StartLeave() : cluster.status();
}

absl::Status AdminNode::Forget(const std::string& node) {
  const absl::StatusOr<Clustering*> cluster = Changeable();
  return cluster.ok() ? (*cluster)->Forget(node) : cluster.status();
}

admin::PeerAnswers AdminNode::Ask(const admin::Request& request, const std::string& node) {
  const Parts now = parts();
  if (now.cluster == nullptr) return {};
  return now.cluster->Ask(request, node);
}

}  // namespace skein
