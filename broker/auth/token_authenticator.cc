#include "broker/auth/token_authenticator.h"

#include <openssl/crypto.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

#include "broker/auth/claim_rules.h"
#include "broker/auth/strict_json.h"

namespace skein::auth {
namespace {

using mqtt::ReasonCode;
using nlohmann::json;

Decision Deny(const char* why) {
  return Decision::Deny(ReasonCode::kBadUserNameOrPassword, why);
}

std::string TextClaim(const json& claims, const std::string& name) {
  const auto found = claims.find(name);
  return found != claims.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

struct TokenAuthenticator::Core {
  Core(TokenAuthenticatorOptions o, std::shared_ptr<KeySource> k, std::function<TimeMs()> clock)
      : options(std::move(o)), keys(std::move(k)), wall_clock(std::move(clock)) {}

  Decision Decide(const std::string& token, const std::string& key, const TokenKeys& set);

  const TokenAuthenticatorOptions options;
  const std::shared_ptr<KeySource> keys;
  const std::function<TimeMs()> wall_clock;
  AnswerCache remembered{kRemembered};
};

Decision DecideByClaims(const std::string& text, const TokenAuthenticatorOptions& options,
                        int64_t expires_at_seconds) {
  const std::optional<json> claims = ParseStrictJson(text);
  if (!claims.has_value() || !claims->is_object()) return Deny("jwt: bad claims");
  Grant grant;
  grant.user_name = TextClaim(*claims, options.user_name_claim);
  if (grant.user_name.empty()) return Deny("jwt: the claim with the user name is missing");
  if (!options.client_id_claim.empty()) {
    grant.client_id = TextClaim(*claims, options.client_id_claim);
    if (grant.client_id.empty()) return Deny("jwt: the claim with the client id is missing");
  }
  if (!options.superuser_claim.empty()) {
    const auto found = claims->find(options.superuser_claim);
    grant.superuser = found != claims->end() && *found == true;
  }
  const auto acl = options.acl_claim.empty() ? claims->end() : claims->find(options.acl_claim);
  if (acl != claims->end()) {
    absl::StatusOr<RulesPtr> rules = RulesOfClaim(*acl);
    if (!rules.ok()) return Deny("jwt: the acl claim is not understood");
    grant.rules = std::move(*rules);
  }
  if (expires_at_seconds > 0) grant.expires_at = expires_at_seconds * 1'000;
  return Decision::Allow(std::move(grant));
}

Decision TokenAuthenticator::Core::Decide(const std::string& token, const std::string& key,
                                          const TokenKeys& set) {
  const TimeMs now = wall_clock();
  const TokenVerdict verdict = VerifyToken(token, set, options.token, now / 1'000);
  if (verdict.unknown_key) keys->KeyMissing();
  if (verdict.why != nullptr) return Deny(verdict.why);
  Decision decision = DecideByClaims(verdict.claims, options, verdict.expires_at);
  if (decision.kind == Decision::Kind::kAllow) {
    remembered.Keep(key, decision, std::min(now + kRememberMs, decision.grant.expires_at));
  }
  return decision;
}

TokenAuthenticator::TokenAuthenticator(TokenAuthenticatorOptions options,
                                       std::shared_ptr<KeySource> keys, WorkerPool* pool,
                                       std::function<TimeMs()> wall_clock)
    : core_(std::make_shared<Core>(std::move(options), std::move(keys), std::move(wall_clock))),
      pool_(pool) {}

Decision TokenAuthenticator::Begin(const ConnectRequest& request, const Done& done,
                                   std::unique_ptr<Exchange>*) {
  if (!request.method.empty()) return Decision::Ignore();
  const std::optional<std::string_view> given =
      core_->options.from_user_name ? request.user_name : request.password;
  if (!given.has_value() || !LooksLikeToken(*given)) return Decision::Ignore();
  if (given->size() > kMaxTokenBytes) return Deny("jwt: too long");
  uint64_t version = 0;
  std::shared_ptr<const TokenKeys> keys = core_->keys->Keys(&version);
  if (keys == nullptr) {
    core_->keys->KeyMissing();
    return Decision::Deny(ReasonCode::kServerUnavailable, "jwt: there are no current keys");
  }
  const std::string key = core_->remembered.KeyOf({*given, std::to_string(version)});
  if (auto known = core_->remembered.Find(key, core_->wall_clock())) return *std::move(known);
  const bool posted = pool_->Post(
      [core = core_, keys = std::move(keys), key, done, token = std::string(*given)]() mutable {
        Decision decision = core->Decide(token, key, *keys);
        OPENSSL_cleanse(token.data(), token.size());
        done(std::move(decision));
      });
  if (posted) return Decision::Pending();
  return Decision::Deny(ReasonCode::kServerBusy, "jwt: too many logins at once");
}

}  // namespace skein::auth
