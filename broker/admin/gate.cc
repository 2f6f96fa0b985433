#include "broker/admin/gate.h"

#include "absl/strings/str_cat.h"
#include "broker/admin/token.h"

namespace skein::admin {
namespace {

// "[::1]:9883" -> "::1", "localhost:9883" -> "localhost".
std::string_view HostOf(std::string_view header) {
  if (header.starts_with('[')) return header.substr(1, header.find(']') - 1);
  return header.substr(0, header.rfind(':'));
}

// An address, not a name that begins like one.
bool IsHere(std::string_view host) {
  const bool number = host.find_first_not_of("0123456789.") == host.npos;
  return host == "localhost" || host == "::1" || (number && host.starts_with("127."));
}

}  // namespace

// Browsers say where a page comes from, and which name they have looked up.
absl::Status Gate::CheckOrigin(const Request& request) const {
  if (!request.origin.empty() && request.origin != absl::StrCat("http://", request.host) &&
      request.origin != absl::StrCat("https://", request.host))
    return absl::PermissionDeniedError("requests of other web sites are refused");
  return absl::OkStatus();
}

absl::StatusOr<Caller> Gate::Admit(const Request& request) const {
  if (absl::Status status = CheckOrigin(request); !status.ok()) return status;
  if (options_.tokens.empty() && options_.certificates.empty()) {
    const std::string_view host = HostOf(request.host);
    if (request.host.empty() || IsHere(host) || host == options_.listen_host)
      return Caller{"local", Role::kAdmin};
    return absl::PermissionDeniedError("the Host of the request is not this machine");
  }
  const auto known = options_.certificates.find(request.certificate);
  if (known != options_.certificates.end() && !request.certificate.empty() &&
      request.authorization.empty())
    return Caller{absl::StrCat("certificate ", known->first), known->second};
  if (!options_.tokens.empty()) return ByToken(request);
  if (request.certificate.empty())
    return absl::UnauthenticatedError("a client certificate is needed");
  return absl::PermissionDeniedError(
      absl::StrCat("'", request.certificate, "' is not among admin.tls.client_roles"));
}

absl::StatusOr<Caller> Gate::ByToken(const Request& request) const {
  bool unreadable = false;
  for (const GateToken& each : options_.tokens) {
    const absl::StatusOr<std::string> token = ReadToken(each.file);
    if (!token.ok()) {
      unreadable = true;
      log_.Log(LogLevel::kError, "admin.no_token",
               {{"token", each.name}, {"error", std::string(token.status().message())}});
    } else if (ShowsToken(request.authorization, *token)) {
      return Caller{each.name, each.role};
    }
  }
  if (unreadable) return absl::UnavailableError("the node cannot read the file of a token");
  return absl::UnauthenticatedError(request.authorization.empty() ? "a bearer token is needed"
                                                                  : "the token is not right");
}

}  // namespace skein::admin
