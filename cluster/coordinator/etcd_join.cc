// How a node becomes known: the cluster's own settings, and the node's number.
#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cluster/coordinator/etcd_impl.h"
#include "cluster/coordinator/etcd_txn.h"

namespace skein::cluster {
namespace {

std::string RandomText() {
  std::random_device source;
  return absl::StrCat(absl::Hex(source(), absl::kZeroPad8), absl::Hex(source(), absl::kZeroPad8));
}

}  // namespace

absl::StatusOr<Membership> EtcdCoordinator::Join(const std::function<bool()>& give_up) {
  own_.incarnation = RandomText();
  Membership membership;
  std::string told;
  for (;;) {
    const absl::Status status = TryJoin(&membership);
    if (status.ok()) return membership;
    if (absl::IsFailedPrecondition(status)) return status;
    const std::string why(status.message().data(), status.message().size());
    if (why != told) options_.log->Log(LogLevel::kWarn, "coordinator.unreachable", {{"why", why}});
    told = why;
    for (int i = 0; i < 10; ++i) {
      if (give_up()) return absl::CancelledError("stopped while waiting for etcd");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

absl::Status EtcdCoordinator::Read(int64_t* revision) {
  EtcdClient::Snapshot snapshot;
  if (absl::Status status = client_.ReadAll(prefix_, &snapshot); !status.ok()) return status;
  state_.values.clear();
  for (auto& [key, value] : snapshot.values)
    state_.values[key.substr(prefix_.size())] = std::move(value);
  if (revision != nullptr) *revision = snapshot.revision;
  return absl::OkStatus();
}

absl::Status EtcdCoordinator::TryJoin(Membership* membership) {
  if (absl::Status status = Read(); !status.ok()) return status;
  if (!state_.Has(keys::kConfig)) {
    if (absl::Status status = Form(); !status.ok()) return status;
  }
  const std::optional<ClusterConfig> config = state_.config();
  if (!config || config->format != ClusterConfig::kFormat)
    return absl::FailedPreconditionError(
        absl::StrCat("the cluster '", options_.cluster,
                     "' in etcd has a format that this version does not know"));
  if (config->partitions != options_.partitions)
    return absl::FailedPreconditionError(
        absl::StrCat("the cluster '", options_.cluster, "' has ", config->partitions,
                     " partitions, this node is made for ", options_.partitions));
  partitions_ = config->partitions;
  if (absl::Status status = Number(); !status.ok()) return status;
  membership->number = own_.number;
  membership->cluster_id = config->id;
  membership->members = state_.LiveMembers();
  membership->table = table_ = state_.Table(partitions_);
  membership->formed_now = std::all_of(table_.begin(), table_.end(),
                                       [](const auto& row) { return row.node == shard::kNoNode; });
  // members_ stays empty: on_members has not been called yet, and nobody has linked with them.
  return absl::OkStatus();
}

absl::Status EtcdCoordinator::Form() {
  api::TxnRequest txn;
  Absent(Key(keys::kConfig), &txn);
  Put(Key(keys::kConfig),
      Format(
          ClusterConfig{ClusterConfig::kFormat, options_.partitions, RandomText() + RandomText()}),
      0, &txn);
  bool succeeded = false;
  if (absl::Status status = client_.Txn(txn, &succeeded); !status.ok()) return status;
  return Read();
}

// The node's number: the one that it has had since it was seen first, or the lowest that is free.
absl::Status EtcdCoordinator::Number() {
  const auto nodes = state_.Nodes(keys::kNodes);
  const std::string key = Key(keys::kNodes + options_.node);
  if (const auto known = nodes.find(options_.node); known != nodes.end()) {
    own_.number = known->second.number;
    api::TxnRequest txn;
    Put(key, Format(Registration()), 0, &txn);
    bool succeeded = false;
    if (absl::Status status = client_.Txn(txn, &succeeded); !status.ok()) return status;
    return Read();
  }
  std::set<shard::NodeNumber> taken;
  for (const auto& [node, record] : nodes)
    taken.insert(record.number);
  // A number that still owns partitions is not free, even if its node has left.
  for (const shard::PartitionRow& row : state_.Table(partitions_))
    taken.insert(row.node);
  own_.number = 0;
  while (taken.contains(own_.number))
    ++own_.number;
  if (own_.number >= shard::kMaxNodes)
    return absl::FailedPreconditionError(absl::StrCat("the cluster has ", shard::kMaxNodes,
                                                      " nodes, which is the most there can be"));
  api::TxnRequest txn;
  const std::string number = Key(absl::StrCat(keys::kNumbers, own_.number));
  Absent(key, &txn);
  Absent(number, &txn);
  Put(key, Format(Registration()), 0, &txn);
  Put(number, options_.node, 0, &txn);
  bool succeeded = false;
  if (absl::Status status = client_.Txn(txn, &succeeded); !status.ok()) return status;
  if (!succeeded) return absl::AbortedError("another node has taken the number");
  return Read();
}

}  // namespace skein::cluster
