// What operators are shown, and nodes that leave for good.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cluster/coordinator/etcd_impl.h"
#include "cluster/coordinator/etcd_txn.h"

namespace skein::cluster {
namespace {

// Longer than etcd may take for the calls that it needs.
constexpr std::chrono::seconds kLeaveSeconds{15};

}  // namespace

void EtcdCoordinator::Publish() {
  Standing standing;
  const auto live = state_.Nodes(keys::kLive);
  for (const auto& [node, record] : state_.Nodes(keys::kNodes)) {
    NodeStanding& each = standing.nodes.emplace_back();
    each.member = {node, record.address, record.number};
    const auto found = live.find(node);
    each.live = found != live.end();
    if (each.live) each.state = found->second.state;
  }
  standing.table = table_;
  standing.lease_held = lease_held_;
  standing.moving = moving_.size();
  const std::lock_guard lock(mutex_);
  standing_ = std::move(standing);
}

Standing EtcdCoordinator::View() const {
  const std::lock_guard lock(mutex_);
  return standing_;
}

absl::Status EtcdCoordinator::Leave() {
  std::unique_lock lock(mutex_);
  leave_asked_ = true;
  poked_ = true;
  leave_answer_.reset();
  wake_.notify_all();
  wake_.wait_for(lock, kLeaveSeconds, [this] { return leave_answer_ || stopping_; });
  leave_asked_ = false;
  return leave_answer_ ? *leave_answer_ : absl::UnavailableError("etcd does not answer");
}

void EtcdCoordinator::AnswerLeave() {
  {
    const std::lock_guard lock(mutex_);
    if (!leave_asked_) return;
  }
  absl::Status status = TryLeave();
  left_ = status.ok();
  const std::lock_guard lock(mutex_);
  leave_asked_ = false;
  leave_answer_ = std::move(status);
  wake_.notify_all();
}

absl::Status EtcdCoordinator::TryLeave() {
  int64_t revision = 0;
  if (absl::Status status = Read(&revision); !status.ok()) return status;
  Tell();
  if (!state_.Has(keys::kNodes + options_.node)) return absl::OkStatus();  // the last try did it
  if (owned() > 0)
    return absl::FailedPreconditionError(absl::StrCat("it owns ", owned(), " partitions"));
  api::TxnRequest txn;
  // Nobody gives us one meanwhile; and this is still our life of the node.
  UnchangedSince(Key(keys::kTable), revision, &txn);
  HasValue(Key(keys::kNodes + options_.node), Format(Registration()), &txn);
  Delete(Key(keys::kLive + options_.node), &txn);
  Delete(Key(keys::kNodes + options_.node), &txn);
  Delete(Key(absl::StrCat(keys::kNumbers, own_.number)), &txn);
  Delete(Key(keys::kDrain + options_.node), &txn);
  bool succeeded = false;
  if (absl::Status status = client_.Txn(txn, &succeeded); !status.ok()) return status;
  return succeeded ? absl::OkStatus() : absl::AbortedError("the table has changed meanwhile");
}

absl::Status EtcdCoordinator::Forget(const std::string& node) {
  EtcdClient::Snapshot snapshot;
  if (absl::Status status = client_.ReadAll(prefix_, &snapshot); !status.ok()) return status;
  const auto registered = snapshot.values.find(Key(keys::kNodes + node));
  if (registered == snapshot.values.end())
    return absl::NotFoundError(absl::StrCat("the cluster has no node '", node, "'"));
  const std::string alive =
      absl::StrCat("'", node, "' lives: stop it first, and wait until its lease (",
                   options_.lease_seconds, " seconds) has run out; or let it leave by itself");
  if (snapshot.values.contains(Key(keys::kLive + node)))
    return absl::FailedPreconditionError(alive);
  api::TxnRequest txn;
  Absent(Key(keys::kLive + node), &txn);
  HasValue(registered->first, registered->second, &txn);
  Delete(registered->first, &txn);
  if (const auto record = ParseNode(registered->second))
    Delete(Key(absl::StrCat(keys::kNumbers, record->number)), &txn);
  Delete(Key(keys::kDrain + node), &txn);
  bool succeeded = false;
  if (absl::Status status = client_.Txn(txn, &succeeded); !status.ok()) return status;
  if (!succeeded) return absl::FailedPreconditionError(alive);
  options_.log->Log(LogLevel::kWarn, "cluster.node_forgotten", {{"node", node}});
  return absl::OkStatus();
}

}  // namespace skein::cluster
