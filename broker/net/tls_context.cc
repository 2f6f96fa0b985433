#include "broker/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/net/clock.h"
#include "broker/net/tls_tickets.h"

namespace skein::net {
namespace {

constexpr char kAeadCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr size_t kMaxFileBytes = 16u << 20;

template <typename T, void (*kFree)(T*)>
struct Deleter {
  void operator()(T* object) const { kFree(object); }
};
using CtxPtr = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX, SSL_CTX_free>>;
using X509Ptr = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using CrlPtr = std::unique_ptr<X509_CRL, Deleter<X509_CRL, X509_CRL_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO, BIO_free_all>>;

// What OpenSSL says about the last failure; its queue is empty afterwards.
std::string LastError() {
  const unsigned long code = ERR_peek_last_error();  // NOLINT(google-runtime-int)
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "not understood" : reason;
}

absl::Status Refuse(const std::string& file, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", std::string(what)));
}

absl::StatusOr<std::string> ReadFile(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad()) return Refuse(file, std::strerror(errno != 0 ? errno : EIO));
  if (text.size() > kMaxFileBytes) return Refuse(file, "is larger than 16 MiB");
  return text;
}

BioPtr AsBio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The bundle's certificates, in order.
absl::StatusOr<std::vector<X509Ptr>> ReadCertificates(const std::string& file,
                                                      std::string* digest) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return text.status();
  if (digest != nullptr) digest->append(*text);
  const BioPtr bio = AsBio(*text);
  std::vector<X509Ptr> found;
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    found.emplace_back(one);
  const bool clean = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string error = LastError();
  if (!clean) return Refuse(file, absl::StrCat("not a PEM certificate: ", error));
  if (found.empty()) return Refuse(file, "has no PEM certificate");
  return found;
}

int GivePassword(char* buffer, int size, int, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  if (text.size() > static_cast<size_t>(size)) return -1;
  std::memcpy(buffer, text.data(), text.size());
  return static_cast<int>(text.size());
}

absl::StatusOr<KeyPtr> ReadKey(const TlsCertificate& files) {
  absl::StatusOr<std::string> text = ReadFile(files.key_file);
  if (!text.ok()) return text.status();
  std::string password;
  if (!files.key_password_file.empty()) {
    absl::StatusOr<std::string> read = ReadFile(files.key_password_file);
    if (!read.ok()) return read.status();
    password = read->substr(0, read->find_first_of("\r\n"));
  }
  const BioPtr bio = AsBio(*text);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, GivePassword, &password));
  OPENSSL_cleanse(password.data(), password.size());
  OPENSSL_cleanse(text->data(), text->size());
  if (key == nullptr)
    return Refuse(files.key_file, absl::StrCat("not a PEM private key: ", LastError()));
  return key;
}

std::string SubjectOf(X509* certificate) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<size_t>(size)};
}

int64_t NotAfter(X509* certificate) {
  tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return 0;
  return static_cast<int64_t>(timegm(&parts));
}

bool IsSignedByOneOf(const std::vector<X509Ptr>& authorities, X509_CRL* crl) {
  for (const X509Ptr& authority : authorities) {
    if (X509_NAME_cmp(X509_get_subject_name(authority.get()), X509_CRL_get_issuer(crl)) != 0)
      continue;
    if (X509_CRL_verify(crl, X509_get0_pubkey(authority.get())) == 1) return true;
  }
  ERR_clear_error();
  return false;
}

// The client's own certificate needs a list; authorities above it are asked about if there is one.
int AllowUnlistedAuthority(int ok, X509_STORE_CTX* chain) {
  if (ok == 1 || X509_STORE_CTX_get_error(chain) != X509_V_ERR_UNABLE_TO_GET_CRL ||
      X509_STORE_CTX_get_error_depth(chain) == 0)
    return ok;
  X509_STORE_CTX_set_error(chain, X509_V_OK);
  return 1;
}

int ChooseAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned int in_size, void* wanted) {
  const auto& name = *static_cast<const std::string*>(wanted);
  for (unsigned int at = 0; at < in_size; at += in[at] + 1u) {
    if (at + 1u + in[at] > in_size) break;
    if (name != std::string_view(reinterpret_cast<const char*>(in) + at + 1, in[at])) continue;
    *out = in + at + 1;
    *out_size = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

struct TlsContext::Impl {
  struct Shown {
    CtxPtr ctx;
    X509Ptr leaf;
  };
  std::vector<Shown> shown;  // one a certificate; connections begin with the first
  std::string alpn;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> policy{};  // what decides about clients
  std::shared_ptr<TicketKeys> ticket_keys;

  static int ChooseCertificate(SSL* ssl, int*, void* self) {
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    for (const Shown& each : static_cast<const Impl*>(self)->shown) {
      if (X509_check_host(each.leaf.get(), name, 0, 0, nullptr) != 1) continue;
      SSL_set_SSL_CTX(ssl, each.ctx.get());
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
  }

  absl::Status Add(const TlsOptions& options, const TlsCertificate& files);
  absl::Status SetRules(const TlsOptions& options, SSL_CTX* ctx);
  absl::Status TrustClients(const TlsOptions& options, SSL_CTX* ctx, std::string* digest);
};

absl::Status TlsContext::Impl::SetRules(const TlsOptions& options, SSL_CTX* ctx) {
  SSL_CTX_set_min_proto_version(ctx, options.only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_SINGLE_ECDH_USE);
  if (!options.resumption) SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, options.resumption ? 1 : 0);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx, 1);
  const std::string ciphers = options.ciphers.empty() ? kAeadCiphers : options.ciphers;
  if (SSL_CTX_set_cipher_list(ctx, ciphers.c_str()) != 1)
    return Refuse("ciphers", absl::StrCat("'", ciphers, "': ", LastError()));
  if (!options.ciphersuites.empty() &&
      SSL_CTX_set_ciphersuites(ctx, options.ciphersuites.c_str()) != 1)
    return Refuse("ciphersuites", absl::StrCat("'", options.ciphersuites, "': ", LastError()));
  // What is not an AEAD is refused, whatever the list says.
  const STACK_OF(SSL_CIPHER)* const enabled = SSL_CTX_get_ciphers(ctx);
  for (int i = 0; i < sk_SSL_CIPHER_num(enabled); ++i) {
    const SSL_CIPHER* const cipher = sk_SSL_CIPHER_value(enabled, i);
    if (SSL_CIPHER_is_aead(cipher) != 1)
      return Refuse("ciphers", absl::StrCat(SSL_CIPHER_get_name(cipher), " is not an AEAD cipher"));
    const int exchange = SSL_CIPHER_get_kx_nid(cipher);  // any: of TLS 1.3
    if (exchange != NID_kx_ecdhe && exchange != NID_kx_any) {
      return Refuse("ciphers",
                    absl::StrCat(SSL_CIPHER_get_name(cipher), " has no forward secrecy by ECDHE"));
    }
  }
  SSL_CTX_set1_groups_list(ctx, kGroups);
  SSL_CTX_set_alpn_select_cb(ctx, ChooseAlpn, &alpn);
  SSL_CTX_set_tlsext_servername_callback(ctx, ChooseCertificate);
  SSL_CTX_set_tlsext_servername_arg(ctx, this);
  return absl::OkStatus();
}

absl::Status TlsContext::Impl::TrustClients(const TlsOptions& options, SSL_CTX* ctx,
                                            std::string* digest) {
  using Clients = TlsOptions::ClientCertificates;
  if (options.client_certificates == Clients::kNone) return absl::OkStatus();
  absl::StatusOr<std::vector<X509Ptr>> authorities =
      ReadCertificates(options.client_ca_file, digest);
  if (!authorities.ok()) return authorities.status();
  X509_STORE* const store = SSL_CTX_get_cert_store(ctx);
  for (const X509Ptr& authority : *authorities) {
    X509_STORE_add_cert(store, authority.get());
    SSL_CTX_add_client_CA(ctx, authority.get());
  }
  int mode = SSL_VERIFY_PEER;
  if (options.client_certificates == Clients::kRequired) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(ctx, mode, AllowUnlistedAuthority);
  if (options.crl_file.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadFile(options.crl_file);
  if (!text.ok()) return text.status();
  digest->append(*text);
  const BioPtr bio = AsBio(*text);
  int count = 0;
  for (; CrlPtr crl{PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr)}; ++count) {
    if (!IsSignedByOneOf(*authorities, crl.get())) {
      return Refuse(options.crl_file,
                    absl::StrCat("list ", count + 1, " is not signed by an authority of ",
                                 options.client_ca_file));
    }
    X509_STORE_add_crl(store, crl.get());
  }
  const bool clean = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string error = LastError();
  if (!clean || count == 0) {
    return Refuse(options.crl_file, absl::StrCat("not a PEM revocation list",
                                                 clean ? "" : absl::StrCat(": ", error)));
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return absl::OkStatus();
}

absl::Status TlsContext::Impl::Add(const TlsOptions& options, const TlsCertificate& files) {
  absl::StatusOr<std::vector<X509Ptr>> chain = ReadCertificates(files.cert_file, nullptr);
  if (!chain.ok()) return chain.status();
  absl::StatusOr<KeyPtr> key = ReadKey(files);
  if (!key.ok()) return key.status();
  CtxPtr ctx(SSL_CTX_new(TLS_server_method()));
  if (ctx == nullptr) return absl::ResourceExhaustedError(LastError());
  if (absl::Status set = SetRules(options, ctx.get()); !set.ok()) return set;
  if (SSL_CTX_use_certificate(ctx.get(), (*chain)[0].get()) != 1)
    return Refuse(files.cert_file, LastError());
  for (size_t i = 1; i < chain->size(); ++i)
    SSL_CTX_add1_chain_cert(ctx.get(), (*chain)[i].get());
  if (X509_check_private_key((*chain)[0].get(), key->get()) != 1) {
    LastError();
    return Refuse(files.key_file, absl::StrCat("is not the key of ", files.cert_file));
  }
  if (SSL_CTX_use_PrivateKey(ctx.get(), key->get()) != 1)
    return Refuse(files.key_file, LastError());
  std::string digest = absl::StrCat(static_cast<int>(options.client_certificates), ":");
  if (absl::Status trust = TrustClients(options, ctx.get(), &digest); !trust.ok()) return trust;
  EVP_Digest(digest.data(), digest.size(), policy.data(), nullptr, EVP_sha256(), nullptr);
  SSL_CTX_set_session_id_context(ctx.get(), policy.data(), policy.size());
  shown.push_back({std::move(ctx), std::move((*chain)[0])});
  return absl::OkStatus();
}

TlsContext::TlsContext() : impl_(std::make_unique<Impl>()) {}

TlsContext::~TlsContext() = default;

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Load(const TlsOptions& options,
                                                                   const TlsContext* previous) {
  if (options.certificates.empty()) return absl::InvalidArgumentError("no certificate is given");
  std::shared_ptr<TlsContext> made(new TlsContext());
  Impl& impl = *made->impl_;
  impl.alpn = options.alpn;
  for (const TlsCertificate& files : options.certificates) {
    if (absl::Status added = impl.Add(options, files); !added.ok()) return added;
    X509* const leaf = impl.shown.back().leaf.get();
    made->infos_.push_back({files.cert_file, SubjectOf(leaf), NotAfter(leaf)});
  }
  if (previous != nullptr && previous->impl_->policy == impl.policy) {
    impl.ticket_keys = previous->impl_->ticket_keys;
  } else {
    const auto clock = std::make_shared<const Clock>();
    impl.ticket_keys = std::make_shared<TicketKeys>([clock] { return clock->Now(); });
  }
  for (const Impl::Shown& each : impl.shown)
    impl.ticket_keys->Serve(each.ctx.get());
  return std::shared_ptr<const TlsContext>(std::move(made));
}

ssl_st* TlsContext::NewConnection() const {
  return SSL_new(impl_->shown[0].ctx.get());
}

}  // namespace skein::net
