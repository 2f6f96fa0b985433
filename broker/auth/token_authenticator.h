// Clients that show a JSON Web Token.
//
// Purpose: a token in the password (or the user name) says who the client is, what it may do and
// until when. Whoever shows none is passed on. Thread: Begin() on any shard; signatures are checked
// by the worker pool, and tokens that were good are remembered for a while. Limits: kRemembered
// tokens. Errors: a token that is not good denies (0x86); no keys, or no room, denies (0x88, 0x89).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/auth/answer_cache.h"
#include "broker/auth/authenticator.h"
#include "broker/auth/key_source.h"
#include "broker/auth/token.h"
#include "broker/auth/worker_pool.h"

namespace skein::auth {

struct TokenAuthenticatorOptions {
  TokenOptions token;
  bool from_user_name = false;  // where the token is; else in the password
  std::string user_name_claim = "sub";
  std::string client_id_claim;  // empty: none; else it must be there and be the client id
  std::string superuser_claim;  // empty: none
  std::string acl_claim = "acl";
};

class TokenAuthenticator final : public Authenticator {
 public:
  static constexpr size_t kRemembered = 100'000;
  static constexpr TimeMs kRememberMs = 300'000;

  // wall_clock: milliseconds since 1970, any thread. The pool outlives the authenticator.
  TokenAuthenticator(TokenAuthenticatorOptions options, std::shared_ptr<KeySource> keys,
                     WorkerPool* pool, std::function<TimeMs()> wall_clock);

  Decision Begin(const ConnectRequest& request, const Done& done,
                 std::unique_ptr<Exchange>* exchange) override;

 private:
  // Everything that a job on the pool needs, so that it may outlive the authenticator.
  struct Core;
  const std::shared_ptr<Core> core_;
  WorkerPool* const pool_;
};

// What the claims of a good token grant, or why not.
Decision DecideByClaims(const std::string& claims, const TokenAuthenticatorOptions& options,
                        int64_t expires_at_seconds);

}  // namespace skein::auth
