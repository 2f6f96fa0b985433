// The port to how a node is set up.
//
// Purpose: bans, configuration, log level and backup, as values. Owner: cmd/ implements it. Thread:
// any of the API's. Errors: InvalidArgument, NotFound, FailedPrecondition: not as things stand;
// Unavailable: not now.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/auth/bans.h"
#include "broker/base/log.h"

namespace skein::admin {

struct ConfigValue {
  std::string key;
  std::string value;   // "***" for what nobody should see
  std::string source;  // default, file:LINE, environment or flag
};

struct BackupResult {
  std::string path;
  uint64_t bytes = 0;
};

class Settings {
 public:
  virtual ~Settings() = default;

  virtual std::vector<auth::Ban> Bans() = 0;
  // On all nodes, those that are away when they are back. Returns when it is durable here.
  virtual absl::Status AddBan(const auth::Ban& ban) = 0;
  // NotFound: there is none. FailedPrecondition: it comes from the configuration.
  virtual absl::Status RemoveBan(auth::BanKind kind, const std::string& who) = 0;

  virtual std::vector<ConfigValue> Config() = 0;
  // As SIGHUP does. FailedPrecondition: the new one is refused, and why.
  virtual absl::Status Reload() = 0;
  virtual LogLevel log_level() = 0;
  virtual void set_log_level(LogLevel level) = 0;
  // name: of a folder that must not be there yet, in backup.directory.
  virtual absl::StatusOr<BackupResult> Backup(const std::string& name) = 0;
};

}  // namespace skein::admin
