// Who may ask the admin API for what.
//
// Purpose: finds out who sends a request, by a bearer token or a client certificate, and what role
// they have. With neither configured, whoever runs a program on this machine may do everything, and
// a web page that somebody looks at here may do nothing. Owner: Api. Thread: any of the API's. A
// token's file is read at each request, so that it can be changed while the node runs. Errors:
// PermissionDenied: 403; Unauthenticated: 401; Unavailable: a token's file cannot be read, and
// nobody gets in by it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/admin/http.h"
#include "broker/admin/router.h"
#include "broker/base/log.h"

namespace skein::admin {

struct GateToken {
  std::string name;  // for the log
  Role role = Role::kRead;
  std::string file;
};

struct GateOptions {
  std::vector<GateToken> tokens;
  std::map<std::string, Role> certificates;  // by the common name of their subject
  std::string listen_host;                   // as configured
};

struct Caller {
  std::string who;
  Role role = Role::kOpen;
};

class Gate {
 public:
  Gate(GateOptions options, Logger* log) : options_(std::move(options)), log_(*log) {}

  absl::StatusOr<Caller> Admit(const Request& request) const;

 private:
  absl::Status CheckOrigin(const Request& request) const;
  absl::StatusOr<Caller> ByToken(const Request& request) const;

  const GateOptions options_;
  Logger& log_;
};

}  // namespace skein::admin
