// skeinmqd: reads the configuration, wires the parts, waits for a signal. See run.h.
//
// The only place that knows every part. Threads: main waits for SIGTERM or SIGINT; the log writer
// and the shards have threads of their own.
#include "cmd/skeinmqd/run.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "broker/net/socket.h"
#include "broker/shard/broker.h"
#include "cmd/skeinmqd/admin_door.h"
#include "cmd/skeinmqd/clustering.h"
#include "cmd/skeinmqd/flags.h"
#include "cmd/skeinmqd/listener_url.h"
#include "cmd/skeinmqd/logging.h"
#include "cmd/skeinmqd/random.h"
#include "cmd/skeinmqd/reload.h"
#include "cmd/skeinmqd/security.h"
#include "cmd/skeinmqd/sys_publisher.h"
#include "storage/memory/retained_store.h"
#include "storage/memory/session_store.h"
#include "storage/rocksdb/store.h"

extern char** environ;

namespace {

using skein::LogLevel;
using skein::config::ExitCode;
using skein::config::Options;

// Blocks the signals that main takes, in this and every later thread.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

void TellReload(const skein::Reloader& reloader, bool by_operator, skein::AdminDoor* admin) {
  absl::Status status;
  if (!reloader.error().empty()) {
    status = absl::FailedPreconditionError(reloader.error());
  } else {
    status = admin->LoadTls();
    admin->board().Post(reloader.running(), reloader.origins());
  }
  if (by_operator) admin->board().Answer(status);
}

// Waits for the signal that ends the process, which it returns, or for the node to have left its
// cluster (0); meanwhile takes over what changes.
int WaitForStop(const sigset_t& signals, bool watch, skein::Reloader* reloader,
                skein::Security* security, skein::shard::Broker* broker, skein::Clustering* cluster,
                skein::AdminDoor* admin, skein::BanBook* bans, skein::SysPublisher* sys) {
  security->Tick();
  admin->board().Post(reloader->running(), reloader->origins());
  for (;;) {
    constexpr timespec kLook{1, 0};
    const int signal_number = sigtimedwait(&signals, nullptr, &kLook);
    const bool asked = signal_number == SIGHUP;
    if (signal_number > 0 && !asked) return signal_number;
    security->Tick();
    sys->Tick();
    if (cluster != nullptr && cluster->Tick()) return 0;
    const bool changed = watch && reloader->FilesChanged();
    const bool by_operator = admin->board().TakeAsked();
    if (!asked && !changed && !by_operator) {
      if (bans->TakeChanged()) broker->SetRules(security->rules());
      continue;
    }
    const char* const why = by_operator ? "an operator" : asked ? "SIGHUP" : "files changed";
    admin->metrics().NoteReload(
        reloader->Reload(why, security, [&] { broker->SetRules(security->rules()); }));
    TellReload(*reloader, by_operator, admin);
  }
}

std::string PolicyOf(const skein::config::Listener& listener) {
  std::string policy = listener.allow_anonymous ? "anonymous" : "known";
  if (listener.client_certificates != skein::config::ClientCertificates::kNone)
    policy += " certificate";
  for (const std::string& name : listener.authentication)
    policy += " " + name;
  return policy;
}

skein::shard::ListenerInfo InfoOf(const skein::config::Listener& listener) {
  skein::shard::ListenerInfo info;
  info.name = listener.name;
  info.policy = PolicyOf(listener);
  info.allow_anonymous = listener.allow_anonymous;
  info.max_connections = listener.max_connections;
  info.max_handshakes = listener.max_handshakes;
  info.publish_rate = listener.publish_rate;
  info.publish_bytes = listener.publish_bytes;
  info.publish_patience_ms = skein::TimeMs{listener.publish_patience} * 1'000;
  info.total_publish_rate = listener.total_publish_rate;
  info.total_publish_bytes = listener.total_publish_bytes;
  if (info.total_publish_rate > 0 || info.total_publish_bytes > 0)
    info.total = std::make_shared<skein::shard::ListenerInfo::Total>();
  return info;
}

skein::shard::BrokerOptions MakeBrokerOptions(const skein::config::Config& config,
                                              skein::Security* security) {
  skein::shard::BrokerOptions options;
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  options.shards = static_cast<skein::ShardId>(config.shards != 0 ? config.shards : cores);
  options.limits = config.limits;
  options.node_name = config.node_id;
  options.client_events = config.sys_client_events;
  options.shares.usual = config.share_strategy;
  options.shares.groups.insert(config.share_groups.begin(), config.share_groups.end());
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const skein::config::Listener& listener = config.listeners[i];
    skein::shard::BrokerListener made;
    made.endpoint = {listener.address.host, listener.address.port};
    made.info = InfoOf(listener);
    made.make_transport = security->TransportOf(i);
    options.listeners.push_back(std::move(made));
  }
  return options;
}

std::string_view Text(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// What outlives the process, or its twin in memory.
class Stores {
 public:
  absl::Status Open(const Options& options, skein::ShardId shards, skein::Logger* log,
                    std::shared_ptr<rocksdb::FileSystem> file_system) {
    const skein::config::Config& config = options.config;
    if (config.data_dir.empty()) {
      log->Log(
          LogLevel::kWarn, "store.none",
          {{"text", "data_dir is not set: sessions and retained messages end with the process"}});
      memory_ = std::make_unique<skein::storage::MemoryRetainedStore>(config.limits);
      return absl::OkStatus();
    }
    skein::storage::StoreOptions store;
    store.database.data_dir = config.data_dir;
    store.database.block_cache_bytes = config.storage_block_cache_bytes;
    store.database.write_buffer_bytes = config.storage_write_buffer_bytes;
    store.database.repair = options.repair;
    store.database.file_system = std::move(file_system);
    store.database.log = log;
    store.shards = shards;
    store.durability = static_cast<skein::storage::Durability>(config.durability);
    store.checkpoint_bytes = config.storage_checkpoint_bytes;
    store.disk_reserve_bytes = config.storage_reserve_bytes;
    store.limits = config.limits;
    absl::StatusOr<std::unique_ptr<skein::storage::Store>> opened =
        skein::storage::Store::Open(store);
    if (!opened.ok()) return opened.status();
    disk_ = std::move(*opened);
    return absl::OkStatus();
  }

  void Connect(skein::shard::BrokerPorts* ports) {
    if (disk_ == nullptr) {
      ports->retained = memory_.get();
      ports->make_store = [](skein::ShardId, std::function<void()> wake) {
        return std::make_unique<skein::storage::MemorySessionStore>(
            skein::storage::MemorySessionStore::Durability::kAtCommit, std::move(wake));
      };
      return;
    }
    ports->retained = disk_->retained();
    ports->make_store = [disk = disk_.get()](skein::ShardId shard, std::function<void()> wake) {
      return disk->MakeSessionStore(shard, std::move(wake));
    };
  }

  // Empty: there is nothing on disk.
  skein::AdminSettings::MakeBackup backup() {
    if (disk_ == nullptr) return {};
    return [disk = disk_.get()](const std::string& path) { return disk->Backup(path); };
  }
  // Null: nothing is written to disk.
  skein::storage::Store* disk() { return disk_.get(); }

  void Stop() {
    if (disk_ != nullptr) disk_->Stop();
  }

 private:
  std::unique_ptr<skein::storage::MemoryRetainedStore> memory_;
  std::unique_ptr<skein::storage::Store> disk_;
};

// --check-config: the configuration was read without a mistake; now the files that it names.
int Check(const Options& options) {
  skein::Security security(options.config, nullptr);
  if (const absl::Status loaded = security.Load(options.config); !loaded.ok()) {
    std::cerr << "skeinmqd: error: " << Text(loaded) << "\n";
    return ExitCode::kExitUsage;
  }
  if (const absl::Status token = skein::CheckAdminFiles(options.config); !token.ok()) {
    std::cerr << "skeinmqd: error: " << Text(token) << "\n";
    return ExitCode::kExitUsage;
  }
  std::cout << "configuration ok\n";
  return ExitCode::kExitOk;
}

// The parts of a running node in the order in which they come up, which is the order in which one
// needs the other.
class Node {
 public:
  Node(const Options& options, const sigset_t& signals, skein::config::ProcessLogger* log)
      : options_(options),
        signals_(signals),
        log_(*log),
        reloader_(options, log),
        security_(options.config, log),
        admin_(options.config, log),
        bans_(security_.bans(), log) {}

  // Each of these: a value is what the process ends with, before it has served anybody.
  using Exit = std::optional<int>;

  // Files that the configuration names, and the operators' door.
  Exit Open();
  Exit Join();
  Exit OpenStores(std::shared_ptr<rocksdb::FileSystem> file_system);
  Exit Serve();

  void WaitAndStop();

 private:
  Exit Fail(std::string_view event, const absl::Status& status, int code) {
    log_.Log(LogLevel::kError, event, {{"error", Text(status)}});
    return code;
  }
  skein::shard::BrokerPorts Ports();
  absl::Status Start();
  void TellListeners();

  const Options& options_;
  const sigset_t& signals_;
  skein::config::ProcessLogger& log_;
  skein::Reloader reloader_;
  skein::Security security_;
  skein::AdminDoor admin_;
  skein::shard::BrokerOptions broker_options_;
  std::unique_ptr<skein::Clustering> cluster_;  // null: the node is alone
  Stores stores_;
  skein::shard::SysTopics sys_topics_;
  skein::BanBook bans_;
  std::unique_ptr<skein::shard::Broker> broker_;
};

Node::Exit Node::Open() {
  if (const absl::Status loaded = security_.Load(options_.config); !loaded.ok())
    return Fail("config.failed", loaded, ExitCode::kExitUsage);
  if (options_.repair) return std::nullopt;
  const absl::Status opened = admin_.Open();
  if (opened.ok()) return std::nullopt;
  return Fail("admin.failed", opened,
              absl::IsInvalidArgument(opened) ? ExitCode::kExitUsage : ExitCode::kExitRuntime);
}

Node::Exit Node::Join() {
  broker_options_ = MakeBrokerOptions(options_.config, &security_);
  if (!skein::Clustering::Wanted(options_.config) || options_.repair) return std::nullopt;
  cluster_ = std::make_unique<skein::Clustering>(options_.config, &log_);
  const absl::Status joined = cluster_->Join(signals_, &broker_options_);
  if (joined.ok()) return std::nullopt;
  if (absl::IsCancelled(joined)) return ExitCode::kExitOk;
  return Fail("cluster.failed", joined, ExitCode::kExitRuntime);
}

Node::Exit Node::OpenStores(std::shared_ptr<rocksdb::FileSystem> file_system) {
  const absl::Status opened =
      stores_.Open(options_, broker_options_.shards, &log_, std::move(file_system));
  if (!opened.ok()) return Fail("store.failed", opened, ExitCode::kExitRuntime);
  if (!options_.repair) return std::nullopt;
  stores_.Stop();
  log_.Log(LogLevel::kInfo, "store.repaired", {{"data_dir", options_.config.data_dir}});
  return ExitCode::kExitOk;
}

skein::shard::BrokerPorts Node::Ports() {
  skein::shard::BrokerPorts ports;
  stores_.Connect(&ports);
  ports.sys = &sys_topics_;
  ports.authenticator = security_.authenticator();
  bans_.Load(ports.retained, skein::net::Clock().Now());
  ports.on_kept = [this](const skein::mqtt::Message& message) { bans_.Apply(message); };
  ports.bans = security_.bans();
  ports.gatekeeper = &security_;
  ports.rules = security_.rules();
  ports.traces = admin_.traces().sink();
  ports.log = &log_;
  ports.random = skein::RandomUint64;
  return ports;
}

absl::Status Node::Start() {
  if (cluster_ != nullptr) {
    cluster_->AnswerWith([this](const auto& request) { return admin_.Answer(request); });
    cluster_->Connect(broker_.get());
  }
  absl::Status started = broker_->Start();
  if (!started.ok() || cluster_ == nullptr) return started;
  started = cluster_->Start();
  if (!started.ok()) broker_->Stop();
  return started;
}

Node::Exit Node::Serve() {
  broker_ = std::make_unique<skein::shard::Broker>(broker_options_, Ports());
  if (const absl::Status started = Start(); !started.ok())
    return Fail("broker.failed", started, ExitCode::kExitRuntime);
  admin_.settings().Attach({security_.bans(), &bans_, stores_.backup()});
  admin_.node().Attach(broker_.get(), cluster_.get(), stores_.disk());
  admin_.metrics().Attach({broker_.get(), cluster_.get(), stores_.disk(), &security_, &log_});
  TellListeners();
  return std::nullopt;
}

void Node::TellListeners() {
  const std::vector<skein::net::Endpoint> endpoints = broker_->endpoints();
  for (size_t i = 0; i < endpoints.size(); ++i) {
    skein::config::Listener listener = options_.config.listeners[i];
    listener.address.port = endpoints[i].port;
    log_.Log(LogLevel::kInfo, "listener.ready", {{"url", skein::config::FormatUrl(listener)}});
  }
}

void Node::WaitAndStop() {
  skein::SysPublisher sys(options_.config, broker_.get());
  const int signal_number =
      WaitForStop(signals_, options_.config.reload_watch, &reloader_, &security_, broker_.get(),
                  cluster_.get(), &admin_, &bans_, &sys);
  log_.Log(LogLevel::kInfo, "broker.stopping", {{"signal", signal_number}});
  admin_.node().Stopping();
  if (cluster_ != nullptr) cluster_->Drain(signals_);
  admin_.Stop();
  if (cluster_ != nullptr) cluster_->StopAnswering();
  broker_->Stop();
  if (cluster_ != nullptr) cluster_->Stop();
  security_.Stop();
  stores_.Stop();
}

int Run(const Options& options, const sigset_t& signals,
        std::shared_ptr<rocksdb::FileSystem> file_system) {
  const auto logger =
      skein::config::MakeLogger(options.config.log_level, options.config.log_format, STDERR_FILENO);
  logger->Log(LogLevel::kInfo, "broker.starting",
              {{"version", skein::config::Version()}, {"node_id", options.config.node_id}});
  for (const std::string& warning : options.warnings)
    logger->Log(LogLevel::kWarn, "config.warning", {{"text", warning}});
  skein::net::RaiseFileLimit();
  Node node(options, signals, logger.get());
  if (const auto exit = node.Open()) return *exit;
  if (const auto exit = node.Join()) return *exit;
  if (const auto exit = node.OpenStores(std::move(file_system))) return *exit;
  if (const auto exit = node.Serve()) return *exit;
  node.WaitAndStop();
  logger->Log(LogLevel::kInfo, "broker.stopped");
  return ExitCode::kExitOk;
}

}  // namespace

int skein::RunSkeinmqd(int argc, char** argv, std::shared_ptr<rocksdb::FileSystem> file_system) {
  Options options;
  if (const auto code =
          skein::config::ParseCommandLine(argc, argv, environ, std::cout, std::cerr, &options)) {
    return *code;
  }
  if (options.check) return Check(options);
  return Run(options, BlockSignals(), std::move(file_system));
}
