// What a server keeps of a password for SCRAM-SHA-256.
//
// Purpose: reads and makes the text form that PostgreSQL uses too,
// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey` (base64; RFC 5802 3, RFC 7677). Who has it
// can neither log in with it nor read the password, but can try passwords and play the server.
// Thread: a value; Make() takes milliseconds. Limits: the figures below; the iterations cost the
// client, not the server. Errors: nothing, for what is not of that form or beyond the limits.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skein::auth {

using ScramKey = std::array<unsigned char, 32>;

// HMAC-SHA-256.
ScramKey ScramHmac(std::string_view key, std::string_view text);
inline std::string_view AsText(const ScramKey& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// Base64 in its one canonical form, with padding (RFC 4648 4); everything else is refused.
std::optional<std::string> StrictBase64(std::string_view text);

struct ScramCredential {
  static constexpr uint32_t kMinIterations = 4'096;  // RFC 7677 4
  static constexpr uint32_t kMaxIterations = 10'000'000;
  static constexpr uint32_t kIterations = 65'536;  // of new ones: small devices have to pay them
  static constexpr size_t kMinSaltBytes = 8;
  static constexpr size_t kMaxSaltBytes = 64;
  static constexpr size_t kSaltBytes = 16;

  static std::optional<ScramCredential> Parse(std::string_view text);

  // From a password that ScramPasswordFits(), with a random salt.
  static std::optional<ScramCredential> Make(std::string_view password, uint32_t iterations);
  // With a given salt.
  static std::optional<ScramCredential> Derive(std::string_view password, std::string_view salt,
                                               uint32_t iterations);

  std::string ToString() const;

  uint32_t iterations = kIterations;
  std::string salt;
  ScramKey stored_key{};
  ScramKey server_key{};
};

// Whether every client prepares the password in the same way (RFC 4013): printable ASCII, which
// stays as it is. Other text would need Unicode's tables here, and a mistake in them locks out.
bool ScramPasswordFits(std::string_view password);

}  // namespace skein::auth
