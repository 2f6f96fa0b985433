#include "broker/auth/scram_credential.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace skein::auth {
namespace {

constexpr std::string_view kPrefix = "SCRAM-SHA-256$";

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
}

bool ReadKey(std::string_view text, ScramKey* key) {
  const std::optional<std::string> bytes = StrictBase64(text);
  if (!bytes.has_value() || bytes->size() != key->size()) return false;
  std::copy(bytes->begin(), bytes->end(), key->begin());
  return true;
}

// The part before `end`, which is taken off together with it.
std::optional<std::string_view> Take(std::string_view* text, char end) {
  const size_t at = text->find(end);
  if (at == text->npos) return std::nullopt;
  const std::string_view part = text->substr(0, at);
  text->remove_prefix(at + 1);
  return part;
}

// Digits only: no sign, no space.
bool ReadIterations(std::string_view text, uint32_t* number) {
  const bool digits =
      !text.empty() && text.size() <= 8 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && absl::SimpleAtoi(absl::string_view(text.data(), text.size()), number) &&
         *number >= ScramCredential::kMinIterations && *number <= ScramCredential::kMaxIterations;
}

}  // namespace

ScramKey ScramHmac(std::string_view key, std::string_view text) {
  ScramKey out{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Bytes(text), text.size(), out.data(),
       &size);
  return out;
}

std::optional<std::string> StrictBase64(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(absl::string_view(text.data(), text.size()), &bytes) ||
      Base64(bytes) != text)
    return std::nullopt;
  return bytes;
}

std::optional<ScramCredential> ScramCredential::Parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  const auto iterations = Take(&text, ':');
  if (!iterations.has_value()) return std::nullopt;
  const auto salt = Take(&text, '$');
  if (!salt.has_value()) return std::nullopt;
  const auto stored = Take(&text, ':');
  if (!stored.has_value()) return std::nullopt;

  ScramCredential credential;
  const std::optional<std::string> salt_bytes = StrictBase64(*salt);
  if (!ReadIterations(*iterations, &credential.iterations) || !salt_bytes.has_value() ||
      salt_bytes->size() < kMinSaltBytes || salt_bytes->size() > kMaxSaltBytes ||
      !ReadKey(*stored, &credential.stored_key) || !ReadKey(text, &credential.server_key))
    return std::nullopt;
  credential.salt = *salt_bytes;
  return credential;
}

std::optional<ScramCredential> ScramCredential::Make(std::string_view password,
                                                     uint32_t iterations) {
  std::string salt(kSaltBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size())) != 1)
    return std::nullopt;
  return Derive(password, salt, iterations);
}

std::optional<ScramCredential> ScramCredential::Derive(std::string_view password,
                                                       std::string_view salt, uint32_t iterations) {
  if (!ScramPasswordFits(password) || iterations < kMinIterations || iterations > kMaxIterations ||
      salt.size() < kMinSaltBytes || salt.size() > kMaxSaltBytes)
    return std::nullopt;
  ScramKey salted{};
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), Bytes(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                        static_cast<int>(salted.size()), salted.data()) != 1)
    return std::nullopt;
  ScramCredential credential;
  credential.iterations = iterations;
  credential.salt = salt;
  ScramKey client_key = ScramHmac(AsText(salted), "Client Key");
  credential.server_key = ScramHmac(AsText(salted), "Server Key");
  const bool hashed = EVP_Digest(client_key.data(), client_key.size(), credential.stored_key.data(),
                                 nullptr, EVP_sha256(), nullptr) == 1;
  OPENSSL_cleanse(salted.data(), salted.size());
  OPENSSL_cleanse(client_key.data(), client_key.size());
  if (!hashed) return std::nullopt;
  return credential;
}

std::string ScramCredential::ToString() const {
  std::string text(kPrefix);
  absl::StrAppend(&text, iterations, ":", Base64(salt), "$", Base64(AsText(stored_key)), ":",
                  Base64(AsText(server_key)));
  return text;
}

bool ScramPasswordFits(std::string_view password) {
  return !password.empty() && password.size() <= 1'024 &&
         std::all_of(password.begin(), password.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace skein::auth
