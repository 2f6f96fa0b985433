// skeinmqd: reads the configuration, wires the parts, waits for a signal.
//
// The only place that knows every part. Threads: main waits for SIGTERM or SIGINT; the log writer
// and the shards have threads of their own.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <thread>

#include "broker/auth/anonymous.h"
#include "broker/net/socket.h"
#include "broker/shard/broker.h"
#include "cmd/skeinmqd/flags.h"
#include "cmd/skeinmqd/logging.h"
#include "cmd/skeinmqd/random.h"
#include "storage/memory/retained_store.h"
#include "storage/memory/session_store.h"

extern char** environ;

namespace {

using skein::LogLevel;
using skein::config::ExitCode;
using skein::config::Options;

// Blocks the stopping signals in this and every later thread; main takes them with sigwait().
sigset_t BlockStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return stop;
}

skein::shard::BrokerOptions MakeBrokerOptions(const skein::config::Config& config) {
  skein::shard::BrokerOptions options;
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  options.shards = static_cast<skein::ShardId>(config.shards != 0 ? config.shards : cores);
  options.limits = config.limits;
  for (const skein::config::Listener& listener : config.listeners) {
    options.listeners.push_back(
        {{listener.address.host, listener.address.port},
         {listener.name, listener.allow_anonymous, listener.max_connections}});
  }
  return options;
}

int Run(const Options& options, const sigset_t& stop) {
  const auto logger =
      skein::config::MakeLogger(options.config.log_level, options.config.log_format, STDERR_FILENO);
  logger->Log(LogLevel::kInfo, "broker.starting",
              {{"version", skein::config::Version()}, {"node_id", options.config.node_id}});
  for (const std::string& warning : options.warnings) {
    logger->Log(LogLevel::kWarn, "config.warning", {{"text", warning}});
  }

  skein::net::RaiseFileLimit();
  skein::storage::MemoryRetainedStore retained(options.config.limits);
  skein::auth::AnonymousAuthenticator authenticator;
  skein::shard::BrokerPorts ports;
  ports.make_store = [](skein::ShardId, std::function<void()> wake) {
    return std::make_unique<skein::storage::MemorySessionStore>(
        skein::storage::MemorySessionStore::Durability::kAtCommit, std::move(wake));
  };
  ports.retained = &retained;
  ports.authenticator = &authenticator;
  ports.log = logger.get();
  ports.random = skein::RandomUint64;
  skein::shard::Broker broker(MakeBrokerOptions(options.config), std::move(ports));
  if (const absl::Status started = broker.Start(); !started.ok()) {
    logger->Log(LogLevel::kError, "broker.failed",
                {{"error", std::string_view(started.message().data(), started.message().size())}});
    return ExitCode::kExitRuntime;
  }
  for (const skein::net::Endpoint& endpoint : broker.endpoints()) {
    logger->Log(LogLevel::kInfo, "listener.ready", {{"url", endpoint.ToString()}});
  }

  int signal_number = 0;
  sigwait(&stop, &signal_number);
  logger->Log(LogLevel::kInfo, "broker.stopping", {{"signal", signal_number}});
  broker.Stop();
  logger->Log(LogLevel::kInfo, "broker.stopped");
  return ExitCode::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (const auto code =
          skein::config::ParseCommandLine(argc, argv, environ, std::cout, std::cerr, &options)) {
    return *code;
  }
  return Run(options, BlockStopSignals());
}
