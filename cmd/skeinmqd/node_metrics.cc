#include "cmd/skeinmqd/node_metrics.h"

#include <algorithm>
#include <array>
#include <utility>

#include "broker/metrics/broker_metrics.h"
#include "broker/metrics/process.h"
#include "cluster/coordinator/state.h"
#include "cmd/skeinmqd/flags.h"

namespace skein {

using metrics::Sheet;

namespace {

double Value(uint64_t value) {
  return static_cast<double>(value);
}

// Of partitions: those that this node has, and those whose owner it cannot reach.
struct Rows {
  size_t all = 0;
  size_t led = 0;
  size_t unavailable = 0;
};

Rows CountRows(const cluster::Standing& standing, const std::vector<shard::NodeNumber>& linked,
               size_t self) {
  Rows rows;
  for (const shard::PartitionRow& row : standing.table) {
    ++rows.all;
    if (row.node == self) {
      ++rows.led;
    } else if (std::find(linked.begin(), linked.end(), row.node) == linked.end()) {
      ++rows.unavailable;
    }
  }
  return rows;
}

}  // namespace

void NodeMetrics::Attach(const Parts& parts) {
  MutexLock lock(mutex_);
  parts_ = parts;
}

void NodeMetrics::NoteReload(bool done) {
  ++(done ? reloads_ : failed_reloads_);
  last_reload_done_ = done;
}

std::vector<std::string> NodeMetrics::PeersOf(const Parts& parts, size_t* self) const {
  std::vector<std::string> peers;
  if (parts.cluster == nullptr) return peers;
  for (const cluster::NodeStanding& node : parts.cluster->View().nodes) {
    const size_t number = node.member.number;
    if (peers.size() <= number) peers.resize(number + 1);
    peers[number] = node.member.node;
    if (node.member.node == config_.node_id) *self = number;
  }
  return peers;
}

void NodeMetrics::AddBroker(const Parts& parts, Sheet* sheet) const {
  metrics::BrokerFigures figures;
  figures.totals = parts.broker->Totals();
  figures.shards = parts.broker->stats();
  for (const config::Listener& listener : config_.listeners)
    figures.listeners.push_back(listener.name);
  figures.peers = PeersOf(parts, &figures.self);
  {
    MutexLock lock(scrape_);
    if (const auto census = parts.broker->TakeCensus(kCensusMs)) census_ = *census;
    figures.census = census_;
  }
  const auto retained = parts.broker->retained()->stats();
  figures.retained_messages = retained.messages;
  figures.retained_bytes = retained.bytes;
  figures.now = parts.broker->Now();
  metrics::AddBroker(figures, sheet);
}

// Without a store the families are named, and nothing is in them.
void NodeMetrics::AddStore(const storage::Store* store, Sheet* sheet) const {
  storage::StoreFigures figures;
  if (store != nullptr) figures = store->Figures();
  const auto count = [&](const char* name, const char* help, const auto& read) {
    metrics::Family family = sheet->Counter(name, help);
    if (store != nullptr) family.Set(Value(read(store->stats())));
  };
  const auto gauge = [&](const char* name, const char* help, uint64_t value) {
    metrics::Family family = sheet->Gauge(name, help);
    if (store != nullptr) family.Set(Value(value));
  };
  const auto histogram = [&](const char* name, const char* help, auto member, double unit) {
    metrics::Family family = sheet->Histogram(name, help);
    if (store != nullptr) family.Set({}, store->stats().*member, unit);
  };
  using Stats = storage::StoreStats;
  histogram("skeinmq_commit_batch_records", "Records that were made durable together.",
            &Stats::batch_records, 1);
  histogram("skeinmq_commit_seconds", "From taking records to telling that they are durable.",
            &Stats::commit, metrics::kMicro);
  histogram("skeinmq_fsync_seconds", "Writing records to the log and syncing it.", &Stats::fsync,
            metrics::kMicro);
  count("skeinmq_records_written_total", "Records that were made durable.",
        [](const Stats& stats) { return stats.records_written.load(); });
  count("skeinmq_records_cancelled_total", "Records acknowledged before they were written.",
        [](const Stats& stats) { return stats.records_cancelled.load(); });
  count("skeinmq_log_bytes_written_total", "Bytes of the partitions' logs.",
        [](const Stats& stats) { return stats.bytes_written.load(); });
  count("skeinmq_checkpoints_total", "Checkpoints of the state.",
        [](const Stats& stats) { return stats.checkpoints.load(); });
  count("skeinmq_queue_pages_read_total", "Pages of queues read from the disk.",
        [](const Stats& stats) { return stats.pages_read.load(); });
  count("skeinmq_write_stalls_total", "Times that the database slowed or stopped writing.",
        [](const Stats& stats) { return stats.write_stalls.load(); });
  gauge("skeinmq_write_stopped",
        "1 while new durable work is not taken: the disk is nearly full, or the database stopped.",
        figures.write_stopped ? 1 : 0);
  gauge("skeinmq_wal_bytes", "Bytes of the write-ahead logs on disk.", figures.wal_bytes);
  gauge("skeinmq_compaction_pending_bytes", "Bytes that compaction has yet to rewrite.",
        figures.compaction_pending_bytes);
  gauge("skeinmq_database_bytes", "Bytes of the database's sorted files.", figures.database_bytes);
  gauge("skeinmq_disk_free_bytes", "Free bytes of the disk of data_dir.", figures.disk_free_bytes);
  gauge("skeinmq_disk_size_bytes", "Size of that disk.", figures.disk_size_bytes);
}

void NodeMetrics::AddCluster(const Parts& parts, Sheet* sheet) const {
  std::map<std::string, uint64_t> members = {
      {"joining", 0}, {"active", 0}, {"draining", 0}, {"away", 0}};
  Rows rows{parts.broker->partitions(), parts.broker->partitions(), 0};
  bool lease = true;
  if (parts.cluster == nullptr) {
    members["active"] = 1;
  } else {
    const cluster::Standing standing = parts.cluster->View();
    size_t self = 0;
    for (const cluster::NodeStanding& node : standing.nodes) {
      ++members[node.live ? cluster::NameOf(node.state) : "away"];
      if (node.member.node == config_.node_id) self = node.member.number;
    }
    rows = CountRows(standing, parts.cluster->Linked(), self);
    lease = !parts.cluster->has_coordinator() || standing.lease_held;
  }
  metrics::Family states = sheet->Gauge("skeinmq_cluster_members", "Nodes of the cluster.");
  for (const auto& [state, count] : members)
    states.Set({{"state", state}}, Value(count));
  sheet->Gauge("skeinmq_cluster_partitions", "Partitions of the cluster.").Set(Value(rows.all));
  sheet->Gauge("skeinmq_partitions_led", "Partitions that this node owns.").Set(Value(rows.led));
  sheet
      ->Gauge("skeinmq_partitions_unavailable",
              "Partitions of nodes that this node cannot reach, or of nobody.")
      .Set(Value(rows.unavailable));
  sheet
      ->Gauge("skeinmq_coordinator_lease",
              "1 while etcd counts on this node, and always without etcd.")
      .Set(lease ? 1 : 0);
}

void NodeMetrics::AddLinks(const Parts& parts, Sheet* sheet) const {
  std::vector<cluster::LinkFigures> links;
  if (parts.cluster != nullptr) links = parts.cluster->Links();
  const auto each = [&](metrics::Family family, const auto& set) {
    for (const cluster::LinkFigures& link : links)
      set(family, link);
  };
  each(sheet->Gauge("skeinmq_peer_up", "1 while there is a link to the peer."),
       [](auto& family, const auto& link) {
         family.Set({{"peer", link.member.node}}, link.up ? 1 : 0);
       });
  each(sheet->Counter("skeinmq_peer_bytes_total", "Bytes of mail to and from the peer, about."),
       [](auto& family, const auto& link) {
         family.Set({{"peer", link.member.node}, {"direction", "in"}}, Value(link.bytes_in));
         family.Set({{"peer", link.member.node}, {"direction", "out"}}, Value(link.bytes_out));
       });
  each(sheet->Histogram("skeinmq_peer_round_trip_seconds",
                        "From a question on the link to its answer, once a second."),
       [](auto& family, const auto& link) {
         family.Set({{"peer", link.member.node}}, link.round_trip, metrics::kMicro);
       });
  sheet->Gauge("skeinmq_cluster_version_mismatch", "Linked peers that run another version.")
      .Set(Value(static_cast<uint64_t>(
          std::count_if(links.begin(), links.end(), [](const cluster::LinkFigures& link) {
            return link.up && link.release != config::Version();
          }))));
}

void NodeMetrics::AddNode(const Parts& parts, Sheet* sheet) const {
  sheet->Gauge("skeinmq_build_info", "1, with the version and the name of the node.")
      .Set({{"version", std::string(config::Version())}, {"node", config_.node_id}}, 1);
  metrics::Family expiry =
      sheet->Gauge("skeinmq_tls_certificate_not_after_timestamp_seconds",
                   "When the first of a listener's certificates ends, seconds since 1970.");
  for (size_t i = 0; i < config_.listeners.size() && parts.security != nullptr; ++i) {
    if (const auto first = parts.security->FirstExpiry(i))
      expiry.Set({{"listener", config_.listeners[i].name}}, static_cast<double>(*first));
  }
  sheet
      ->Counter("skeinmq_worker_queue_full_total",
                "Logins refused since as many as security.worker_queue waited to be checked.")
      .Set(parts.security == nullptr ? 0 : Value(parts.security->refused_logins()));
  sheet->Counter("skeinmq_config_reloads_total", "Times that the configuration was read again.")
      .Set({{"result", "success"}}, Value(reloads_.load()))
      .Set({{"result", "failure"}}, Value(failed_reloads_.load()));
  sheet->Gauge("skeinmq_config_last_reload_successful", "1 unless the last of them failed.")
      .Set(last_reload_done_.load() ? 1 : 0);
  sheet
      ->Counter("skeinmq_log_lines_dropped_total",
                "Log lines lost since more came than could be written.")
      .Set(parts.log == nullptr ? 0 : Value(parts.log->dropped()));
  metrics::Family requests =
      sheet->Counter("skeinmq_admin_requests_total", "Answers of the admin listener, by status.");
  for (const auto& [status, count] : api_ == nullptr ? std::map<int, uint64_t>() : api_->answers())
    requests.Set({{"code", std::to_string(status)}}, Value(count));
}

std::vector<prometheus::MetricFamily> NodeMetrics::Collect() const {
  Parts parts;
  {
    MutexLock lock(mutex_);
    parts = parts_;
  }
  Sheet sheet;
  AddNode(parts, &sheet);
  const metrics::ProcessFigures process = metrics::ReadProcess();
  metrics::AddProcess(process, &sheet);
  sheet.Gauge("skeinmq_start_time_seconds", "When the node started, seconds since 1970.")
      .Set(process.start_time);
  if (parts.broker == nullptr) return sheet.Take();  // it starts
  AddBroker(parts, &sheet);
  AddStore(parts.store, &sheet);
  AddCluster(parts, &sheet);
  AddLinks(parts, &sheet);
  return sheet.Take();
}

}  // namespace skein
