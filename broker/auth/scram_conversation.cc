#include "broker/auth/scram_conversation.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "broker/mqtt/utf8.h"

namespace skein::auth {
namespace {

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
}

// The text up to the next comma, which is taken off too.
std::string_view TakePart(std::string_view* text) {
  const size_t at = std::min(text->find(','), text->size());
  const std::string_view part = text->substr(0, at);
  text->remove_prefix(std::min(at + 1, text->size()));
  return part;
}

// The value of "x=value".
std::optional<std::string_view> ValueOf(std::string_view part, char name) {
  if (part.size() < 2 || part[0] != name || part[1] != '=') return std::nullopt;
  return part.substr(2);
}

// RFC 5802 5.1: "=2C" is a comma, "=3D" an equals sign, and no other '=' is allowed.
std::optional<std::string> ReadName(std::string_view text) {
  std::string name;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      name += text[i];
      continue;
    }
    const std::string_view code = text.substr(i, 3);
    if (code != "=2C" && code != "=3D") return std::nullopt;
    name += code == "=2C" ? ',' : '=';
    i += 2;
  }
  if (!ScramUserFits(name)) return std::nullopt;
  return name;
}

bool IsNonce(std::string_view text) {
  return !text.empty() && text.size() <= ScramFirst::kMaxNonce &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c <= '~' && c != ','; });
}

// Optional extensions: "x=value" each, for which this server has no use.
bool AreExtensions(std::string_view text) {
  while (!text.empty()) {
    const bool more = text.find(',') != text.npos;
    const std::string_view part = TakePart(&text);
    const bool letter =
        !part.empty() && ((part[0] >= 'a' && part[0] <= 'z') || (part[0] >= 'A' && part[0] <= 'Z'));
    if (!letter || part.size() < 3 || part[1] != '=' || part[0] == 'm') return false;
    if (more && text.empty()) return false;
  }
  return true;
}

// "n,," or "y,,", with "a=name" between the commas.
std::optional<std::string_view> TakeHeader(std::string_view* message, std::string* authorized) {
  const std::string_view whole = *message;
  const std::string_view flag = TakePart(message);
  if ((flag != "n" && flag != "y") || message->find(',') == message->npos) return std::nullopt;
  const std::string_view identity = TakePart(message);
  if (!identity.empty()) {
    const auto value = ValueOf(identity, 'a');
    if (!value.has_value()) return std::nullopt;
    std::optional<std::string> name = ReadName(*value);
    if (!name.has_value()) return std::nullopt;
    *authorized = *std::move(name);
  }
  return whole.substr(0, whole.size() - message->size());
}

std::string MakeChallenge(std::string_view nonce, const ScramCredential& credential) {
  std::string text = "r=";
  text.append(nonce);
  absl::StrAppend(&text, ",s=", Base64(credential.salt), ",i=", credential.iterations);
  return text;
}

}  // namespace

bool ScramUserFits(std::string_view user) {
  if (user.empty() || user.size() > ScramFirst::kMaxUser || !mqtt::IsUtf8(user)) return false;
  for (size_t i = 0; i < user.size(); ++i) {
    const auto c = static_cast<unsigned char>(user[i]);
    if (c < 0x20 || c == 0x7F) return false;
    // U+0080..U+009F
    if (c == 0xC2 && static_cast<unsigned char>(user[i + 1]) < 0xA0) return false;
  }
  return true;
}

std::optional<ScramFirst> ScramFirst::Read(std::string_view message) {
  if (message.size() > kMaxMessage) return std::nullopt;
  ScramFirst first;
  std::string authorized;
  const auto header = TakeHeader(&message, &authorized);
  if (!header.has_value()) return std::nullopt;
  first.gs2_header = *header;
  first.bare = message;
  const auto user = ValueOf(TakePart(&message), 'n');
  const bool more = !message.empty();
  const auto nonce = ValueOf(TakePart(&message), 'r');
  if (!user.has_value() || !more || !nonce.has_value() || !IsNonce(*nonce)) return std::nullopt;
  if (first.bare.ends_with(',') || !AreExtensions(message)) return std::nullopt;
  std::optional<std::string> name = ReadName(*user);
  if (!name.has_value() || (!authorized.empty() && authorized != *name)) return std::nullopt;
  first.user = *std::move(name);
  first.nonce = *nonce;
  return first;
}

ScramConversation::ScramConversation(const ScramFirst& first, ScramCredential credential,
                                     std::string_view nonce)
    : header_(first.gs2_header),
      bare_(first.bare),
      nonce_(first.nonce + std::string(nonce)),
      challenge_(MakeChallenge(nonce_, credential)),
      credential_(std::move(credential)) {}

ScramConversation::~ScramConversation() {
  OPENSSL_cleanse(credential_.stored_key.data(), credential_.stored_key.size());
  OPENSSL_cleanse(credential_.server_key.data(), credential_.server_key.size());
}

std::optional<std::string> ScramConversation::Finish(std::string_view message) {
  if (std::exchange(over_, true) || message.size() > ScramFirst::kMaxMessage) return std::nullopt;
  // The proof is the last part, and base64 has no comma.
  const size_t last = message.rfind(',');
  if (last == message.npos) return std::nullopt;
  std::string_view rest = message.substr(0, last);
  const auto proof_text = ValueOf(message.substr(last + 1), 'p');
  if (!proof_text.has_value()) return std::nullopt;

  std::string signed_text = absl::StrCat(bare_, ",", challenge_, ",");
  signed_text.append(rest);
  const auto binding = ValueOf(TakePart(&rest), 'c');
  const auto nonce = ValueOf(TakePart(&rest), 'r');
  if (!binding.has_value() || StrictBase64(*binding) != header_ || nonce != nonce_ ||
      signed_text.ends_with(',') || !AreExtensions(rest))
    return std::nullopt;
  const std::optional<std::string> proof = StrictBase64(*proof_text);
  if (!proof.has_value() || !ProofHolds(signed_text, *proof)) return std::nullopt;
  return "v=" + Base64(AsText(ScramHmac(AsText(credential_.server_key), signed_text)));
}

bool ScramConversation::ProofHolds(std::string_view signed_text, std::string_view proof) const {
  ScramKey key = ScramHmac(AsText(credential_.stored_key), signed_text);
  if (proof.size() != key.size()) return false;
  for (size_t i = 0; i < key.size(); ++i)
    key[i] ^= static_cast<unsigned char>(proof[i]);
  ScramKey hashed{};
  const bool good =
      EVP_Digest(key.data(), key.size(), hashed.data(), nullptr, EVP_sha256(), nullptr) == 1 &&
      CRYPTO_memcmp(hashed.data(), credential_.stored_key.data(), hashed.size()) == 0;
  OPENSSL_cleanse(key.data(), key.size());
  return good;
}

}  // namespace skein::auth
