// Makes tokens and key sets for tests, with OpenSSL.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace skein::auth::testing_tokens {

inline const unsigned char* Raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

inline std::string Base64Url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Raw(bytes),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  while (text.ends_with('='))
    text.pop_back();
  for (char& c : text)
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

inline std::string Hmac(std::string_view secret, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), Raw(text), text.size(),
       mac.data(), &size);
  return {mac.begin(), mac.begin() + size};
}

// "header.claims" of a token.
inline std::string Body(std::string_view header, std::string_view claims) {
  return Base64Url(header) + "." + Base64Url(claims);
}

inline std::string HsToken(std::string_view header, std::string_view claims,
                           std::string_view secret) {
  const std::string body = Body(header, claims);
  return body + "." + Base64Url(Hmac(secret, body));
}

class PrivateKey {
 public:
  static PrivateKey Rsa(unsigned int bits) { return PrivateKey(EVP_RSA_gen(bits)); }
  static PrivateKey Ec(const char* curve) { return PrivateKey(EVP_EC_gen(curve)); }

  std::string Pem() const {
    BIO* const out = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(out, key_.get());
    char* text = nullptr;
    const auto size = BIO_get_mem_data(out, &text);
    std::string pem(text, static_cast<size_t>(size));
    BIO_free(out);
    return pem;
  }

  // {"kty": ...}, `more` are further members: ,"kid":"a"
  std::string Jwk(const std::string& more) const {
    if (EVP_PKEY_is_a(key_.get(), "RSA") == 1) {
      return R"({"kty":"RSA","n":")" + Number(OSSL_PKEY_PARAM_RSA_N, 0) + R"(","e":")" +
             Number(OSSL_PKEY_PARAM_RSA_E, 0) + "\"" + more + "}";
    }
    const int bytes = (EVP_PKEY_get_bits(key_.get()) + 7) / 8;
    const char* const curve = bytes == 32 ? "P-256" : bytes == 48 ? "P-384" : "P-521";
    return std::string(R"({"kty":"EC","crv":")") + curve + R"(","x":")" +
           Number(OSSL_PKEY_PARAM_EC_PUB_X, bytes) + R"(","y":")" +
           Number(OSSL_PKEY_PARAM_EC_PUB_Y, bytes) + "\"" + more + "}";
  }

  std::string Sign(std::string_view header, std::string_view claims, const EVP_MD* digest,
                   bool pss = false) const {
    const std::string body = Body(header, claims);
    EVP_MD_CTX* const ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX* parameters = nullptr;
    EVP_DigestSignInit(ctx, &parameters, digest, nullptr, key_.get());
    if (pss) {
      EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
    }
    size_t size = 0;
    EVP_DigestSign(ctx, nullptr, &size, Raw(body), body.size());
    std::string signature(size, '\0');
    EVP_DigestSign(ctx, reinterpret_cast<unsigned char*>(signature.data()), &size, Raw(body),
                   body.size());
    signature.resize(size);
    EVP_MD_CTX_free(ctx);
    if (EVP_PKEY_is_a(key_.get(), "EC") == 1) signature = FromDer(signature);
    return body + "." + Base64Url(signature);
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  explicit PrivateKey(EVP_PKEY* key) : key_(key) {}

  std::string Number(const char* name, int bytes) const {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &number);
    std::string text(static_cast<size_t>(bytes > 0 ? bytes : BN_num_bytes(number)), '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(text.data()),
                 static_cast<int>(text.size()));
    BN_free(number);
    return Base64Url(text);
  }

  std::string FromDer(std::string_view der) const {
    const unsigned char* at = Raw(der);
    ECDSA_SIG* const signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    const int bytes = (EVP_PKEY_get_bits(key_.get()) + 7) / 8;
    std::string raw(2 * static_cast<size_t>(bytes), '\0');
    auto* const out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, bytes);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + bytes, bytes);
    ECDSA_SIG_free(signature);
    return raw;
  }

  std::unique_ptr<EVP_PKEY, Free> key_;
};

}  // namespace skein::auth::testing_tokens
