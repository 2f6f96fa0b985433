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

admin::GateOptions GateOf(const config::Config& config) {
  const auto role = [](config::AdminRole from) {
    switch (from) {
      case config::AdminRole::kRead:
        return admin::Role::kRead;
      case config::AdminRole::kOperate:
        return admin::Role::kOperate;
      case config::AdminRole::kAdmin:
        break;
    }
    return admin::Role::kAdmin;
  };
  admin::GateOptions gate;
  if (!config.admin_token_file.empty())
    gate.tokens.push_back({"admin.token_file", admin::Role::kAdmin, config.admin_token_file});
  for (const config::AdminToken& token : config.admin_tokens)
    gate.tokens.push_back({token.name, role(token.role), token.file});
  for (const auto& [name, its] : config.admin_client_roles)
    gate.certificates[name] = role(its);
  if (config.admin_listen) gate.listen_host = config.admin_listen->host;
  return gate;
}

absl::StatusOr<std::shared_ptr<const net::TlsContext>> TlsOf(const config::Config& config,
                                                             const net::TlsContext* previous) {
  if (config.admin_tls_cert_file.empty()) return nullptr;
  net::TlsOptions options;
  options.certificates = {{config.admin_tls_cert_file, config.admin_tls_key_file, ""}};
  options.client_ca_file = config.admin_tls_client_ca_file;
  // Probes have no certificate, and tokens are an answer, too: who needs one is told by 401.
  if (!options.client_ca_file.empty())
    options.client_certificates = net::TlsOptions::ClientCertificates::kOptional;
  options.alpn = "http/1.1";
  auto loaded = net::TlsContext::Load(options, previous);
  if (loaded.ok()) return std::move(*loaded);
  return absl::InvalidArgumentError(
      absl::StrCat("admin.tls: ", std::string(loaded.status().message())));
}

}  // namespace

absl::Status CheckAdminFiles(const config::Config& config) {
  for (const admin::GateToken& each : GateOf(config).tokens) {
    const absl::StatusOr<std::string> token = admin::ReadToken(each.file);
    if (token.ok()) continue;
    const bool single = each.file == config.admin_token_file;
    return absl::InvalidArgumentError(
        absl::StrCat(single ? "admin.token_file" : absl::StrCat("admin.tokens '", each.name, "'"),
                     ": ", std::string(token.status().message())));
  }
  return TlsOf(config, nullptr).status();
}

AdminDoor::AdminDoor(const config::Config& config, Logger* log)
    : config_(config),
      log_(log),
      node_(config),
      clients_(&node_),
      messages_(&node_),
      settings_(config, &board_, &messages_, log),
      traces_(&node_),
      metrics_(config),
      api_({GateOf(config), &node_, &clients_, &messages_, &settings_, &traces_, &node_, log,
            static_cast<admin::MetricsAccess>(config.metrics), [this] { return metrics_.Text(); }}),
      dashboard_(admin::DashboardFiles()),
      server_(
          [this](const admin::Request& request) {
            std::optional<admin::Response> file = dashboard_.Answer(request);
            return file ? *std::move(file) : api_.Handle(request);
          },
          config.admin_tls_cert_file.empty() ? admin::NewTls() : [this] { return NewTls(); }) {
  metrics_.SetApi(&api_);
}

absl::Status AdminDoor::LoadTls() {
  std::shared_ptr<const net::TlsContext> previous;
  {
    const std::lock_guard lock(mutex_);
    previous = tls_;
  }
  auto loaded = TlsOf(config_, previous.get());
  if (!loaded.ok()) return loaded.status();
  const std::lock_guard lock(mutex_);
  tls_ = std::move(*loaded);
  return absl::OkStatus();
}

ssl_st* AdminDoor::NewTls() {
  const std::lock_guard lock(mutex_);
  return tls_->NewConnection();
}

absl::Status AdminDoor::Open() {
  if (!config_.admin_listen) return absl::OkStatus();
  if (absl::Status status = CheckAdminFiles(config_); !status.ok()) return status;
  if (absl::Status status = LoadTls(); !status.ok()) return status;
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
