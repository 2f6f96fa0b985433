#include "broker/auth/password_hash.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstdio>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "broker/auth/scram_credential.h"

namespace skein::auth {
namespace {

constexpr size_t kSha512Bytes = 64;
constexpr size_t kSaltBytes = 16;
constexpr size_t kHashBytes = 32;
constexpr size_t kMinSaltBytes = 8;  // libargon2's own
constexpr size_t kMinHashBytes = 16;

bool Same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Base64 without padding, of at least that many bytes: what argon2id_verify() will take.
bool IsUnpadded(const std::string& text, size_t min_bytes) {
  const auto bytes = StrictBase64(text + std::string((4 - text.size() % 4) % 4, '='));
  return bytes.has_value() && bytes->size() >= min_bytes && text.back() != '=';
}

// "$argon2id$v=19$m=19456,t=2,p=1$salt$hash" within the limits.
bool IsArgon2id(const std::vector<std::string>& parts) {
  if (parts.size() != 6 || parts[1] != "argon2id" || parts[2] != "v=19") return false;
  uint32_t memory = 0;
  uint32_t passes = 0;
  uint32_t lanes = 0;
  // Written again it must be the same: no signs, spaces or leading zeros.
  if (std::sscanf(parts[3].c_str(), "m=%9u,t=%9u,p=%9u", &memory, &passes, &lanes) != 3 ||
      absl::StrCat("m=", memory, ",t=", passes, ",p=", lanes) != parts[3])
    return false;
  return lanes >= 1 && lanes <= PasswordHash::kMaxLanes && memory >= 8 * lanes &&
         memory <= PasswordHash::kMaxMemoryKib && passes >= 1 &&
         uint64_t{memory} * passes <= PasswordHash::kMaxWorkKib &&
         IsUnpadded(parts[4], kMinSaltBytes) && IsUnpadded(parts[5], kMinHashBytes);
}

}  // namespace

std::optional<PasswordHash> PasswordHash::Parse(std::string_view text) {
  const std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(text.data(), text.size()), '$');
  PasswordHash hash;
  if (parts.size() < 4 || !parts[0].empty()) return std::nullopt;
  if (parts[1] == "argon2id") {
    if (!IsArgon2id(parts)) return std::nullopt;
    hash.kind_ = Kind::kArgon2id;
    hash.hash_ = text;
    return hash;
  }
  const bool pbkdf2 = parts[1] == "7";
  if ((!pbkdf2 && parts[1] != "6") || parts.size() != (pbkdf2 ? 5u : 4u)) return std::nullopt;
  hash.kind_ = pbkdf2 ? Kind::kPbkdf2 : Kind::kSha512;
  if (pbkdf2 && (!absl::SimpleAtoi(parts[2], &hash.iterations_) || hash.iterations_ < 1 ||
                 hash.iterations_ > kMaxIterations))
    return std::nullopt;
  const size_t at = pbkdf2 ? 3 : 2;
  if (!absl::Base64Unescape(parts[at], &hash.salt_) ||
      !absl::Base64Unescape(parts[at + 1], &hash.hash_) || hash.salt_.empty() ||
      hash.hash_.size() != kSha512Bytes)
    return std::nullopt;
  return hash;
}

std::optional<std::string> PasswordHash::Make(std::string_view password) {
  std::array<unsigned char, kSaltBytes> salt;
  if (RAND_bytes(salt.data(), salt.size()) != 1) return std::nullopt;
  std::array<char, 256> text{};
  const int result =
      argon2id_hash_encoded(kPasses, kMemoryKib, 1, password.data(), password.size(), salt.data(),
                            salt.size(), kHashBytes, text.data(), text.size());
  if (result != ARGON2_OK) return std::nullopt;
  return std::string(text.data());
}

bool PasswordHash::Verify(std::string_view password) const {
  if (kind_ == Kind::kArgon2id)
    return argon2id_verify(hash_.c_str(), password.data(), password.size()) == ARGON2_OK;
  std::string made(kSha512Bytes, '\0');
  auto* const out = reinterpret_cast<unsigned char*>(made.data());
  if (kind_ == Kind::kPbkdf2) {
    const auto* const salt = reinterpret_cast<const unsigned char*>(salt_.data());
    if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt,
                          static_cast<int>(salt_.size()), static_cast<int>(iterations_),
                          EVP_sha512(), static_cast<int>(made.size()), out) != 1)
      return false;
    return Same(made, hash_);
  }
  std::string salted(password);
  salted += salt_;
  const bool hashed =
      EVP_Digest(salted.data(), salted.size(), out, nullptr, EVP_sha512(), nullptr) == 1;
  OPENSSL_cleanse(salted.data(), salted.size());
  return hashed && Same(made, hash_);
}

}  // namespace skein::auth
