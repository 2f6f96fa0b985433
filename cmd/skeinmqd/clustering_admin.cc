// What operators see of the cluster, and how a node leaves it at their word.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cmd/skeinmqd/clustering.h"

namespace skein {
namespace {

constexpr const char* kFixedList =
    "the nodes are a fixed list (cluster.peers): a node can only give its partitions away in a "
    "cluster with etcd";

bool Contains(const std::vector<shard::NodeNumber>& numbers, shard::NodeNumber number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

// What waits on this node's disk for others, and would go with it.
int64_t MessagesInOutbox(const shard::Broker& broker) {
  int64_t messages = 0;
  for (const ShardStats* stats : broker.stats())
    messages += stats->outbox_messages.value();
  return messages;
}

}  // namespace

Clustering::Phase Clustering::phase() const {
  if (leaving_) return Phase::kLeaving;
  if (drained_) return Phase::kDrained;
  return draining_ ? Phase::kDraining : Phase::kMember;
}

cluster::Standing Clustering::View() const {
  if (coordinator_ != nullptr) return coordinator_->View();
  cluster::Standing standing;
  standing.table = fixed_table_;
  const std::vector<shard::NodeNumber> linked = Linked();
  for (const cluster::Member& member : net_options_.members) {
    cluster::NodeStanding& each = standing.nodes.emplace_back();
    each.member = member;
    each.live = member.number == net_options_.self || Contains(linked, member.number);
    each.state = cluster::MemberState::kActive;
  }
  return standing;
}

bool Clustering::MayPromise(const cluster::Standing& standing) const {
  if (coordinator_ == nullptr || standing.lease_held) return true;
  if (!had_lease_) return false;
  const std::vector<shard::NodeNumber> linked = Linked();
  return std::all_of(standing.nodes.begin(), standing.nodes.end(), [&](const auto& node) {
    return !node.live || node.member.number == net_options_.self ||
           Contains(linked, node.member.number);
  });
}

admin::PeerAnswers Clustering::Ask(const admin::Request& request, const std::string& node) const {
  std::vector<cluster::Member> asked;
  std::vector<shard::NodeNumber> numbers;
  for (const cluster::NodeStanding& each : View().nodes) {
    const bool self = each.member.number == net_options_.self;
    if (self || (!node.empty() && each.member.node != node)) continue;
    asked.push_back(each.member);
    numbers.push_back(each.member.number);
  }
  std::vector<std::optional<admin::Response>> told =
      net_->Ask(numbers, request, request.patience_ms);
  admin::PeerAnswers answers;
  for (size_t i = 0; i < asked.size(); ++i) {
    if (told[i].has_value()) {
      answers.answers.push_back({asked[i].node, std::move(*told[i])});
    } else {
      answers.silent.push_back(asked[i].node);
    }
  }
  return answers;
}

absl::Status Clustering::StartDrain() {
  if (coordinator_ == nullptr) return absl::FailedPreconditionError(kFixedList);
  const cluster::Standing standing = View();
  const bool others =
      std::any_of(standing.nodes.begin(), standing.nodes.end(), [this](const auto& node) {
        return node.live && node.state == cluster::MemberState::kActive &&
               node.member.number != net_options_.self;
      });
  if (!others && coordinator_->owned() > 0)
    return absl::FailedPreconditionError("no other node is there to take this one's partitions");
  if (!draining_.exchange(true)) {
    log_->Log(LogLevel::kInfo, "cluster.draining",
              {{"partitions", coordinator_->owned()}, {"why", "an operator wants it"}});
  }
  coordinator_->Drain();
  return absl::OkStatus();
}

absl::Status Clustering::StartLeave() {
  const absl::Status status = StartDrain();
  if (status.ok()) leaving_ = true;
  return status;
}

absl::Status Clustering::Forget(const std::string& node) {
  if (coordinator_ == nullptr) return absl::FailedPreconditionError(kFixedList);
  if (node == config_.node_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", node, "' is this node, which lives; it can leave by itself"));
  }
  return coordinator_->Forget(node);
}

bool Clustering::Tick() {
  if (coordinator_ == nullptr || !draining_ || coordinator_->owned() > 0) return false;
  // Again each time: a client may have been between two shards.
  shard::PeerEvent event;
  event.kind = shard::PeerEvent::Kind::kRetire;
  ToAllShards(event);
  if (!drained_.exchange(true)) {
    log_->Log(LogLevel::kInfo, "cluster.drained", {{"partitions_left", 0}});
    return false;  // the clients have until the next time
  }
  if (!leaving_) return false;
  const int64_t waiting = MessagesInOutbox(*broker_);
  const absl::Status left =
      waiting == 0 ? coordinator_->Leave()
                   : absl::FailedPreconditionError(absl::StrCat(
                         waiting, " messages wait here for nodes that cannot be reached"));
  if (!left.ok()) {
    log_->Log(LogLevel::kWarn, "cluster.cannot_leave",
              {{"error", std::string(left.message())}, {"text", "it is tried again"}});
    return false;
  }
  log_->Log(LogLevel::kInfo, "cluster.left", {{"node_id", config_.node_id}});
  return true;
}

}  // namespace skein
