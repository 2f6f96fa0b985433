#include "cluster/coordinator/etcd_coordinator.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "cluster/coordinator/etcd_impl.h"
#include "cluster/coordinator/etcd_txn.h"
#include "cluster/table/plan.h"

namespace skein::cluster {

namespace keys {
std::string Prefix(const std::string& cluster) {
  return "/skeinmq/" + cluster + "/";
}
}  // namespace keys

namespace {

constexpr TimeMs kStepMs = 200;           // between looks when nothing happens
constexpr TimeMs kMoveMs = 60'000;        // a hand-over that takes longer is asked for again
constexpr TimeMs kPauseMs = 500;          // before what failed is tried again
constexpr size_t kRowsATransaction = 60;  // etcd takes 128 operations

}  // namespace

void EtcdCoordinator::Start(CoordinatorEvents events, std::function<bool()> ready) {
  events_ = std::move(events);
  events_.on_lease(false);
  ready_ = std::move(ready);
  actor_ = std::thread([this] { Run(); });
  watcher_ = std::thread([this] { Watch(); });
}

void EtcdCoordinator::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    wake_.notify_all();
  }
  if (actor_.joinable()) actor_.join();
  client_.Cancel();
  if (watcher_.joinable()) watcher_.join();
}

void EtcdCoordinator::Commit(const shard::RowChange& change) {
  const std::lock_guard lock(mutex_);
  commits_.push_back(change);
  poked_ = true;
  wake_.notify_all();
}

void EtcdCoordinator::Abandon(session::PartitionId partition) {
  const std::lock_guard lock(mutex_);
  abandoned_.push_back(partition);
}

void EtcdCoordinator::Watch() {
  for (;;) {
    EtcdClient::Snapshot snapshot;
    absl::Status status = client_.ReadAll(prefix_, &snapshot);
    if (status.ok()) {
      {
        const std::lock_guard lock(mutex_);
        fresh_ = true;
        changes_.clear();
        new_state_.values.clear();
        for (auto& [key, value] : snapshot.values)
          new_state_.values[key.substr(prefix_.size())] = std::move(value);
      }
      Poke();
      status = client_.Watch(prefix_, snapshot.revision, [this](auto changes) {
        {
          const std::lock_guard lock(mutex_);
          for (EtcdClient::Change& change : changes)
            changes_.push_back(std::move(change));
        }
        Poke();
      });
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, std::chrono::milliseconds(kPauseMs), [this] { return stopping_; }))
      return;
  }
}

void EtcdCoordinator::Run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::milliseconds(kStepMs),
                     [this] { return poked_ || stopping_; });
      poked_ = false;
      if (stopping_) break;
    }
    if (left_) continue;
    RenewLease();
    if (TakeChanges()) Tell();
    AnnounceSelf();
    CommitRows();
    Balance();
    AnswerLeave();
    Publish();
  }
  if (lease_ != 0) (void)client_.Revoke(lease_);
}

void EtcdCoordinator::RenewLease() {
  const TimeMs now = Now();
  const TimeMs ttl = TimeMs{options_.lease_seconds} * 1'000;
  using Clock = std::chrono::steady_clock;
  if (now >= lease_until_ - ttl / 5) {
    SetLease(false);
    client_.EndBy(Clock::time_point::max());
  }
  if (now >= renew_at_) {
    renew_at_ = now + ttl / 3;
    absl::Status status = absl::OkStatus();
    if (lease_ != 0) {
      status = client_.KeepAlive(lease_);
      if (absl::IsNotFound(status)) lease_ = 0;
    }
    if (lease_ == 0) {
      announced_ = false;
      status = client_.Grant(options_.lease_seconds, &lease_);
      if (!status.ok()) lease_ = 0;
    }
    if (status.ok()) {
      lease_until_ = now + ttl;  // counted from before the question was sent
      // No call keeps this thread from giving the lease up in time.
      client_.EndBy(Clock::now() + std::chrono::milliseconds(lease_until_ - ttl / 5 - Now()));
    } else {
      renew_at_ = Now() + kPauseMs;
    }
  }
  // Sooner than etcd would say it, whatever the clocks do.
  SetLease(announced_ && Now() < lease_until_ - ttl / 5);
}

void EtcdCoordinator::SetLease(bool held) {
  if (held == lease_held_) return;
  lease_held_ = held;
  options_.log->Log(held ? LogLevel::kInfo : LogLevel::kError,
                    held ? "coordinator.lease" : "coordinator.lease_lost",
                    {{"held", held ? 1 : 0}});
  events_.on_lease(held);
}

MemberState EtcdCoordinator::WantedState() {
  if (draining_ || state_.Has(keys::kDrain + options_.node)) return MemberState::kDraining;
  return own_.state == MemberState::kJoining && !ready_() ? MemberState::kJoining
                                                          : MemberState::kActive;
}

void EtcdCoordinator::AnnounceSelf() {
  if (lease_ == 0 || replaced_) return;
  const std::string key = keys::kLive + options_.node;
  const auto live = state_.Nodes(keys::kLive);
  const auto found = live.find(options_.node);
  if (announced_ && found != live.end() && found->second.incarnation != own_.incarnation) {
    return Replaced("another process has joined the cluster with this node's id");
  }
  const MemberState wanted = WantedState();
  if (announced_ && wanted == own_.state && found != live.end()) return;
  own_.state = wanted;
  api::TxnRequest txn;
  HasValue(Key(keys::kNodes + options_.node), Format(Registration()), &txn);
  Put(Key(key), Format(own_), lease_, &txn);
  bool succeeded = false;
  if (!client_.Txn(txn, &succeeded).ok()) {
    announced_ = false;
    return;
  }
  if (!succeeded) {
    if (!Read().ok()) return;
    return Replaced(state_.Has(keys::kNodes + options_.node)
                        ? "another process has joined the cluster with this node's id"
                        : "an operator has removed this node from the cluster");
  }
  announced_ = true;
  state_.values[key] = Format(own_);
}

void EtcdCoordinator::Replaced(const char* why) {
  replaced_ = true;
  announced_ = false;
  events_.on_replaced(why);
}

bool EtcdCoordinator::TakeChanges() {
  const std::lock_guard lock(mutex_);
  if (!fresh_ && changes_.empty()) return false;
  if (std::exchange(fresh_, false)) state_ = std::move(new_state_);
  for (EtcdClient::Change& change : changes_) {
    const std::string key = change.first.substr(prefix_.size());
    if (change.second == nullptr) {
      state_.values.erase(key);
    } else {
      state_.values[key] = std::move(*change.second);
    }
  }
  changes_.clear();
  return true;
}

void EtcdCoordinator::Tell() {
  std::vector<LiveMember> members = state_.LiveMembers();
  if (members != members_) {
    members_ = std::move(members);
    others_ = static_cast<size_t>(
        std::count_if(members_.begin(), members_.end(), [this](const LiveMember& live) {
          return live.member.number != own_.number && live.state == MemberState::kActive;
        }));
    events_.on_members(members_);
  }
  const std::vector<shard::PartitionRow> table = state_.Table(partitions_);
  std::vector<shard::RowChange> changed;
  size_t owned = 0;
  for (uint32_t partition = 0; partition < table.size(); ++partition) {
    owned += table[partition].node == own_.number ? 1 : 0;
    if (table[partition].epoch <= table_[partition].epoch) continue;
    changed.push_back({partition, table[partition]});
    moving_.erase(partition);
  }
  table_ = table;
  owned_ = owned;
  if (!changed.empty()) events_.on_rows(changed);
}

void EtcdCoordinator::CommitRows() {
  std::vector<shard::RowChange> rows;
  std::vector<session::PartitionId> abandoned;
  {
    const std::lock_guard lock(mutex_);
    rows.swap(commits_);
    abandoned.swap(abandoned_);
  }
  for (const session::PartitionId partition : abandoned) {
    moving_.erase(partition);
    paused_[partition] = Now() + kPauseMs;
  }
  std::vector<shard::RowChange> again;
  for (const shard::RowChange& row : rows) {
    if (Swap({row})) continue;
    // Perhaps it was carried out and the answer lost: the table knows.
    if (!Read().ok()) {
      again.push_back(row);
      continue;
    }
    Tell();
    if (table_[row.partition].epoch + 1 != row.row.epoch) continue;
    moving_.erase(row.partition);
    paused_[row.partition] = Now() + kPauseMs;
    events_.on_move_failed(row);
  }
  const std::lock_guard lock(mutex_);
  commits_.insert(commits_.begin(), again.begin(), again.end());
}

bool EtcdCoordinator::Swap(const std::vector<shard::RowChange>& rows) {
  api::TxnRequest txn;
  std::set<shard::NodeNumber> owners;
  for (const shard::RowChange& change : rows) {
    const std::string key = Key(TableKey(change.partition));
    const auto before = state_.values.find(TableKey(change.partition));
    if (before == state_.values.end()) {
      Absent(key, &txn);
    } else {
      if (table_[change.partition].epoch + 1 != change.row.epoch) return false;
      HasValue(key, before->second, &txn);
    }
    Put(key, FormatRow(change.row), 0, &txn);
    owners.insert(change.row.node);
  }
  for (const LiveMember& member : state_.LiveMembers()) {
    if (owners.erase(member.member.number) > 0)
      Present(Key(keys::kLive + member.member.node), &txn);
  }
  if (!owners.empty()) return false;  // who should have it is gone
  // What an earlier life of this node asked for does not count any more.
  HasValue(Key(keys::kNodes + options_.node), Format(Registration()), &txn);
  bool succeeded = false;
  return client_.Txn(txn, &succeeded).ok() && succeeded;
}

void EtcdCoordinator::Balance() {
  if (!announced_ || !lease_held_) return;
  PlanInput input;
  input.self = own_.number;
  input.table = table_;
  bool forming = false;
  for (const shard::PartitionRow& row : table_)
    forming |= row.node == shard::kNoNode;
  for (const LiveMember& live : members_) {
    // While the cluster forms nobody can be active: what it needs is owners.
    if (live.state == MemberState::kActive || (forming && live.state == MemberState::kJoining))
      input.active[live.member.node] = live.member.number;
  }
  // Of ourselves we know sooner.
  if (own_.state == MemberState::kActive) input.active[options_.node] = own_.number;
  for (const auto& [node, record] : state_.Nodes(keys::kNodes))
    input.known[node] = record.number;
  // Who does not serve yet keeps what it has: it will be active in a moment.
  if (own_.state == MemberState::kJoining && !forming) return;
  const PlanOutput plan = Plan(input);
  const TimeMs now = Now();
  if (!plan.claim.empty() && now >= claim_at_) {
    claim_at_ = now + kPauseMs;
    for (size_t at = 0; at < plan.claim.size(); at += kRowsATransaction) {
      const auto end = std::min(plan.claim.size(), at + kRowsATransaction);
      if (!Swap({plan.claim.begin() + static_cast<ptrdiff_t>(at),
                 plan.claim.begin() + static_cast<ptrdiff_t>(end)}))
        break;
    }
  }
  std::erase_if(moving_, [&](const auto& entry) { return now - entry.second > kMoveMs; });
  std::erase_if(paused_, [&](const auto& entry) { return entry.second <= now; });
  for (const shard::RowChange& change : plan.give) {
    if (moving_.size() >= options_.max_moves) break;
    if (moving_.contains(change.partition) || paused_.contains(change.partition)) continue;
    moving_[change.partition] = now;
    events_.on_give(change);
  }
}

std::unique_ptr<Coordinator> MakeEtcdCoordinator(EtcdCoordinatorOptions options) {
  return std::make_unique<EtcdCoordinator>(std::move(options));
}

}  // namespace skein::cluster
