// The operators' door, put together.
//
// Purpose: listener, API, dashboard and node in one, as the configuration has them. Owner and
// thread: main. Life: Open() before the node joins anybody; Stop() before the broker does. Errors:
// Open() says what is wrong with the token's file or the address.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "broker/admin/api.h"
#include "broker/admin/http_server.h"
#include "broker/admin/static_files.h"
#include "cmd/skeinmqd/admin_node.h"
#include "cmd/skeinmqd/config.h"

namespace skein {

// Whether the file can be read, if there is one. For --check-config, too.
absl::Status CheckAdminToken(const config::Config& config);

class AdminDoor {
 public:
  AdminDoor(const config::Config& config, Logger* log);

  // Nothing, if there is no address to listen on.
  absl::Status Open();
  void Stop() { server_.Stop(); }

  // What another node asks for its operator.
  admin::Response Answer(const admin::Request& request) { return api_.Handle(request); }

  AdminNode& node() { return node_; }

 private:
  const config::Config& config_;
  Logger* const log_;
  AdminNode node_;
  admin::Api api_;
  const admin::StaticFiles dashboard_;
  admin::HttpServer server_;
};

}  // namespace skein
