// The keys that JSON Web Tokens are checked with (RFC 7515, 7517, 7518).
//
// Purpose: a set of keys from a JWK Set, a PEM file or a secret, and the check of one signature. A
// key serves only the algorithms of its kind, so that a public key is never taken for a secret.
// Thread: immutable, any thread; a check of RS or ES takes 30 to 400 us. Limits: kMaxKeys; RSA from
// 2,048 bits, secrets from 32 bytes. Errors: INVALID_ARGUMENT says what is wrong with the set.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace skein::auth {

enum class TokenAlgorithm : uint8_t {
  kHs256,
  kHs384,
  kHs512,
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
};

// "RS256". "none" is none.
std::optional<TokenAlgorithm> ParseTokenAlgorithm(std::string_view name);

// Base64url without padding, strict: RFC 7515 2.
std::optional<std::string> DecodeBase64Url(std::string_view text);

class TokenKeys {
 public:
  static constexpr size_t kMaxKeys = 100;

  // A JWK Set. Keys of kinds that are not known are passed over, and so are those for encryption.
  static absl::StatusOr<std::shared_ptr<const TokenKeys>> FromJwks(std::string_view json);
  // A public key or a certificate.
  static absl::StatusOr<std::shared_ptr<const TokenKeys>> FromPem(std::string_view pem);
  static absl::StatusOr<std::shared_ptr<const TokenKeys>> FromSecret(std::string_view secret);
  ~TokenKeys();
  TokenKeys(const TokenKeys&) = delete;

  enum class Result : uint8_t {
    kGood,
    kBad,
    kNoKey,  // none has that id and kind
  };
  // kid: the id of the key; empty: any key of the kind may fit.
  Result Verify(TokenAlgorithm algorithm, std::string_view kid, std::string_view text,
                std::string_view signature) const;

  size_t size() const;

 private:
  struct Impl;
  TokenKeys();
  std::unique_ptr<Impl> impl_;
};

}  // namespace skein::auth
