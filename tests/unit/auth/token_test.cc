// Tokens: signatures, times, and what attackers try (RFC 8725).
#include "broker/auth/token.h"

#include <gtest/gtest.h>

#include "broker/auth/principal.h"
#include "broker/auth/token_authenticator.h"
#include "tests/unit/auth/token_signer.h"

namespace skein::auth {
namespace {

using testing_tokens::Base64Url;
using testing_tokens::Body;
using testing_tokens::Hmac;
using testing_tokens::HsToken;
using testing_tokens::PrivateKey;
using Keys = std::shared_ptr<const TokenKeys>;

constexpr char kSecret[] = "0123456789abcdef0123456789abcdef";
constexpr char kHs[] = R"({"alg":"HS256"})";
constexpr char kClaims[] = R"({"sub":"ann","exp":2000})";
constexpr int64_t kNow = 1'000;

TokenOptions All() {
  TokenOptions options;
  for (int i = 0; i <= static_cast<int>(TokenAlgorithm::kEs512); ++i)
    options.algorithms.push_back(static_cast<TokenAlgorithm>(i));
  return options;
}

std::string Why(const std::string& token, const Keys& keys, const TokenOptions& options = All(),
                int64_t now = kNow) {
  const TokenVerdict verdict = VerifyToken(token, *keys, options, now);
  return verdict.why == nullptr ? "" : verdict.why;
}

Keys Secret() {
  return *TokenKeys::FromSecret(kSecret);
}

TEST(TokenTest, TheExampleOfTheStandard) {
  // RFC 7515, appendix A.1: HS256, and its key.
  const auto keys = TokenKeys::FromJwks(
      R"({"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS)"
      R"(0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]})");
  ASSERT_TRUE(keys.ok());
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  EXPECT_EQ(Why(token, *keys, All(), 1'300'000'000), "");
  EXPECT_EQ(Why(token, *keys, All(), 1'300'819'380 + 30), "jwt: expired");
}

TEST(TokenTest, EveryAlgorithm) {
  const PrivateKey rsa = PrivateKey::Rsa(2'048);
  const PrivateKey p256 = PrivateKey::Ec("P-256"), p384 = PrivateKey::Ec("P-384"),
                   p521 = PrivateKey::Ec("P-521");
  const auto keys = TokenKeys::FromJwks("{\"keys\":[" + rsa.Jwk("") + "," + p256.Jwk("") + "," +
                                        p384.Jwk("") + "," + p521.Jwk("") + "]}");
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ((*keys)->size(), 4u);
  EXPECT_EQ(Why(rsa.Sign(R"({"alg":"RS256"})", kClaims, EVP_sha256()), *keys), "");
  EXPECT_EQ(Why(rsa.Sign(R"({"alg":"RS512"})", kClaims, EVP_sha512()), *keys), "");
  EXPECT_EQ(Why(rsa.Sign(R"({"alg":"PS384"})", kClaims, EVP_sha384(), true), *keys), "");
  EXPECT_EQ(Why(p256.Sign(R"({"alg":"ES256"})", kClaims, EVP_sha256()), *keys), "");
  EXPECT_EQ(Why(p384.Sign(R"({"alg":"ES384"})", kClaims, EVP_sha384()), *keys), "");
  EXPECT_EQ(Why(p521.Sign(R"({"alg":"ES512"})", kClaims, EVP_sha512()), *keys), "");
  EXPECT_EQ(Why(rsa.Sign(R"({"alg":"PS256"})", kClaims, EVP_sha256()), *keys),
            "jwt: wrong signature")
      << "signed as RS256";
  for (const PrivateKey* key : {&rsa, &p256, &p384}) {
    const auto alone = TokenKeys::FromPem(key->Pem());
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ((*alone)->size(), 1u);
  }
  EXPECT_EQ(Why(HsToken(kHs, kClaims, kSecret), Secret()), "");
}

TEST(TokenTest, APublicKeyIsNoSecret) {
  const PrivateKey rsa = PrivateKey::Rsa(2'048);
  const Keys keys = *TokenKeys::FromPem(rsa.Pem());
  EXPECT_EQ(Why(HsToken(kHs, kClaims, rsa.Pem()), keys), "jwt: unknown key");
  EXPECT_EQ(Why(Body(R"({"alg":"none"})", kClaims) + ".", keys), "jwt: not three parts");
  EXPECT_EQ(Why(Body(R"({"alg":"none"})", kClaims) + ".AA", keys), "jwt: algorithm not allowed");
  EXPECT_EQ(Why(Body(R"({"alg":"None"})", kClaims) + ".AA", keys), "jwt: algorithm not allowed");
  TokenOptions only = All();
  only.algorithms = {TokenAlgorithm::kEs256};
  EXPECT_EQ(Why(rsa.Sign(R"({"alg":"RS256"})", kClaims, EVP_sha256()), keys, only),
            "jwt: algorithm not allowed");
}

TEST(TokenTest, AnyChangedByteIsNoticed) {
  const std::string token = HsToken(kHs, kClaims, kSecret);
  for (size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(Why(other, Secret()), "") << i;
  }
  EXPECT_EQ(Why(HsToken(kHs, kClaims, "another secret of thirty-two bytes"), Secret()),
            "jwt: wrong signature");
  const PrivateKey p256 = PrivateKey::Ec("P-256");
  const Keys keys = *TokenKeys::FromPem(p256.Pem());
  const std::string body = Body(R"({"alg":"ES256"})", kClaims);
  EXPECT_EQ(Why(body + "." + Base64Url(std::string(64, '\0')), keys), "jwt: wrong signature");
  EXPECT_EQ(Why(body + "." + Base64Url(std::string(63, '\1')), keys), "jwt: wrong signature");
}

TEST(TokenTest, Times) {
  const auto why = [](const std::string& claims, int64_t now, int64_t leeway = 30) {
    TokenOptions options = All();
    options.leeway_seconds = leeway;
    return Why(HsToken(kHs, claims, kSecret), Secret(), options, now);
  };
  EXPECT_EQ(why(R"({"exp":1000})", 1'029), "");
  EXPECT_EQ(why(R"({"exp":1000})", 1'030), "jwt: expired");
  EXPECT_EQ(why(R"({"exp":1000})", 1'000, 0), "jwt: expired");
  EXPECT_EQ(why(R"({"exp":1000.5})", 999, 0), "");
  EXPECT_EQ(why(R"({"exp":2000,"nbf":1100})", 1'069), "jwt: not valid yet (nbf)");
  EXPECT_EQ(why(R"({"exp":2000,"nbf":1100})", 1'070), "");
  EXPECT_EQ(why(R"({"exp":2000,"iat":1100})", 1'000), "jwt: from the future (iat)");
  EXPECT_EQ(why(R"({"exp":"2000"})", 1'000), "jwt: exp, nbf or iat is no time");
  EXPECT_EQ(why(R"({"exp":-1})", 1'000), "jwt: exp, nbf or iat is no time");
  EXPECT_EQ(why(R"({"exp":1e300})", 1'000), "jwt: exp, nbf or iat is no time");
  EXPECT_EQ(why(R"({"sub":"x"})", 1'000), "jwt: no exp");
  TokenOptions lax = All();
  lax.require_expiry = false;
  EXPECT_EQ(Why(HsToken(kHs, R"({"sub":"x"})", kSecret), Secret(), lax), "");
}

TEST(TokenTest, IssuerAndAudience) {
  TokenOptions options = All();
  options.issuer = "me";
  options.audience = "mq";
  const auto why = [&](const std::string& claims) {
    return Why(HsToken(kHs, claims, kSecret), Secret(), options);
  };
  EXPECT_EQ(why(R"({"exp":2000,"iss":"me","aud":"mq"})"), "");
  EXPECT_EQ(why(R"({"exp":2000,"iss":"me","aud":["x","mq"]})"), "");
  EXPECT_EQ(why(R"({"exp":2000,"iss":"you","aud":"mq"})"), "jwt: another issuer");
  EXPECT_EQ(why(R"({"exp":2000,"aud":"mq"})"), "jwt: another issuer");
  EXPECT_EQ(why(R"({"exp":2000,"iss":"me","aud":["x"]})"), "jwt: another audience");
  EXPECT_EQ(why(R"({"exp":2000,"iss":"me"})"), "jwt: another audience");
}

TEST(TokenTest, KeyIds) {
  const PrivateKey a = PrivateKey::Ec("P-256"), b = PrivateKey::Ec("P-256");
  const Keys keys = *TokenKeys::FromJwks("{\"keys\":[" + a.Jwk(R"(,"kid":"a")") + "," +
                                         b.Jwk(R"(,"kid":"b","use":"sig","alg":"ES256")") + "]}");
  const auto signed_by = [](const PrivateKey& key, const char* kid) {
    return key.Sign(std::string(R"({"alg":"ES256")") + kid + "}", kClaims, EVP_sha256());
  };
  EXPECT_EQ(Why(signed_by(a, R"(,"kid":"a")"), keys), "");
  EXPECT_EQ(Why(signed_by(b, R"(,"kid":"b")"), keys), "");
  EXPECT_EQ(Why(signed_by(b, ""), keys), "") << "any may fit";
  EXPECT_EQ(Why(signed_by(a, R"(,"kid":"b")"), keys), "jwt: wrong signature");
  EXPECT_EQ(Why(signed_by(a, R"(,"kid":"c")"), keys), "jwt: unknown key");
  EXPECT_TRUE(VerifyToken(signed_by(a, R"(,"kid":"c")"), *keys, All(), kNow).unknown_key);
  EXPECT_EQ(Why(signed_by(a, R"(,"kid":7)"), keys), "jwt: bad header");
}

TEST(TokenTest, WhatIsNoToken) {
  EXPECT_EQ(Why(HsToken(R"({"alg":"HS256","alg":"none"})", kClaims, kSecret), Secret()),
            "jwt: bad header");
  EXPECT_EQ(Why(HsToken(R"({"alg":"HS256","crit":["x"]})", kClaims, kSecret), Secret()),
            "jwt: critical header");
  EXPECT_EQ(Why(HsToken(kHs, R"({"exp":2000,"sub":"a","sub":"b"})", kSecret), Secret()),
            "jwt: bad claims");
  EXPECT_EQ(Why(HsToken(kHs, "[]", kSecret), Secret()), "jwt: bad claims");
  EXPECT_EQ(
      Why(HsToken(kHs, "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}", kSecret),
          Secret()),
      "jwt: bad claims");
  EXPECT_EQ(Why(HsToken(kHs, std::string(kMaxTokenBytes, ' '), kSecret), Secret()),
            "jwt: too long");
  EXPECT_EQ(Why(HsToken("x", kClaims, kSecret), Secret()), "jwt: bad header");
  EXPECT_EQ(Why("a.b.c.d", Secret()), "jwt: not three parts");
  EXPECT_EQ(Why(HsToken(kHs, kClaims, kSecret) + "=", Secret()), "jwt: not base64url");
  EXPECT_TRUE(LooksLikeToken(HsToken(kHs, kClaims, kSecret)));
  for (const char* other : {"", "secret", "a.b.c", "ey", "ey.a", "eyJ.. ", "eyJ.x.y z"})
    EXPECT_FALSE(LooksLikeToken(other)) << other;
}

TEST(TokenTest, KeySetsThatAreOfNoUse) {
  EXPECT_FALSE(TokenKeys::FromJwks("").ok());
  EXPECT_FALSE(TokenKeys::FromJwks("[]").ok());
  EXPECT_FALSE(TokenKeys::FromJwks(R"({"keys":{}})").ok());
  EXPECT_FALSE(TokenKeys::FromJwks(R"({"keys":[]})").ok());
  EXPECT_FALSE(TokenKeys::FromJwks(R"({"keys":[{"kty":"oct","k":"c2hvcnQ"}]})").ok());
  EXPECT_FALSE(TokenKeys::FromJwks(R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]})").ok());
  EXPECT_FALSE(
      TokenKeys::FromJwks(R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})").ok());
  EXPECT_FALSE(TokenKeys::FromJwks("{\"keys\":[" + PrivateKey::Rsa(1'024).Jwk("") + "]}").ok());
  const PrivateKey key = PrivateKey::Ec("P-256");
  EXPECT_FALSE(TokenKeys::FromJwks("{\"keys\":[" + key.Jwk(R"(,"use":"enc")") + "]}").ok());
  EXPECT_FALSE(TokenKeys::FromJwks("{\"keys\":[" + key.Jwk(R"(,"alg":"RS256")") + "]}").ok());
  EXPECT_FALSE(TokenKeys::FromPem("no key").ok());
  EXPECT_FALSE(TokenKeys::FromSecret("short").ok());
  std::string point = key.Jwk("");
  point.replace(point.find("\"x\":\"") + 5, 4, "AAAA");
  EXPECT_FALSE(TokenKeys::FromJwks("{\"keys\":[" + point + "]}").ok()) << "not on the curve";
}

TEST(TokenTest, Base64UrlIsStrict) {
  EXPECT_EQ(DecodeBase64Url("AQID"), "\1\2\3");
  EXPECT_EQ(DecodeBase64Url("_-8"), "\xff\xef");
  EXPECT_EQ(DecodeBase64Url(""), "");
  for (const char* bad : {"A", "AQI=", "AQ+/", "AB", "AQJ", " AQI"})
    EXPECT_EQ(DecodeBase64Url(bad), std::nullopt) << bad;
}

class ClaimsTest : public ::testing::Test {
 protected:
  Decision Decide(const std::string& claims) { return DecideByClaims(claims, options_, 2'000); }
  bool Allowed(const Decision& decision, Action action, std::string_view topic) {
    Principal client;
    client.client_id = "dev1";
    client.user_name = decision.grant.user_name;
    const auto verdict = decision.grant.rules->Find(client, action, topic);
    return verdict.has_value() && verdict->allowed;
  }

  TokenAuthenticatorOptions options_;
};

TEST_F(ClaimsTest, NamesAndRights) {
  options_.client_id_claim = "cid";
  options_.superuser_claim = "root";
  const Decision good = Decide(R"({"sub":"ann","cid":"dev1","root":true})");
  ASSERT_EQ(good.kind, Decision::Kind::kAllow);
  EXPECT_EQ(good.grant.user_name, "ann");
  EXPECT_EQ(good.grant.client_id, "dev1");
  EXPECT_TRUE(good.grant.superuser);
  EXPECT_EQ(good.grant.expires_at, 2'000'000);
  EXPECT_EQ(good.grant.rules, nullptr);
  EXPECT_FALSE(Decide(R"({"sub":"ann","cid":"dev1","root":"true"})").grant.superuser);
  EXPECT_EQ(Decide(R"({"sub":"ann"})").kind, Decision::Kind::kDeny);
  EXPECT_EQ(Decide(R"({"cid":"dev1"})").kind, Decision::Kind::kDeny);
  EXPECT_EQ(Decide(R"({"sub":7,"cid":"dev1"})").kind, Decision::Kind::kDeny);
}

TEST_F(ClaimsTest, AclAsLists) {
  const Decision decision = Decide(
      R"({"sub":"ann","acl":{"pub":["up/${clientid}/#"],"sub":["down/${username}"],"all":["x"]}})");
  ASSERT_EQ(decision.kind, Decision::Kind::kAllow);
  EXPECT_TRUE(Allowed(decision, kPublish, "up/dev1/a"));
  EXPECT_TRUE(Allowed(decision, kRetain, "up/dev1/a"));
  EXPECT_FALSE(Allowed(decision, kSubscribe, "up/dev1/a"));
  EXPECT_FALSE(Allowed(decision, kPublish, "up/dev2/a"));
  EXPECT_TRUE(Allowed(decision, kSubscribe, "down/ann"));
  EXPECT_TRUE(Allowed(decision, kPublish, "x"));
  EXPECT_FALSE(Allowed(decision, kPublish, "elsewhere")) << "and the node's rules are not asked";
}

TEST_F(ClaimsTest, AclAsRules) {
  const Decision decision = Decide(R"({"sub":"ann","acl":[
      {"permission":"deny","action":"publish","topic":"a/secret"},
      {"permission":"allow","action":"publish","topic":"a/#","retain":false},
      {"permission":"allow","action":"subscribe","topic":"eq b/#"}]})");
  ASSERT_EQ(decision.kind, Decision::Kind::kAllow) << decision.why;
  EXPECT_TRUE(Allowed(decision, kPublish, "a/x"));
  EXPECT_FALSE(Allowed(decision, kRetain, "a/x"));
  EXPECT_FALSE(Allowed(decision, kPublish, "a/secret"));
  EXPECT_FALSE(Allowed(decision, kSubscribe, "b/1"));
  Principal client;
  EXPECT_EQ(decision.grant.rules->CheckFilter(client, kSubscribe, "b/#").access, Access::kAllow);
}

TEST_F(ClaimsTest, AnAclThatIsNotUnderstoodLetsNobodyIn) {
  for (const char* acl :
       {R"("all")", "7", R"({"publish":["a"],"x":[]})", R"({"pub":"a"})", R"({"pub":[1]})",
        R"({"pub":["a/#/b"]})", R"([{"permission":"allow","topic":"a"}])",
        R"([{"permission":"maybe","action":"all","topic":"a"}])",
        R"([{"permission":"allow","action":"all","topic":"a","qos":1}])",
        R"([{"permission":"allow","action":"publish","topic":"a","retain":true}])", R"(["a"])",
        R"({"pub":["x${clientid}"]})"}) {
    EXPECT_EQ(Decide(std::string(R"({"sub":"ann","acl":)") + acl + "}").kind, Decision::Kind::kDeny)
        << acl;
  }
  std::string many = "[";
  for (int i = 0; i < 1'001; ++i)
    many += std::string(i == 0 ? "" : ",") + "\"a\"";
  EXPECT_EQ(Decide(R"({"sub":"ann","acl":{"pub":)" + many + "]}}").kind, Decision::Kind::kDeny);
}

}  // namespace
}  // namespace skein::auth
