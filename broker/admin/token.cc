#include "broker/admin/token.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace skein::admin {
namespace {

constexpr size_t kShortest = 16;
constexpr size_t kLongest = 1024;
constexpr std::string_view kScheme = "bearer ";

using Hash = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

// Equal lengths, whatever was sent.
Hash HashOf(std::string_view text) {
  Hash hash;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return hash;
}

bool IsScheme(std::string_view text) {
  return text.size() == kScheme.size() &&
         std::equal(text.begin(), text.end(), kScheme.begin(), [](unsigned char a, char b) {
           return std::tolower(a) == static_cast<unsigned char>(b);
         });
}

}  // namespace

absl::StatusOr<std::string> ReadToken(const std::string& file) {
  errno = 0;
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line) && !in.eof()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": cannot be read: ", std::strerror(errno != 0 ? errno : EIO)));
  }
  const std::string token = line.substr(0, line.find('\r'));
  const bool good =
      std::all_of(token.begin(), token.end(), [](unsigned char c) { return std::isgraph(c) != 0; });
  if (!good || token.size() < kShortest || token.size() > kLongest) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": its first line is no token: ", kShortest, " to ", kLongest,
                     " printable characters without blanks; try `openssl rand -hex 32`"));
  }
  return token;
}

bool ShowsToken(std::string_view authorization, std::string_view token) {
  if (authorization.size() <= kScheme.size() || !IsScheme(authorization.substr(0, kScheme.size())))
    return false;
  const Hash shown = HashOf(authorization.substr(kScheme.size()));
  const Hash wanted = HashOf(token);
  return CRYPTO_memcmp(shown.data(), wanted.data(), wanted.size()) == 0;
}

}  // namespace skein::admin
