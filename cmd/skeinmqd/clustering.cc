#include "cmd/skeinmqd/clustering.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cluster/coordinator/etcd_coordinator.h"
#include "cluster/table/rendezvous.h"
#include "cmd/skeinmqd/flags.h"
#include "cmd/skeinmqd/listener_url.h"

namespace skein {
namespace {

constexpr const char* kClusterFile = "cluster";

bool SignalWaits(const sigset_t& signals) {
  sigset_t pending;
  sigpending(&pending);
  return (sigismember(&signals, SIGTERM) != 0 && sigismember(&pending, SIGTERM) != 0) ||
         (sigismember(&signals, SIGINT) != 0 && sigismember(&pending, SIGINT) != 0);
}

absl::StatusOr<std::string> ReadText(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", file));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.pop_back();
  return text;
}

// The file is there with this text, or it is not, whatever happens meanwhile.
absl::Status WriteText(const std::string& file, const std::string& text) {
  const std::string fresh = file + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       fsync(fd) == 0;
  if (fd >= 0) close(fd);
  if (!written || rename(fresh.c_str(), file.c_str()) != 0)
    return absl::UnavailableError(absl::StrCat("cannot write ", file));
  return absl::OkStatus();
}

std::vector<cluster::Member> FixedMembers(const config::Config& config) {
  std::vector<cluster::Member> members;
  for (const config::ClusterPeer& peer : config.cluster_peers)
    members.push_back({peer.node, config::FormatAddress(peer.address)});
  // In the order in which all of them number them.
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.node < b.node; });
  for (size_t i = 0; i < members.size(); ++i)
    members[i].number = static_cast<shard::NodeNumber>(i);
  return members;
}

std::vector<shard::NodeNumber> NumbersOf(const std::vector<cluster::LiveMember>& members) {
  std::vector<shard::NodeNumber> numbers;
  for (const cluster::LiveMember& live : members)
    numbers.push_back(live.member.number);
  return numbers;
}

}  // namespace

absl::Status Clustering::Join(const sigset_t& signals, shard::BrokerOptions* options) {
  if (options->shards > shard::kMaxShardsANode) {
    log_->Log(LogLevel::kWarn, "config.warning",
              {{"text",
                absl::StrCat("shards: a node of a cluster has at most ", shard::kMaxShardsANode)}});
    options->shards = shard::kMaxShardsANode;
  }
  net_options_.cluster = config_.cluster_name;
  net_options_.release = config::Version();
  net_options_.listen = config::FormatAddress(*config_.cluster_listen);
  net_options_.partitions = options->partitions;
  net_options_.shards = options->shards;
  net_options_.ca_file = config_.cluster_ca_file;
  net_options_.cert_file = config_.cluster_cert_file;
  net_options_.key_file = config_.cluster_key_file;
  net_options_.log = log_;
  options->digest_interval_ms = config_.cluster_digest_interval_ms;
  if (!config_.cluster_etcd.empty()) return JoinEtcd(signals, options);
  if (config_.cluster_peers.size() > shard::kMaxNodes)
    return absl::InvalidArgumentError(absl::StrCat("cluster.peers: ", config_.cluster_peers.size(),
                                                   " nodes; at most ", shard::kMaxNodes));
  JoinFixed(options);
  return absl::OkStatus();
}

void Clustering::JoinFixed(shard::BrokerOptions* options) {
  net_options_.members = FixedMembers(config_);
  std::vector<std::string> names;
  for (const cluster::Member& member : net_options_.members) {
    if (member.node == config_.node_id) options->node = member.number;
    options->members.push_back(member.number);
    names.push_back(member.node);
  }
  net_options_.self = options->node;
  for (const uint16_t owner : cluster::RendezvousTable(options->partitions, names))
    options->table.push_back({1, owner});
  fixed_table_ = options->table;
  options->join_timeout_ms = config_.cluster_join_timeout_ms;
}

absl::Status Clustering::JoinEtcd(const sigset_t& signals, shard::BrokerOptions* options) {
  cluster::EtcdCoordinatorOptions etcd;
  etcd.cluster = config_.cluster_name;
  etcd.node = config_.node_id;
  etcd.address = config::FormatAddress(config_.cluster_advertise ? *config_.cluster_advertise
                                                                 : *config_.cluster_listen);
  etcd.partitions = options->partitions;
  etcd.lease_seconds = config_.cluster_lease_seconds;
  etcd.log = log_;
  etcd.clock = [clock = net::Clock()] { return clock.Now(); };
  for (const std::string& url : config_.cluster_etcd) {
    etcd.etcd.tls = url.starts_with("https://");
    etcd.etcd.endpoints.push_back(url.substr(url.find("//") + 2));
  }
  absl::StatusOr<cluster::StreamCredentials> credentials = cluster::ReadCredentials(
      config_.cluster_etcd_ca_file, config_.cluster_etcd_cert_file, config_.cluster_etcd_key_file);
  if (!credentials.ok()) return credentials.status();
  etcd.etcd.credentials = std::move(*credentials);
  etcd.etcd.user = config_.cluster_etcd_user;
  if (!etcd.etcd.user.empty()) {
    absl::StatusOr<std::string> password = ReadText(config_.cluster_etcd_password_file);
    if (!password.ok()) return password.status();
    etcd.etcd.password = std::move(*password);
  }
  cluster::Member self{config_.node_id, etcd.address};
  coordinator_ = cluster::MakeEtcdCoordinator(std::move(etcd));
  absl::StatusOr<cluster::Membership> joined =
      coordinator_->Join([&signals] { return SignalWaits(signals); });
  if (!joined.ok()) return joined.status();
  if (absl::Status status = CheckData(*joined); !status.ok()) return status;
  self.number = joined->number;
  net_options_.self = joined->number;
  net_options_.fixed_members = false;
  net_options_.members = {self};
  options->node = joined->number;
  options->table = joined->table;
  options->members = NumbersOf(joined->members);
  std::erase(options->members, joined->number);
  options->members.push_back(joined->number);
  // However long it takes: who serves without knowing the others' routes acknowledges what nobody
  // gets.
  options->join_timeout_ms = kNever / 2;
  return absl::OkStatus();
}

// Sessions of another cluster, or of a node that was alone, must not be taken for old copies of
// this cluster's.
absl::Status Clustering::CheckData(const cluster::Membership& membership) {
  if (config_.data_dir.empty()) return absl::OkStatus();
  const std::filesystem::path folder(config_.data_dir);
  const std::string file = folder / kClusterFile;
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    const absl::StatusOr<std::string> id = ReadText(file);
    if (!id.ok()) return id.status();
    if (*id == membership.cluster_id) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("data_dir ", config_.data_dir, " belongs to another cluster (", *id,
                     ") than '", config_.cluster_name, "' in etcd (", membership.cluster_id,
                     "); use the etcd that it belongs to, or an empty directory"));
  }
  if (std::filesystem::exists(folder / "db", error) && !membership.formed_now) {
    return absl::FailedPreconditionError(
        absl::StrCat("data_dir ", config_.data_dir,
                     " was not part of this cluster, which has sessions of its own; its sessions "
                     "would be lost. Use an empty directory, or form a new cluster with this one"));
  }
  const bool owned = std::any_of(membership.table.begin(), membership.table.end(),
                                 [&](auto& row) { return row.node == membership.number; });
  if (owned) {
    log_->Log(LogLevel::kError, "store.replaced",
              {{"data_dir", config_.data_dir},
               {"text",
                "this node owns partitions, but its data directory is empty: the sessions "
                "that were in it are lost"}});
  }
  std::filesystem::create_directories(folder, error);
  return WriteText(file, membership.cluster_id);
}

void Clustering::Connect(shard::Broker* broker) {
  broker_ = broker;
  net_options_.clock = [broker] { return broker->Now(); };
  net_options_.backlog = [broker] { return broker->peer_backlog(); };
  net_options_.deliver = [broker](ShardId shard, shard::PeerEvent event) {
    broker->OnPeer(shard, std::move(event));
  };
  net_ = std::make_unique<cluster::PeerNet>(net_options_);
  broker->SetPeers(net_.get(), coordinator_.get());
}

absl::Status Clustering::Start() {
  if (absl::Status status = net_->Start(); !status.ok()) return status;
  if (coordinator_ == nullptr) return absl::OkStatus();
  // From the moment that it lives, subscribers everywhere wait for its answers.
  while (!broker_->recovered())
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  coordinator_->Start(Events(), [broker = broker_] { return broker->serving(); });
  return absl::OkStatus();
}

void Clustering::ToAllShards(const shard::PeerEvent& event) {
  for (ShardId shard = 0; shard < broker_->shards(); ++shard) {
    shard::PeerEvent copy;
    copy.kind = event.kind;
    copy.rows = event.rows;
    copy.members = event.members;
    copy.yes = event.yes;
    broker_->OnPeer(shard, std::move(copy));
  }
}

void Clustering::ToOwner(shard::PeerEvent::Kind kind, const shard::RowChange& change) {
  shard::PeerEvent event;
  event.kind = kind;
  event.rows = {change};
  broker_->OnPeer(static_cast<ShardId>(change.partition % broker_->shards()), std::move(event));
}

cluster::CoordinatorEvents Clustering::Events() {
  using Kind = shard::PeerEvent::Kind;
  cluster::CoordinatorEvents events;
  events.on_members = [this](const std::vector<cluster::LiveMember>& members) {
    std::vector<cluster::Member> nodes = {net_options_.members.front()};
    for (const cluster::LiveMember& live : members) {
      if (live.member.number != net_options_.self) nodes.push_back(live.member);
    }
    net_->SetMembers(std::move(nodes));
    shard::PeerEvent event;
    event.kind = Kind::kMembers;
    event.members = NumbersOf(members);
    event.yes = true;
    ToAllShards(event);
  };
  events.on_rows = [this](const std::vector<shard::RowChange>& rows) {
    shard::PeerEvent event;
    event.kind = Kind::kRows;
    event.rows = rows;
    ToAllShards(event);
  };
  events.on_lease = [this](bool held) {
    if (held) had_lease_ = true;
    shard::PeerEvent event;
    event.kind = Kind::kLease;
    event.yes = held;
    ToAllShards(event);
  };
  events.on_give = [this](const shard::RowChange& change) { ToOwner(Kind::kGive, change); };
  events.on_move_failed = [this](const shard::RowChange& change) {
    ToOwner(Kind::kMoveFailed, change);
  };
  events.on_replaced = [this](const char* why) {
    log_->Log(LogLevel::kError, "cluster.replaced",
              {{"node_id", config_.node_id}, {"text", absl::StrCat(why, "; this one ends")}});
    replaced_ = true;
    kill(getpid(), SIGTERM);
  };
  return events;
}

void Clustering::Drain(const sigset_t& signals) {
  draining_ = true;
  if (coordinator_ == nullptr || replaced_ || coordinator_->owned() == 0) return;
  if (config_.cluster_drain_timeout_ms == 0 || !coordinator_->Drain()) return;
  log_->Log(LogLevel::kInfo, "cluster.draining", {{"partitions", coordinator_->owned()}});
  const TimeMs deadline = broker_->Now() + config_.cluster_drain_timeout_ms;
  while (coordinator_->owned() > 0 && broker_->Now() < deadline) {
    constexpr timespec kLook{0, 20'000'000};
    const int signal_number = sigtimedwait(&signals, nullptr, &kLook);
    if (signal_number == SIGTERM || signal_number == SIGINT) break;
  }
  log_->Log(coordinator_->owned() > 0 ? LogLevel::kError : LogLevel::kInfo, "cluster.drained",
            {{"partitions_left", coordinator_->owned()}});
}

void Clustering::Stop() {
  if (coordinator_ != nullptr) coordinator_->Stop();
  if (net_ != nullptr) net_->Stop();
}

}  // namespace skein
