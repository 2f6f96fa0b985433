// A web server that decides about clients.
//
// Purpose: asks a URL with what CONNECT says, as JSON:
//   {"username", "password", "clientid", "peerhost", "listener", "proto_ver", "cert_common_name",
//    "cert_subject"}
// and takes its answer: status 200 with {"result": "allow"|"deny"|"ignore", "is_superuser",
// "client_id", "expire_at" (seconds since 1970), "acl" (claim_rules.h)}; 204 allows; 401 and 403
// deny. Everything else, no answer in time among it, is no decision: the client is refused with
// 0x88. Clients that give neither user name nor password are passed on. Thread: Begin() on any
// shard; answers come on the fetcher's thread. Limits: those of the fetcher; kCached answers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/auth/answer_cache.h"
#include "broker/auth/authenticator.h"
#include "broker/auth/breaker.h"
#include "broker/auth/fetcher.h"
#include "broker/base/log.h"

namespace skein::auth {

struct HttpBackendOptions {
  std::string url;
  std::vector<std::string> headers;
  std::string ca_file;    // empty: the system's authorities
  std::string cert_file;  // empty: no client certificate
  std::string key_file;
  TimeMs timeout_ms = 5'000;
  TimeMs cache_allowed_ms = 0;  // how long an answer is remembered; 0: not at all
  TimeMs cache_denied_ms = 0;
  uint32_t breaker_failures = 5;  // in a row; then nobody is asked for breaker_pause_ms
  TimeMs breaker_pause_ms = 10'000;
};

class HttpBackend final : public Authenticator {
 public:
  static constexpr size_t kCached = 100'000;

  // wall_clock: milliseconds since 1970, any thread. log: hears when the circuit opens; may be
  // null.
  HttpBackend(HttpBackendOptions options, std::shared_ptr<Fetcher> fetcher, Logger* log,
              std::function<TimeMs()> wall_clock);

  Decision Begin(const ConnectRequest& request, const Done& done,
                 std::unique_ptr<Exchange>* exchange) override;

 private:
  struct Core;
  const std::shared_ptr<Core> core_;
};

// What an answer says. `user`: of CONNECT. *failed: it is no decision, and counts as a failure.
Decision DecideByAnswer(const FetchAnswer& answer, const std::string& user, bool* failed);

}  // namespace skein::auth
