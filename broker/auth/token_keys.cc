#include "broker/auth/token_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <nlohmann/json.hpp>

#include <array>
#include <utility>
#include <vector>

#include "broker/auth/strict_json.h"

namespace skein::auth {
namespace {

using nlohmann::json;

template <typename T, void (*kFree)(T*)>
struct Deleter {
  void operator()(T* object) const { kFree(object); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using KeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Deleter<BIGNUM, BN_free>>;
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM, OSSL_PARAM_free>>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX, EVP_MD_CTX_free>>;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG, ECDSA_SIG_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO, BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Deleter<X509, X509_free>>;

constexpr size_t kMinSecretBytes = 32;
constexpr int kMinRsaBits = 2'048;

enum class Kind : uint8_t { kSecret, kRsa, kP256, kP384, kP521 };

struct AlgorithmRow {
  std::string_view name;
  const EVP_MD* (*digest)();
  bool pss;
};
constexpr AlgorithmRow kAlgorithms[] = {
    {"HS256", EVP_sha256, false}, {"HS384", EVP_sha384, false}, {"HS512", EVP_sha512, false},
    {"RS256", EVP_sha256, false}, {"RS384", EVP_sha384, false}, {"RS512", EVP_sha512, false},
    {"PS256", EVP_sha256, true},  {"PS384", EVP_sha384, true},  {"PS512", EVP_sha512, true},
    {"ES256", EVP_sha256, false}, {"ES384", EVP_sha384, false}, {"ES512", EVP_sha512, false}};

Kind KindOf(TokenAlgorithm algorithm) {
  if (algorithm <= TokenAlgorithm::kHs512) return Kind::kSecret;
  if (algorithm <= TokenAlgorithm::kPs512) return Kind::kRsa;
  if (algorithm == TokenAlgorithm::kEs256) return Kind::kP256;
  return algorithm == TokenAlgorithm::kEs384 ? Kind::kP384 : Kind::kP521;
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A text field of a JWK, decoded; empty if it is not there or not base64url.
std::string Field(const json& jwk, const char* name) {
  const auto found = jwk.find(name);
  if (found == jwk.end() || !found->is_string()) return {};
  return DecodeBase64Url(found->get_ref<const std::string&>()).value_or("");
}

std::string Text(const json& jwk, const char* name) {
  const auto found = jwk.find(name);
  return found != jwk.end() && found->is_string() ? found->get<std::string>() : std::string();
}

KeyPtr FromParams(const char* type, OSSL_PARAM_BLD* builder) {
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder));
  const KeyCtxPtr ctx(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || ctx == nullptr || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return KeyPtr(key);
}

KeyPtr RsaKey(const json& jwk) {
  const std::string n = Field(jwk, "n"), e = Field(jwk, "e");
  const NumberPtr modulus(BN_bin2bn(Bytes(n), static_cast<int>(n.size()), nullptr));
  const NumberPtr exponent(BN_bin2bn(Bytes(e), static_cast<int>(e.size()), nullptr));
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  if (n.empty() || e.empty() || n.size() > 1'024 || e.size() > 8) return nullptr;
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return FromParams("RSA", builder.get());
}

struct Curve {
  std::string_view jwk;
  const char* group;
  size_t bytes;
  Kind kind;
};
constexpr Curve kCurves[] = {{"P-256", "prime256v1", 32, Kind::kP256},
                             {"P-384", "secp384r1", 48, Kind::kP384},
                             {"P-521", "secp521r1", 66, Kind::kP521}};

KeyPtr EcKey(const json& jwk, const Curve& curve) {
  const std::string x = Field(jwk, "x"), y = Field(jwk, "y");
  if (x.size() != curve.bytes || y.size() != curve.bytes) return nullptr;
  const std::string point = "\x04" + x + y;
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return FromParams("EC", builder.get());
}

std::optional<Kind> KindOf(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1)
    return EVP_PKEY_get_bits(key) >= kMinRsaBits ? std::optional(Kind::kRsa) : std::nullopt;
  std::array<char, 64> group{};
  size_t size = 0;
  if (EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1)
    return std::nullopt;
  for (const Curve& curve : kCurves) {
    if (std::string_view(group.data(), size) == curve.group) return curve.kind;
  }
  return std::nullopt;
}

// RFC 7518 3.4: the two numbers side by side, to what OpenSSL wants.
std::string ToDer(std::string_view signature) {
  const size_t half = signature.size() / 2;
  const SignaturePtr made(ECDSA_SIG_new());
  BIGNUM* const r = BN_bin2bn(Bytes(signature), static_cast<int>(half), nullptr);
  BIGNUM* const s = BN_bin2bn(Bytes(signature.substr(half)), static_cast<int>(half), nullptr);
  ECDSA_SIG_set0(made.get(), r, s);
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(made.get(), &der);
  std::string text(reinterpret_cast<char*>(der), size > 0 ? static_cast<size_t>(size) : 0);
  OPENSSL_free(der);
  return text;
}

size_t SignatureBytes(Kind kind) {
  for (const Curve& curve : kCurves) {
    if (curve.kind == kind) return 2 * curve.bytes;
  }
  return 0;  // any
}

bool VerifyPublic(EVP_PKEY* key, const AlgorithmRow& row, std::string_view text,
                  std::string_view signature) {
  const DigestPtr ctx(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;  // owned by ctx
  ERR_clear_error();
  bool good =
      EVP_DigestVerifyInit(ctx.get(), &parameters, row.digest(), nullptr, key) == 1 &&
      (!row.pss || (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1));
  good = good && EVP_DigestVerify(ctx.get(), Bytes(signature), signature.size(), Bytes(text),
                                  text.size()) == 1;
  ERR_clear_error();
  return good;
}

bool VerifySecret(std::string_view secret, const AlgorithmRow& row, std::string_view text,
                  std::string_view signature) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  HMAC(row.digest(), secret.data(), static_cast<int>(secret.size()), Bytes(text), text.size(),
       mac.data(), &size);
  return signature.size() == size && CRYPTO_memcmp(mac.data(), signature.data(), size) == 0;
}

}  // namespace

struct TokenKeys::Impl {
  struct Key {
    std::string id;
    Kind kind = Kind::kSecret;
    std::optional<TokenAlgorithm> only;  // the JWK's "alg"
    KeyPtr key;
    std::string secret;
  };
  std::vector<Key> keys;

  // False: it is of no use here.
  bool Add(const json& jwk);
};

bool TokenKeys::Impl::Add(const json& jwk) {
  if (!jwk.is_object()) return false;
  const std::string type = Text(jwk, "kty"), use = Text(jwk, "use"), alg = Text(jwk, "alg");
  if (!use.empty() && use != "sig") return false;
  Key made;
  made.id = Text(jwk, "kid");
  if (!alg.empty()) {
    made.only = ParseTokenAlgorithm(alg);
    if (!made.only.has_value()) return false;
  }
  if (type == "oct") {
    made.secret = Field(jwk, "k");
    if (made.secret.size() < kMinSecretBytes) return false;
  } else if (type == "RSA") {
    made.key = RsaKey(jwk);
  } else if (type == "EC") {
    for (const Curve& curve : kCurves) {
      if (Text(jwk, "crv") == curve.jwk) made.key = EcKey(jwk, curve);
    }
  }
  if (type != "oct") {
    const std::optional<Kind> kind = made.key == nullptr ? std::nullopt : KindOf(made.key.get());
    if (!kind.has_value()) return false;
    made.kind = *kind;
  }
  if (made.only.has_value() && KindOf(*made.only) != made.kind) return false;
  keys.push_back(std::move(made));
  return true;
}

std::optional<TokenAlgorithm> ParseTokenAlgorithm(std::string_view name) {
  for (size_t i = 0; i < std::size(kAlgorithms); ++i) {
    if (kAlgorithms[i].name == name) return static_cast<TokenAlgorithm>(i);
  }
  return std::nullopt;
}

std::optional<std::string> DecodeBase64Url(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<uint32_t>(c - 'a' + 26);
    } else if (c >= '0' && c <= '9') {
      value = static_cast<uint32_t>(c - '0' + 52);
    } else if (c == '-' || c == '_') {
      value = c == '-' ? 62 : 63;
    } else {
      return std::nullopt;
    }
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xff);
  }
  // No single letter at the end, and no bits that say nothing: one text, one value.
  if (count >= 6 || (bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return bytes;
}

TokenKeys::TokenKeys() : impl_(std::make_unique<Impl>()) {}

TokenKeys::~TokenKeys() {
  for (Impl::Key& key : impl_->keys)
    OPENSSL_cleanse(key.secret.data(), key.secret.size());
}

size_t TokenKeys::size() const {
  return impl_->keys.size();
}

absl::StatusOr<std::shared_ptr<const TokenKeys>> TokenKeys::FromJwks(std::string_view text) {
  const std::optional<json> set = ParseStrictJson(text);
  if (!set.has_value() || !set->is_object() || !set->contains("keys") || !(*set)["keys"].is_array())
    return absl::InvalidArgumentError("no JWK Set: an object with a list 'keys' is expected");
  const json& list = (*set)["keys"];
  if (list.size() > kMaxKeys) return absl::InvalidArgumentError("more than 100 keys");
  std::shared_ptr<TokenKeys> made(new TokenKeys());
  for (const json& jwk : list)
    made->impl_->Add(jwk);
  if (made->size() == 0) {
    return absl::InvalidArgumentError(
        "no key that can check signatures (RSA from 2048 bits, EC P-256, P-384 or P-521, oct from "
        "32 bytes)");
  }
  return std::shared_ptr<const TokenKeys>(std::move(made));
}

absl::StatusOr<std::shared_ptr<const TokenKeys>> TokenKeys::FromPem(std::string_view pem) {
  const auto open = [pem] {
    return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  };
  KeyPtr key(PEM_read_bio_PUBKEY(open().get(), nullptr, nullptr, nullptr));
  if (key == nullptr) {
    const X509Ptr certificate(PEM_read_bio_X509(open().get(), nullptr, nullptr, nullptr));
    if (certificate != nullptr) key.reset(X509_get_pubkey(certificate.get()));
  }
  ERR_clear_error();
  const std::optional<Kind> kind = key == nullptr ? std::nullopt : KindOf(key.get());
  if (!kind.has_value()) {
    return absl::InvalidArgumentError(
        "no public key in PEM (RSA from 2048 bits, EC P-256, P-384 or P-521)");
  }
  std::shared_ptr<TokenKeys> made(new TokenKeys());
  made->impl_->keys.push_back({"", *kind, std::nullopt, std::move(key), ""});
  return std::shared_ptr<const TokenKeys>(std::move(made));
}

absl::StatusOr<std::shared_ptr<const TokenKeys>> TokenKeys::FromSecret(std::string_view secret) {
  if (secret.size() < kMinSecretBytes)
    return absl::InvalidArgumentError("the secret is shorter than 32 bytes");
  std::shared_ptr<TokenKeys> made(new TokenKeys());
  made->impl_->keys.push_back({"", Kind::kSecret, std::nullopt, nullptr, std::string(secret)});
  return std::shared_ptr<const TokenKeys>(std::move(made));
}

TokenKeys::Result TokenKeys::Verify(TokenAlgorithm algorithm, std::string_view kid,
                                    std::string_view text, std::string_view signature) const {
  const AlgorithmRow& row = kAlgorithms[static_cast<size_t>(algorithm)];
  const Kind kind = KindOf(algorithm);
  const size_t wanted = SignatureBytes(kind);
  std::string der;
  if (wanted > 0) {
    if (signature.size() != wanted) return Result::kBad;
    der = ToDer(signature);
    signature = der;
  }
  Result result = Result::kNoKey;
  for (const Impl::Key& key : impl_->keys) {
    if (key.kind != kind || (key.only.has_value() && *key.only != algorithm)) continue;
    if (!kid.empty() && !key.id.empty() && key.id != kid) continue;
    const bool good = kind == Kind::kSecret ? VerifySecret(key.secret, row, text, signature)
                                            : VerifyPublic(key.key.get(), row, text, signature);
    if (good) return Result::kGood;
    result = Result::kBad;
  }
  return result;
}

}  // namespace skein::auth
