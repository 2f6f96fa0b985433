// The operators' door, put together.
//
// Purpose: listener, API, dashboard and node in one, as the configuration has them. Owner and
// thread: main. Life: Open() before the node joins anybody; Stop() before the broker does. Errors:
// Open() says what is wrong with the token's file, a certificate or the address.
#pragma once

#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "broker/admin/api.h"
#include "broker/admin/http_server.h"
#include "broker/admin/static_files.h"
#include "broker/net/tls_context.h"
#include "cmd/skeinmqd/admin_clients.h"
#include "cmd/skeinmqd/admin_messages.h"
#include "cmd/skeinmqd/admin_node.h"
#include "cmd/skeinmqd/admin_settings.h"
#include "cmd/skeinmqd/admin_traces.h"
#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/node_metrics.h"

namespace skein {

// Whether the files that admin.* names can be read. For --check-config, too.
absl::Status CheckAdminFiles(const config::Config& config);

class AdminDoor {
 public:
  AdminDoor(const config::Config& config, Logger* log);

  // Nothing, if there is no address to listen on.
  absl::Status Open();
  // Certificates, once more. An error: the old ones stay.
  absl::Status LoadTls();
  void Stop() { server_.Stop(); }

  // What another node asks for its operator.
  admin::Response Answer(const admin::Request& request) { return api_.Handle(request); }

  AdminNode& node() { return node_; }
  AdminSettings& settings() { return settings_; }
  AdminTraces& traces() { return traces_; }
  ConfigBoard& board() { return board_; }
  NodeMetrics& metrics() { return metrics_; }

 private:
  ssl_st* NewTls();

  const config::Config& config_;
  Logger* const log_;
  ConfigBoard board_;
  AdminNode node_;
  AdminClients clients_;
  AdminMessages messages_;
  AdminSettings settings_;
  AdminTraces traces_;
  NodeMetrics metrics_;
  admin::Api api_;
  const admin::StaticFiles dashboard_;
  std::mutex mutex_;
  std::shared_ptr<const net::TlsContext> tls_;  // guarded by mutex_; null: plain HTTP
  admin::HttpServer server_;
};

}  // namespace skein
