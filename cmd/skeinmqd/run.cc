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

int Run(const Options& options, const sigset_t& signals,
        std::shared_ptr<rocksdb::FileSystem> file_system) {
  const auto logger =
      skein::config::MakeLogger(options.config.log_level, options.config.log_format, STDERR_FILENO);
  logger->Log(LogLevel::kInfo, "broker.starting",
              {{"version", skein::config::Version()}, {"node_id", options.config.node_id}});
  for (const std::string& warning : options.warnings) {
    logger->Log(LogLevel::kWarn, "config.warning", {{"text", warning}});
  }

  skein::net::RaiseFileLimit();
  skein::Reloader reloader(options, logger.get());
  skein::Security security(options.config, logger.get());
  if (const absl::Status loaded = security.Load(options.config); !loaded.ok()) {
    logger->Log(LogLevel::kError, "config.failed", {{"error", Text(loaded)}});
    return ExitCode::kExitUsage;
  }
  skein::AdminDoor admin(options.config, logger.get());
  if (const absl::Status opened = options.repair ? absl::OkStatus() : admin.Open(); !opened.ok()) {
    logger->Log(LogLevel::kError, "admin.failed", {{"error", Text(opened)}});
    return absl::IsInvalidArgument(opened) ? ExitCode::kExitUsage : ExitCode::kExitRuntime;
  }
  skein::shard::BrokerOptions broker_options = MakeBrokerOptions(options.config, &security);
  std::unique_ptr<skein::Clustering> cluster;
  if (skein::Clustering::Wanted(options.config) && !options.repair) {
    cluster = std::make_unique<skein::Clustering>(options.config, logger.get());
    if (const absl::Status joined = cluster->Join(signals, &broker_options); !joined.ok()) {
      if (absl::IsCancelled(joined)) return ExitCode::kExitOk;
      logger->Log(LogLevel::kError, "cluster.failed", {{"error", Text(joined)}});
      return ExitCode::kExitRuntime;
    }
  }
  Stores stores;
  if (const absl::Status opened =
          stores.Open(options, broker_options.shards, logger.get(), std::move(file_system));
      !opened.ok()) {
    logger->Log(LogLevel::kError, "store.failed", {{"error", Text(opened)}});
    return ExitCode::kExitRuntime;
  }
  if (options.repair) {
    stores.Stop();
    logger->Log(LogLevel::kInfo, "store.repaired", {{"data_dir", options.config.data_dir}});
    return ExitCode::kExitOk;
  }
  skein::shard::BrokerPorts ports;
  stores.Connect(&ports);
  skein::shard::SysTopics sys_topics;
  ports.sys = &sys_topics;
  ports.authenticator = security.authenticator();
  skein::BanBook bans(security.bans(), logger.get());
  bans.Load(ports.retained, skein::net::Clock().Now());
  ports.on_kept = [&bans](const skein::mqtt::Message& message) { bans.Apply(message); };
  ports.bans = security.bans();
  ports.gatekeeper = &security;
  ports.rules = security.rules();
  ports.traces = admin.traces().sink();
  ports.log = logger.get();
  ports.random = skein::RandomUint64;
  skein::shard::Broker broker(broker_options, std::move(ports));
  if (cluster != nullptr) {
    cluster->AnswerWith([&admin](const auto& request) { return admin.Answer(request); });
    cluster->Connect(&broker);
  }
  absl::Status started = broker.Start();
  if (started.ok() && cluster != nullptr) {
    started = cluster->Start();
    if (!started.ok()) broker.Stop();
  }
  if (!started.ok()) {
    logger->Log(LogLevel::kError, "broker.failed", {{"error", Text(started)}});
    return ExitCode::kExitRuntime;
  }
  admin.settings().Attach({security.bans(), &bans, stores.backup()});
  admin.node().Attach(&broker, cluster.get(), stores.disk());
  admin.metrics().Attach({&broker, cluster.get(), stores.disk(), &security, logger.get()});
  const std::vector<skein::net::Endpoint> endpoints = broker.endpoints();
  for (size_t i = 0; i < endpoints.size(); ++i) {
    skein::config::Listener listener = options.config.listeners[i];
    listener.address.port = endpoints[i].port;
    logger->Log(LogLevel::kInfo, "listener.ready", {{"url", skein::config::FormatUrl(listener)}});
  }

  skein::SysPublisher sys(options.config, &broker);
  const int signal_number = WaitForStop(signals, options.config.reload_watch, &reloader, &security,
                                        &broker, cluster.get(), &admin, &bans, &sys);
  logger->Log(LogLevel::kInfo, "broker.stopping", {{"signal", signal_number}});
  admin.node().Stopping();
  if (cluster != nullptr) cluster->Drain(signals);
  admin.Stop();
  if (cluster != nullptr) cluster->StopAnswering();
  broker.Stop();
  if (cluster != nullptr) cluster->Stop();
  security.Stop();
  stores.Stop();
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
