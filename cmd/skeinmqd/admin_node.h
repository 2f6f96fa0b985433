// The node as the admin API sees it.
//
// Purpose: puts together what broker and cluster know. Owner and thread: made by the main thread
// before the broker, so that probes are answered while the node starts; the API's threads ask.
// Life: Attach() when there is a broker, Stopping() before there is none. Limits: a shard answers
// within kAnswerMs, or nobody waits for it. Errors: Unavailable while there is no broker.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/admin/node.h"
#include "broker/admin/peers.h"
#include "broker/base/mutex.h"
#include "broker/shard/broker.h"
#include "cmd/skeinmqd/clustering.h"
#include "cmd/skeinmqd/config.h"
#include "storage/rocksdb/store.h"

namespace skein {

class AdminNode final : public admin::Node, public admin::Peers {
 public:
  static constexpr TimeMs kAnswerMs = 5'000;
  // An event loop that has not turned, or a disk that has not answered, for so long is stuck.
  static constexpr TimeMs kStuckMs = 30'000;

  explicit AdminNode(const config::Config& config) : config_(config) {}

  // Unavailable while there is none, or while it does not serve clients.
  absl::StatusOr<shard::Broker*> broker();
  absl::StatusOr<shard::Broker*> serving();

  // All run; cluster: null if the node is alone; store: null if nothing is written to disk.
  void Attach(shard::Broker* broker, Clustering* cluster, const storage::Store* store);
  // It is not ready from now on, whatever the broker says.
  void Stopping();

  const std::string& name() const override { return config_.node_id; }
  admin::Readiness Ready() override;
  absl::StatusOr<admin::NodeOverview> Overview() override;
  admin::Health Alive() override;
  admin::Health Started() override;
  absl::StatusOr<admin::ClusterStatus> Cluster() override;
  absl::StatusOr<std::vector<shard::PartitionRow>> Table() override;
  absl::StatusOr<shard::RouteList> Routes(const shard::RouteQuery& query) override;
  absl::StatusOr<ShardStats> Totals() override;
  absl::Status Drain() override;
  absl::Status Leave() override;
  absl::Status Forget(const std::string& node) override;
  admin::PeerAnswers Ask(const admin::Request& request, const std::string& node) override;

 private:
  struct Parts {
    shard::Broker* broker = nullptr;
    Clustering* cluster = nullptr;
    const storage::Store* store = nullptr;
    bool stopping = false;
  };
  Parts parts();
  // The node alone.
  admin::ClusterStatus Single(const Parts& parts) const;
  // The cluster, or why there is none that could be changed.
  absl::StatusOr<Clustering*> Changeable();

  const config::Config& config_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  Mutex mutex_;
  Parts parts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein
