// See etcd_coordinator.h. For .cc files of this folder only.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/coordinator/etcd_coordinator.h"
#include "cluster/coordinator/state.h"

namespace skein::cluster {

class EtcdCoordinator final : public Coordinator {
 public:
  explicit EtcdCoordinator(EtcdCoordinatorOptions options)
      : options_(std::move(options)),
        prefix_(keys::Prefix(options_.cluster)),
        client_(options_.etcd) {
    own_.address = options_.address;
  }
  ~EtcdCoordinator() override { Stop(); }

  absl::StatusOr<Membership> Join(const std::function<bool()>& give_up) override;
  void Start(CoordinatorEvents events, std::function<bool()> ready) override;
  bool Drain() override {
    draining_ = true;
    Poke();
    return others_ > 0;
  }
  size_t owned() const override { return owned_.load(); }
  Standing View() const override;
  absl::Status Leave() override;
  absl::Status Forget(const std::string& node) override;
  void Commit(const shard::RowChange& change) override;
  void Abandon(session::PartitionId partition) override;
  void Stop() override;

 private:
  // --- joining
  absl::Status TryJoin(Membership* membership);
  absl::Status Form();
  absl::Status Number();
  absl::Status Read(int64_t* revision = nullptr);

  // --- the thread that acts
  void Run();
  void RenewLease();
  void AnnounceSelf();
  void Replaced(const char* why);
  bool TakeChanges();
  void Tell();
  void CommitRows();
  // False: not taken, or nobody knows.
  bool Swap(const std::vector<shard::RowChange>& rows);
  void Balance();
  void SetLease(bool held);
  MemberState WantedState();
  void Poke() {
    const std::lock_guard lock(mutex_);
    poked_ = true;
    wake_.notify_all();
  }

  // --- for operators, on the thread that acts
  void Publish();
  void AnswerLeave();
  absl::Status TryLeave();

  // --- the thread that watches
  void Watch();

  std::string Key(const std::string& key) const { return prefix_ + key; }
  // As this life of the node stands among the nodes.
  NodeRecord Registration() const {
    return {own_.number, own_.address, own_.incarnation, MemberState::kJoining};
  }
  TimeMs Now() const { return options_.clock(); }

  const EtcdCoordinatorOptions options_;
  const std::string prefix_;
  EtcdClient client_;
  CoordinatorEvents events_;
  std::function<bool()> ready_;
  NodeRecord own_;
  std::atomic<bool> draining_{false};
  std::atomic<size_t> owned_{0};
  std::atomic<size_t> others_{0};  // active nodes that are not this one
  std::thread actor_, watcher_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool poked_ = false;
  bool fresh_ = false;  // new_state_ is all there is; else changes_ follow
  ClusterState new_state_;
  std::vector<EtcdClient::Change> changes_;
  std::vector<shard::RowChange> commits_;
  std::vector<session::PartitionId> abandoned_;
  Standing standing_;
  bool leave_asked_ = false;
  std::optional<absl::Status> leave_answer_;

  // The actor's.
  ClusterState state_;
  uint32_t partitions_ = 0;
  std::vector<shard::PartitionRow> table_;
  std::vector<LiveMember> members_;
  std::map<uint32_t, TimeMs> moving_;  // partitions of ours, since when
  std::map<uint32_t, TimeMs> paused_;  // not to be moved before
  int64_t lease_ = 0;
  TimeMs lease_until_ = 0;
  TimeMs renew_at_ = 0;
  TimeMs claim_at_ = 0;
  bool lease_held_ = false;
  bool replaced_ = false;
  bool announced_ = false;
  bool left_ = false;  // for good: nothing is done any more
};

}  // namespace skein::cluster
