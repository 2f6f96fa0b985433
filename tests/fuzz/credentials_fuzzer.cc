// What strangers say to prove themselves, and the files that they are checked by.
//
// First byte: which of them. SCRAM messages, tokens, hashes of passwords, answers of a back end,
// key sets. None may be let in, and none may break the reader.
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/auth/http_backend.h"
#include "broker/auth/password_hash.h"
#include "broker/auth/scram_conversation.h"
#include "broker/auth/scram_credential.h"
#include "broker/auth/token.h"
#include "broker/auth/token_authenticator.h"
#include "broker/base/check.h"

namespace skein::auth {
namespace {

void Scram(std::string_view text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::optional<ScramFirst> first = ScramFirst::Read(text.substr(0, end));
  if (!first.has_value()) return;
  SKEIN_CHECK(ScramUserFits(first->user) && first->user.size() <= ScramFirst::kMaxUser);
  SKEIN_CHECK(!first->nonce.empty() && first->nonce.size() <= ScramFirst::kMaxNonce);
  SKEIN_CHECK(first->gs2_header + first->bare == text.substr(0, end));
  static const std::optional<ScramCredential> kCredential = ScramCredential::Parse(
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
      "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  if (!kCredential.has_value()) return;
  ScramConversation conversation(*first, *kCredential, "server-nonce-of-the-fuzzer");
  const std::string_view last = end < text.size() ? text.substr(end + 1) : std::string_view();
  // Nobody knows the password.
  SKEIN_CHECK(!conversation.Finish(last).has_value());
  SKEIN_CHECK(!conversation.Finish(last).has_value());
}

void Token(std::string_view text) {
  static const auto kKeys = *TokenKeys::FromSecret("a secret that the fuzzer does not know.");
  TokenOptions options;
  for (int i = 0; i <= static_cast<int>(TokenAlgorithm::kEs512); ++i)
    options.algorithms.push_back(static_cast<TokenAlgorithm>(i));
  const TokenVerdict verdict = VerifyToken(text, *kKeys, options, 1'000);
  SKEIN_CHECK(verdict.why != nullptr && verdict.claims.empty());
  if (const auto bytes = DecodeBase64Url(text)) {
    SKEIN_CHECK(bytes->size() == text.size() * 3 / 4);
  }
}

void Claims(std::string_view text) {
  const Decision decision = DecideByClaims(std::string(text), {}, 0);
  using Kind = Decision::Kind;
  SKEIN_CHECK(decision.kind == Kind::kAllow || decision.kind == Kind::kDeny);
  SKEIN_CHECK(decision.kind == Kind::kDeny || !decision.grant.user_name.empty());
  FetchAnswer answer;
  answer.status = 200;
  answer.content_type = "application/json";
  answer.body = text;
  bool failed = false;
  const Decision answered = DecideByAnswer(answer, "u", &failed);
  SKEIN_CHECK(!failed || (answered.kind == Kind::kDeny &&
                          answered.reason == mqtt::ReasonCode::kServerUnavailable));
  const auto keys = TokenKeys::FromJwks(text);
  SKEIN_CHECK(!keys.ok() || ((*keys)->size() > 0 && (*keys)->size() <= TokenKeys::kMaxKeys));
}

void Hash(std::string_view text) {
  // Reading only: to compute one may take its time, as its author wished.
  (void)PasswordHash::Parse(text);
  (void)ScramCredential::Parse(text);
}

}  // namespace
}  // namespace skein::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      skein::auth::Scram(rest);
      break;
    case 1:
      skein::auth::Token(rest);
      break;
    case 2:
      skein::auth::Claims(rest);
      break;
    default:
      skein::auth::Hash(rest);
  }
  return 0;
}
