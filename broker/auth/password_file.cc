#include "broker/auth/password_file.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skein::auth {
namespace {

constexpr size_t kMaxFileBytes = 16u << 20;

int64_t NowSeconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

absl::Status Refuse(const std::string& file, size_t line, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": ", what));
}

}  // namespace

PasswordFile::PasswordFile(const PasswordFileOptions& options, WorkerPool* pool)
    : options_(options), pool_(pool) {}

absl::StatusOr<std::shared_ptr<PasswordFile>> PasswordFile::Load(const PasswordFileOptions& options,
                                                                 WorkerPool* pool) {
  errno = 0;
  std::ifstream in(options.file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.file, ": cannot be read: ", std::strerror(errno != 0 ? errno : EIO)));
  }
  if (text.size() > kMaxFileBytes)
    return absl::InvalidArgumentError(absl::StrCat(options.file, ": is larger than 16 MiB"));
  return Parse(options, text, pool);
}

absl::StatusOr<std::shared_ptr<PasswordFile>> PasswordFile::Parse(
    const PasswordFileOptions& options, std::string_view text, WorkerPool* pool) {
  std::shared_ptr<PasswordFile> made(new PasswordFile(options, pool));
  made->self_ = made;
  if (RAND_bytes(made->secret_.data(), static_cast<int>(made->secret_.size())) != 1)
    return absl::InternalError("no random numbers");
  std::array<size_t, PasswordHash::kKinds> counts{};
  size_t most = 0;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const size_t colon = line.find(':');
    if (colon == line.npos || colon == 0)
      return Refuse(options.file, number, "not of the form user:hash");
    const std::optional<PasswordHash> hash = PasswordHash::Parse(line.substr(colon + 1));
    if (!hash.has_value()) {
      return Refuse(options.file, number,
                    "the password is not hashed as $argon2id$, $7$ or $6$; use skeinmqctl passwd");
    }
    if (made->users_.size() >= kMaxUsers)
      return Refuse(options.file, number, "more than 1000000 users");
    if (!made->users_.try_emplace(std::string(line.substr(0, colon)), *hash).second)
      return Refuse(options.file, number, "this user is given twice");
    // What most users have, so that somebody unknown does not stand out.
    const auto kind = static_cast<size_t>(hash->kind());
    if (++counts[kind] <= most) continue;
    most = counts[kind];
    made->decoy_ = hash;
  }
  return made;
}

PasswordFile::Mark PasswordFile::MarkOf(std::string_view user, std::string_view password) const {
  // The length keeps "ab" + "c" apart from "a" + "bc".
  std::string both = absl::StrCat(user.size(), ":");
  both.append(user).append(password);
  Mark mark{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(both.data()), both.size(), mark.data(), &size);
  OPENSSL_cleanse(both.data(), both.size());
  return mark;
}

bool PasswordFile::Remembered(const Mark& mark) {
  const std::string key(mark.begin(), mark.end());
  MutexLock lock(mutex_);
  const auto found = recent_.find(key);
  return found != recent_.end() && found->second > NowSeconds();
}

void PasswordFile::Remember(const Mark& mark) {
  if (options_.remember_seconds <= 0) return;
  const std::string key(mark.begin(), mark.end());
  MutexLock lock(mutex_);
  const bool added = recent_.try_emplace(key, 0).second;
  recent_[key] = NowSeconds() + options_.remember_seconds;
  if (!added) return;
  order_.push_back(key);
  if (order_.size() <= kRecent) return;
  recent_.erase(order_.front());
  order_.pop_front();
}

Decision PasswordFile::Verdict(bool good, std::string user) {
  if (!good) {
    return Decision::Deny(mqtt::ReasonCode::kBadUserNameOrPassword,
                          "password file: wrong user name or password");
  }
  Grant grant;
  grant.user_name = std::move(user);
  return Decision::Allow(std::move(grant));
}

Decision PasswordFile::Begin(const ConnectRequest& request, const Done& done,
                             std::unique_ptr<Exchange>*) {
  if (!request.method.empty() || !request.user_name.has_value()) return Decision::Ignore();
  const std::string user(*request.user_name);
  const std::string_view given = request.password.value_or("");
  const auto found = users_.find(user);
  const bool known = found != users_.end();
  // No password is not the empty password, of which a file may have a hash.
  const bool may = known && request.password.has_value();
  if (!known && !decoy_.has_value())
    return options_.unknown_user_denied ? Verdict(false, user) : Decision::Ignore();
  const PasswordHash& hash = known ? found->second : *decoy_;
  const Decision otherwise =
      options_.unknown_user_denied || known ? Verdict(false, user) : Decision::Ignore();
  if (hash.quick()) {
    const bool good = hash.Verify(given);
    return may && good ? Verdict(true, user) : otherwise;
  }
  const Mark mark = MarkOf(user, given);
  if (may && Remembered(mark)) return Verdict(true, user);
  const bool posted = pool_->Post([self = self_.lock(), &hash, may, user, mark, otherwise, done,
                                   password = std::string(given)]() mutable {
    const bool good = hash.Verify(password) && may;
    OPENSSL_cleanse(password.data(), password.size());
    if (good) self->Remember(mark);
    done(good ? Verdict(true, user) : otherwise);
  });
  if (posted) return Decision::Pending();
  return Decision::Deny(mqtt::ReasonCode::kServerBusy, "password file: too many logins at once");
}

}  // namespace skein::auth
