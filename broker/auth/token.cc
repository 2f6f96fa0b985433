#include "broker/auth/token.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "broker/auth/strict_json.h"

namespace skein::auth {
namespace {

using nlohmann::json;

struct Parts {
  std::string_view header, claims, signature, signed_text;
};

std::optional<Parts> Split(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos) return std::nullopt;
  const Parts parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
                    token.substr(second + 1), token.substr(0, second)};
  if (parts.header.empty() || parts.claims.empty() || parts.signature.empty()) return std::nullopt;
  return parts;
}

TokenVerdict Refuse(const char* why) {
  TokenVerdict verdict;
  verdict.why = why;
  return verdict;
}

// A time as RFC 7519 2 has it. False: it is there and no time.
bool ReadTime(const json& claims, const char* name, std::optional<int64_t>* time) {
  const auto found = claims.find(name);
  if (found == claims.end()) return true;
  if (!found->is_number()) return false;
  const double seconds = found->get<double>();
  if (!(seconds >= 0 && seconds < 1e11)) return false;
  *time = static_cast<int64_t>(seconds);
  return true;
}

bool HasAudience(const json& claims, const std::string& audience) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  if (found->is_string()) return *found == audience;
  return found->is_array() && std::find(found->begin(), found->end(), audience) != found->end();
}

const char* CheckClaims(const json& claims, const TokenOptions& options, int64_t now,
                        int64_t* expires_at) {
  std::optional<int64_t> exp, nbf, iat;
  if (!ReadTime(claims, "exp", &exp) || !ReadTime(claims, "nbf", &nbf) ||
      !ReadTime(claims, "iat", &iat))
    return "jwt: exp, nbf or iat is no time";
  if (!exp.has_value() && options.require_expiry) return "jwt: no exp";
  if (exp.has_value() && now >= *exp + options.leeway_seconds) return "jwt: expired";
  if (nbf.has_value() && now < *nbf - options.leeway_seconds) return "jwt: not valid yet (nbf)";
  if (iat.has_value() && now < *iat - options.leeway_seconds) return "jwt: from the future (iat)";
  if (!options.issuer.empty()) {
    const auto issuer = claims.find("iss");
    if (issuer == claims.end() || *issuer != options.issuer) return "jwt: another issuer";
  }
  if (!options.audience.empty() && !HasAudience(claims, options.audience))
    return "jwt: another audience";
  *expires_at = exp.value_or(0);
  return nullptr;
}

}  // namespace

bool LooksLikeToken(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  // "{" is the first letter of each header.
  return text.starts_with("ey") && Split(text).has_value() &&
         std::all_of(text.begin(), text.end(), fits);
}

TokenVerdict VerifyToken(std::string_view token, const TokenKeys& keys, const TokenOptions& options,
                         int64_t now) {
  if (token.size() > kMaxTokenBytes) return Refuse("jwt: too long");
  const std::optional<Parts> parts = Split(token);
  if (!parts.has_value()) return Refuse("jwt: not three parts");
  const std::optional<std::string> header_text = DecodeBase64Url(parts->header);
  const std::optional<std::string> claims_text = DecodeBase64Url(parts->claims);
  const std::optional<std::string> signature = DecodeBase64Url(parts->signature);
  if (!header_text.has_value() || !claims_text.has_value() || !signature.has_value())
    return Refuse("jwt: not base64url");
  const std::optional<json> header = ParseStrictJson(*header_text);
  if (!header.has_value() || !header->is_object()) return Refuse("jwt: bad header");
  // RFC 7515 4.1.11: what is critical has to be understood, and nothing of that is.
  if (header->contains("crit")) return Refuse("jwt: critical header");
  const auto alg = header->find("alg");
  const auto kid = header->find("kid");
  if (alg == header->end() || !alg->is_string()) return Refuse("jwt: no algorithm");
  if (kid != header->end() && !kid->is_string()) return Refuse("jwt: bad header");
  const std::optional<TokenAlgorithm> algorithm =
      ParseTokenAlgorithm(alg->get_ref<const std::string&>());
  if (!algorithm.has_value() || std::find(options.algorithms.begin(), options.algorithms.end(),
                                          *algorithm) == options.algorithms.end())
    return Refuse("jwt: algorithm not allowed");
  const std::string key_id = kid == header->end() ? std::string() : kid->get<std::string>();
  switch (keys.Verify(*algorithm, key_id, parts->signed_text, *signature)) {
    case TokenKeys::Result::kGood:
      break;
    case TokenKeys::Result::kBad:
      return Refuse("jwt: wrong signature");
    case TokenKeys::Result::kNoKey: {
      TokenVerdict verdict = Refuse("jwt: unknown key");
      verdict.unknown_key = true;
      return verdict;
    }
  }
  // Only now is what it says worth reading.
  const std::optional<json> claims = ParseStrictJson(*claims_text);
  if (!claims.has_value() || !claims->is_object()) return Refuse("jwt: bad claims");
  TokenVerdict verdict;
  verdict.why = CheckClaims(*claims, options, now, &verdict.expires_at);
  if (verdict.why == nullptr) verdict.claims = std::move(*claims_text);
  return verdict;
}

}  // namespace skein::auth
