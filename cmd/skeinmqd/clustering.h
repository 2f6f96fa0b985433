// The cluster's side of the process.
//
// Purpose: finds out who the other nodes are (a fixed list, or etcd), runs the links to them, tells
// the shards what the coordinator decides, and hands the node's sessions over before it stops.
// Owner and thread: the main thread; events of the coordinator are passed on from its own. Life:
// Join(), Connect(), Start(), Drain(), Stop(). Errors: a message that says what to do.
#pragma once

#include <atomic>
#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "broker/admin/peers.h"
#include "broker/shard/broker.h"
#include "cluster/coordinator/coordinator.h"
#include "cluster/link/grpc_log.h"
#include "cluster/link/peer_net.h"
#include "cmd/skeinmqd/config.h"

namespace skein {

class Clustering {
 public:
  static bool Wanted(const config::Config& config) {
    return config.cluster_peers.size() > 1 || !config.cluster_etcd.empty();
  }

  Clustering(const config::Config& config, Logger* log)
      : config_(config), log_(log), grpc_log_(log) {}
  ~Clustering() { Stop(); }

  // Before the stores are opened. Cancelled: one of the signals came while it waited.
  absl::Status Join(const sigset_t& signals, shard::BrokerOptions* options);
  // Who answers what operators of other nodes ask. Before Connect().
  void AnswerWith(admin::Handler answer) { net_options_.answer = std::move(answer); }
  // Before and after the broker starts.
  void Connect(shard::Broker* broker);
  absl::Status Start();
  // Hands the sessions over, as long as the configuration allows or until another signal comes.
  void Drain(const sigset_t& signals);
  // After the broker.
  void Stop();

  // --- for operators: clustering_admin.cc. Any thread, after Start(); Tick() the main thread's.

  // How the node stands: with its partitions, on the way out, or out.
  enum class Phase : uint8_t { kMember, kDraining, kDrained, kLeaving };
  Phase phase() const;
  // Drain() was called, or an operator wants it.
  bool draining() const { return draining_; }
  bool has_coordinator() const { return coordinator_ != nullptr; }
  cluster::Standing View() const;
  std::vector<shard::NodeNumber> Linked() const { return net_->Linked(); }
  std::vector<cluster::LinkFigures> Links() const { return net_->Figures(); }
  // Acknowledgements are possible: etcd counts on this node, or did and it still reaches all.
  bool MayPromise(const cluster::Standing& standing) const;

  // As admin::Peers has it.
  admin::PeerAnswers Ask(const admin::Request& request, const std::string& node) const;
  // Before the broker stops.
  void StopAnswering() { net_->StopAnswering(); }

  absl::Status StartDrain();
  absl::Status StartLeave();
  absl::Status Forget(const std::string& node);
  // About once a second: what follows when the last partition is gone. True: the process has to
  // end, for the node has left.
  bool Tick();

 private:
  absl::Status JoinEtcd(const sigset_t& signals, shard::BrokerOptions* options);
  absl::Status CheckData(const cluster::Membership& membership);
  void JoinFixed(shard::BrokerOptions* options);
  cluster::CoordinatorEvents Events();
  void ToAllShards(const shard::PeerEvent& event);
  void ToOwner(shard::PeerEvent::Kind kind, const shard::RowChange& change);

  const config::Config& config_;
  Logger* const log_;
  const cluster::GrpcLog grpc_log_;
  cluster::PeerNetOptions net_options_;
  std::unique_ptr<cluster::Coordinator> coordinator_;  // null: a fixed list
  std::unique_ptr<cluster::PeerNet> net_;
  shard::Broker* broker_ = nullptr;
  std::atomic<bool> replaced_{false};
  std::atomic<bool> draining_{false};
  std::atomic<bool> leaving_{false};
  std::atomic<bool> drained_{false};  // and the clients were told to go
  std::atomic<bool> had_lease_{false};
  std::vector<shard::PartitionRow> fixed_table_;
};

}  // namespace skein
