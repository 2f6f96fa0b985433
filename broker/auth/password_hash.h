// Passwords as they are kept: hashed.
//
// Purpose: verifies a password against a stored hash, and makes new ones. Formats: argon2id in its
// usual text form (the only one that is made), and those of mosquitto_passwd:
// `$6$salt$hash` (one round of SHA-512) and `$7$iterations$salt$hash` (PBKDF2-HMAC-SHA-512).
// Thread: any; Verify() of argon2id and PBKDF2 takes milliseconds: not on a shard. Limits: kMax...
// below, so that a file cannot keep a thread busy for much longer than a second. Comparison takes
// the same time wherever they differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skein::auth {

class PasswordHash {
 public:
  static constexpr uint32_t kMaxMemoryKib = 1u << 18;  // argon2id
  // Memory times passes, which is what argon2id costs: 64 MiB and four passes, or 256 MiB and one.
  static constexpr uint64_t kMaxWorkKib = 1u << 18;
  static constexpr uint32_t kMaxLanes = 16;
  static constexpr uint32_t kMaxIterations = 500'000;  // PBKDF2
  // What new hashes cost: argon2id, 19 MiB, two passes, one lane (the OWASP's advice).
  static constexpr uint32_t kMemoryKib = 19 * 1024;
  static constexpr uint32_t kPasses = 2;

  // Nothing: not one of the formats, or beyond the limits.
  static std::optional<PasswordHash> Parse(std::string_view text);

  // A new hash with a random salt. Nothing: no memory or no random numbers.
  static std::optional<std::string> Make(std::string_view password);

  bool Verify(std::string_view password) const;

  enum class Kind : uint8_t { kSha512, kPbkdf2, kArgon2id };
  static constexpr size_t kKinds = 3;
  Kind kind() const { return kind_; }
  // Cheap enough for a shard.
  bool quick() const { return kind_ == Kind::kSha512; }

 private:
  Kind kind_ = Kind::kSha512;
  uint32_t iterations_ = 0;
  std::string salt_;
  std::string hash_;  // argon2id: the whole text
};

}  // namespace skein::auth
