// One JSON Web Token (RFC 7519), checked.
//
// Purpose: signature, time, issuer and audience of a compact token. Thread: pure. Limits:
// kMaxTokenBytes. Errors: TokenVerdict::why, static storage, never a part of the token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/auth/token_keys.h"

namespace skein::auth {

inline constexpr size_t kMaxTokenBytes = 16 * 1024;

struct TokenOptions {
  std::vector<TokenAlgorithm> algorithms;  // those that are accepted
  std::string issuer;                      // empty: any
  std::string audience;                    // empty: any
  int64_t leeway_seconds = 30;             // by how much clocks may differ
  bool require_expiry = true;              // a token without `exp` is refused
};

struct TokenVerdict {
  const char* why = nullptr;  // null: it is good
  bool unknown_key = false;   // no key of that id: newer keys may help
  std::string claims;         // JSON, of a good one
  int64_t expires_at = 0;     // seconds since 1970; 0: never
};

// Three parts of base64url with dots between them.
bool LooksLikeToken(std::string_view text);

// now: seconds since 1970.
TokenVerdict VerifyToken(std::string_view token, const TokenKeys& keys, const TokenOptions& options,
                         int64_t now);

}  // namespace skein::auth
