#include "broker/auth/scram_file.h"

#include <openssl/rand.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "broker/auth/scram_conversation.h"

namespace skein::auth {
namespace {

constexpr size_t kMaxFileBytes = 16u << 20;
constexpr size_t kMinSecretBytes = 16;
constexpr size_t kNonceBytes = 18;  // 24 characters of base64

absl::Status Refuse(const std::string& file, size_t line, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": ", what));
}

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  const int drawn =
      RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return drawn == 1 ? bytes : std::string();
}

// Both are codes that CONNACK has; of DISCONNECT's, which answers a failed re-authentication, only
// the second is one.
Decision Denied(bool again, const char* why) {
  return Decision::Deny(
      again ? mqtt::ReasonCode::kNotAuthorized : mqtt::ReasonCode::kBadUserNameOrPassword, why);
}

class ScramExchange final : public Exchange {
 public:
  ScramExchange(const ScramFirst& first, ScramCredential credential, std::string_view nonce,
                bool known, bool again)
      : conversation_(first, std::move(credential), nonce),
        user_(first.user),
        known_(known),
        again_(again) {}

  const std::string& challenge() const { return conversation_.challenge(); }

  Decision Step(std::string_view data, const Done&) override {
    std::optional<std::string> proof = conversation_.Finish(data);
    if (!proof.has_value() || !known_)
      return Denied(again_, "SCRAM: wrong user name, password or message");
    Grant grant;
    grant.user_name = user_;
    return Decision::Allow(std::move(grant), *std::move(proof));
  }

 private:
  ScramConversation conversation_;
  const std::string user_;
  const bool known_;
  const bool again_;
};

}  // namespace

std::string ScramFile::NewSecret() {
  return RandomBytes(32);
}

absl::StatusOr<std::shared_ptr<ScramFile>> ScramFile::Load(const ScramFileOptions& options) {
  errno = 0;
  std::ifstream in(options.file, std::ios::binary);
  std::string text;
  std::array<char, 1u << 16> part;
  while (in.is_open() && text.size() <= kMaxFileBytes &&
         (in.read(part.data(), part.size()), in.gcount() > 0))
    text.append(part.data(), static_cast<size_t>(in.gcount()));
  if (!in.is_open() || in.bad()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.file, ": cannot be read: ", std::strerror(errno != 0 ? errno : EIO)));
  }
  if (text.size() > kMaxFileBytes)
    return absl::InvalidArgumentError(absl::StrCat(options.file, ": is larger than 16 MiB"));
  return Parse(options, text);
}

absl::StatusOr<std::shared_ptr<ScramFile>> ScramFile::Parse(const ScramFileOptions& options,
                                                            std::string_view text) {
  if (options.secret.size() < kMinSecretBytes)
    return absl::InternalError("SCRAM needs a secret of 16 bytes or more");
  std::shared_ptr<ScramFile> made(new ScramFile(options.secret));
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const size_t colon = line.find(':');
    if (colon == line.npos || colon == 0)
      return Refuse(options.file, number, "not of the form user:credential");
    const std::string_view user = line.substr(0, colon);
    if (!ScramUserFits(user)) {
      return Refuse(options.file, number,
                    "a user name is UTF-8 of at most 1024 bytes without control characters");
    }
    std::optional<ScramCredential> credential = ScramCredential::Parse(line.substr(colon + 1));
    if (!credential.has_value()) {
      return Refuse(options.file, number,
                    "not of the form SCRAM-SHA-256$4096..10000000:salt$StoredKey:ServerKey; use "
                    "skeinmqctl passwd --scram");
    }
    if (made->users_.size() >= kMaxUsers)
      return Refuse(options.file, number, "more than 1000000 users");
    if (!made->users_.try_emplace(std::string(user), *std::move(credential)).second)
      return Refuse(options.file, number, "this user is given twice");
  }
  made->ChooseDecoy();
  return made;
}

void ScramFile::ChooseDecoy() {
  std::map<std::pair<uint32_t, size_t>, size_t> counts;
  size_t most = 0;
  for (const auto& [user, credential] : users_)
    ++counts[{credential.iterations, credential.salt.size()}];
  for (const auto& [figures, count] : counts) {
    if (count <= most) continue;
    most = count;
    std::tie(decoy_iterations_, decoy_salt_bytes_) = figures;
  }
}

ScramCredential ScramFile::DecoyOf(std::string_view user) const {
  const std::string name(user);
  ScramCredential decoy;
  decoy.iterations = decoy_iterations_;
  // Two blocks are as much as the longest salt.
  decoy.salt = std::string(AsText(ScramHmac(secret_, "salt 1 " + name)));
  decoy.salt += AsText(ScramHmac(secret_, "salt 2 " + name));
  decoy.salt.resize(decoy_salt_bytes_);
  decoy.stored_key = ScramHmac(secret_, "stored " + name);
  return decoy;
}

Decision ScramFile::Begin(const ConnectRequest& request, const Done&,
                          std::unique_ptr<Exchange>* exchange) {
  if (request.method != kScramMethod) return Decision::Ignore();
  const std::optional<ScramFirst> first = ScramFirst::Read(request.data);
  if (!first.has_value())
    return Denied(request.again, "SCRAM: the client's first message is malformed");
  // A user name in CONNECT, or that of the connection [MQTT-4.12.1], is the same or a mistake.
  if (request.again ? request.user_name != first->user
                    : request.user_name.value_or(first->user) != first->user)
    return Denied(request.again, "SCRAM: not the user name of the connection");
  const std::string random = RandomBytes(kNonceBytes);
  if (random.empty())
    return Decision::Deny(mqtt::ReasonCode::kServerUnavailable, "no random numbers");
  // Made for everybody, so that it takes as long.
  ScramCredential credential = DecoyOf(first->user);
  const auto found = users_.find(first->user);
  const bool known = found != users_.end();
  if (known) credential = found->second;
  auto made = std::make_unique<ScramExchange>(*first, std::move(credential),
                                              absl::Base64Escape(random), known, request.again);
  Decision decision = Decision::Continue(made->challenge());
  *exchange = std::move(made);
  return decision;
}

}  // namespace skein::auth
