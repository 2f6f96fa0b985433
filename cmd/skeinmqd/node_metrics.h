// The metrics of the whole node, gathered when somebody asks.
//
// Purpose: puts together what shards, store, links, coordinator, listeners and the process know;
// what costs something to find out is found out here and not while messages pass. Owner and thread:
// made by main before the broker; the API's threads ask. Life: Attach() when there is a broker.
// Limits: one scrape at a time; a shard that does not answer within kCensusMs leaves its figures of
// sessions and queues as they were.
#pragma once

#include <atomic>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "broker/admin/api.h"
#include "broker/base/mutex.h"
#include "broker/metrics/sheet.h"
#include "broker/shard/broker.h"
#include "cmd/skeinmqd/clustering.h"
#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/logging.h"
#include "cmd/skeinmqd/security.h"
#include "prometheus/collectable.h"
#include "storage/rocksdb/store.h"

namespace skein {

class NodeMetrics final : public prometheus::Collectable {
 public:
  static constexpr TimeMs kCensusMs = 2'000;

  // All outlive it.
  struct Parts {
    shard::Broker* broker = nullptr;
    Clustering* cluster = nullptr;    // null: the node is alone
    storage::Store* store = nullptr;  // null: nothing is written to disk
    const Security* security = nullptr;
    const config::ProcessLogger* log = nullptr;
  };

  explicit NodeMetrics(const config::Config& config) : config_(config) {}

  void SetApi(const admin::Api* api) { api_ = api; }
  void Attach(const Parts& parts);
  void NoteReload(bool done);

  std::vector<prometheus::MetricFamily> Collect() const override;
  std::string Text() const { return metrics::TextOf(Collect()); }

 private:
  void AddBroker(const Parts& parts, metrics::Sheet* sheet) const;
  void AddStore(const storage::Store* store, metrics::Sheet* sheet) const;
  void AddCluster(const Parts& parts, metrics::Sheet* sheet) const;
  void AddLinks(const Parts& parts, metrics::Sheet* sheet) const;
  void AddNode(const Parts& parts, metrics::Sheet* sheet) const;
  std::vector<std::string> PeersOf(const Parts& parts, size_t* self) const;

  const config::Config& config_;
  const admin::Api* api_ = nullptr;
  mutable Mutex mutex_;
  Parts parts_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> reloads_{0};
  std::atomic<uint64_t> failed_reloads_{0};
  std::atomic<bool> last_reload_done_{true};
  mutable Mutex scrape_;  // one at a time: each asks all shards
  mutable shard::CensusFigures census_ ABSL_GUARDED_BY(scrape_);
};

}  // namespace skein
