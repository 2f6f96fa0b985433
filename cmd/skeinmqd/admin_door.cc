#include "cmd/skeinmqd/admin_door.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/admin/dashboard/dashboard.h"
#include "broker/admin/token.h"
#include "cmd/skeinmqd/listener_url.h"

namespace skein {
namespace {

admin::ApiOptions OptionsOf(const config::Config& config, admin::Node* node, Logger* log) {
  admin::ApiOptions options;
  options.token_file = config.admin_token_file;
  if (config.admin_listen) options.listen_host = config.admin_listen->host;
  options.node = node;
  options.log = log;
  return options;
}

}  // namespace

absl::Status CheckAdminToken(const config::Config& config) {
  if (config.admin_token_file.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> token = admin::ReadToken(config.admin_token_file);
  if (token.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("admin.token_file: ", std::string(token.status().message())));
}

AdminDoor::AdminDoor(const config::Config& config, Logger* log)
    : config_(config),
      log_(log),
      node_(config),
      api_(OptionsOf(config, &node_, log)),
      dashboard_(admin::DashboardFiles()),
      server_([this](const admin::Request& request) {
        std::optional<admin::Response> file = dashboard_.Answer(request);
        return file ? *std::move(file) : api_.Handle(request);
      }) {}

absl::Status AdminDoor::Open() {
  if (!config_.admin_listen) return absl::OkStatus();
  if (absl::Status status = CheckAdminToken(config_); !status.ok()) return status;
  config::Address address = *config_.admin_listen;
  const absl::StatusOr<uint16_t> port = server_.Listen(address.host, address.port);
  if (!port.ok()) {
    return absl::UnavailableError(
        absl::StrCat("admin.listen: cannot listen on ", config::FormatAddress(address), ": ",
                     std::string(port.status().message()),
                     "; --admin-listen takes another address, or '' for none"));
  }
  address.port = *port;
  log_->Log(LogLevel::kInfo, "admin.ready", {{"address", config::FormatAddress(address)}});
  return absl::OkStatus();
}

}  // namespace skein
