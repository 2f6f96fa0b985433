#include "broker/net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <cstring>

namespace skein::net {
namespace {

// What the callback says of a ticket that it can open.
constexpr int kKeep = 1;
constexpr int kRenew = 2;

bool SetMac(EVP_MAC_CTX* mac, TicketKeys::Key* key) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac.data(), key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
  return EVP_MAC_CTX_set_params(mac, params) == 1;
}

int Seal(TicketKeys* keys, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
         EVP_MAC_CTX* mac) {
  TicketKeys::Key key;
  if (!keys->Current(&key) || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
    return 0;
  std::memcpy(name, key.name.data(), key.name.size());
  const bool ready =
      EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher.data(), iv, nullptr) == 1 &&
      SetMac(mac, &key);
  OPENSSL_cleanse(&key, sizeof key);
  return ready ? 1 : 0;
}

int Open(TicketKeys* keys, bool renew, const unsigned char* name, const unsigned char* iv,
         EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  TicketKeys::Key key;
  const TicketKeys::Found found = keys->Find(name, &key);
  if (found == TicketKeys::Found::kNo) return 0;
  const bool ready = SetMac(mac, &key) && EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(),
                                                              key.cipher.data(), iv, nullptr) == 1;
  OPENSSL_cleanse(&key, sizeof key);
  if (!ready) return 0;
  // A ticket of TLS 1.3 is used once (RFC 8446 C.4), and an old key's is not to be used for long.
  return renew || found == TicketKeys::Found::kOld ? kRenew : kKeep;
}

int OnTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
             EVP_MAC_CTX* mac, int seal) {
  auto* const keys = static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  return seal == 1 ? Seal(keys, name, iv, cipher, mac)
                   : Open(keys, SSL_version(ssl) == TLS1_3_VERSION, name, iv, cipher, mac);
}

}  // namespace

TicketKeys::TicketKeys(std::function<TimeMs()> steady_clock) : clock_(std::move(steady_clock)) {}

TicketKeys::~TicketKeys() {
  MutexLock lock(mutex_);
  OPENSSL_cleanse(&current_, sizeof current_);
  OPENSSL_cleanse(&previous_, sizeof previous_);
}

void TicketKeys::Serve(ssl_ctx_st* ctx) {
  SSL_CTX_set_app_data(ctx, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, OnTicket);
}

void TicketKeys::Turn(TimeMs now) {
  if (has_previous_ && now - previous_.made >= 2 * kSealMs) {
    OPENSSL_cleanse(&previous_, sizeof previous_);
    has_previous_ = false;
  }
  if (!has_current_ || now - current_.made < kSealMs) return;
  previous_ = current_;
  has_previous_ = now - previous_.made < 2 * kSealMs;
  has_current_ = false;
}

bool TicketKeys::Current(Key* key) {
  const TimeMs now = clock_();
  MutexLock lock(mutex_);
  Turn(now);
  if (!has_current_) {
    has_current_ = RAND_bytes(current_.name.data(), current_.name.size()) == 1 &&
                   RAND_priv_bytes(current_.cipher.data(), current_.cipher.size()) == 1 &&
                   RAND_priv_bytes(current_.mac.data(), current_.mac.size()) == 1;
    current_.made = now;
  }
  *key = current_;
  return has_current_;
}

TicketKeys::Found TicketKeys::Find(const unsigned char* name, Key* key) {
  const TimeMs now = clock_();
  MutexLock lock(mutex_);
  Turn(now);
  const auto is = [name](const Key& known) {
    return std::memcmp(known.name.data(), name, known.name.size()) == 0;
  };
  if (has_current_ && is(current_)) {
    *key = current_;
    return Found::kYes;
  }
  if (!has_previous_ || !is(previous_)) return Found::kNo;
  *key = previous_;
  return Found::kOld;
}

}  // namespace skein::net
