#include "broker/net/tls_transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <utility>

#include "broker/base/mutex.h"

namespace skein::net {
namespace {

constexpr size_t kRecordBytes = 16 * 1024;

// Log texts outlive the connections they are about; there are as many as OpenSSL has reasons.
std::string_view Intern(std::string text) {
  static Mutex mutex;
  static std::set<std::string>* const texts = new std::set<std::string>();
  MutexLock lock(mutex);
  return *texts->insert(std::move(text)).first;
}

std::string TextOf(const ASN1_STRING* string) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, string);
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return text;
}

std::string Hex(const unsigned char* bytes, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

void ReadNames(X509* certificate, CertificateIdentity* identity) {
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) identity->dns_names.push_back(TextOf(name->d.dNSName));
    if (name->type == GEN_URI) identity->uris.push_back(TextOf(name->d.uniformResourceIdentifier));
    if (name->type == GEN_EMAIL) identity->emails.push_back(TextOf(name->d.rfc822Name));
  }
  GENERAL_NAMES_free(names);
}

std::unique_ptr<CertificateIdentity> IdentityOf(X509* certificate) {
  auto identity = std::make_unique<CertificateIdentity>();
  X509_NAME* const subject = X509_get_subject_name(certificate);
  int at = -1;
  for (int next; (next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
    at = next;
  if (at >= 0) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(subject, at);
    identity->common_name = TextOf(X509_NAME_ENTRY_get_data(entry));
  }
  ReadNames(certificate, identity.get());
  BIO* const out = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(out, subject, 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out, &text);
  identity->subject.assign(text, static_cast<size_t>(size));
  BIO_free(out);
  const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate);
  identity->serial =
      Hex(ASN1_STRING_get0_data(serial), static_cast<size_t>(ASN1_STRING_length(serial)));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &length);
  identity->fingerprint = Hex(digest.data(), length);
  return identity;
}

// The first byte of a connection: a record's type (RFC 8446 5.1), or an old hello's length.
bool IsPlainText(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 && (byte < 0x14 || byte > 0x17);
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(std::shared_ptr<const TlsContext> context, std::unique_ptr<Transport> below, int fd,
               SSL* ssl)
      : context_(std::move(context)), below_(std::move(below)), ssl_(ssl), fd_(fd) {
    BIO* const bio = BIO_new(Method());
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_accept_state(ssl_);
  }
  ~TlsTransport() override { SSL_free(ssl_); }

  IoResult Read(char* buffer, size_t size) override;
  IoResult Write(const iovec* parts, int count) override;
  IoResult Flush() override;
  void Shutdown() override;

  bool wants_write() const override {
    return wants_write_ || held_ != nullptr || (below_ != nullptr && below_->wants_write());
  }
  bool has_input() const override {
    return !drained_ && (SSL_has_pending(ssl_) == 1 || (below_ != nullptr && below_->has_input()));
  }
  bool handshaking() const override { return handshaking_; }
  const PeerAddress* peer() const override { return below_ == nullptr ? nullptr : below_->peer(); }
  const CertificateIdentity* certificate() const override { return identity_.get(); }
  std::string_view failure() const override { return failure_; }

 private:
  static const BIO_METHOD* Method();
  static int BioRead(BIO* bio, char* buffer, int size);
  static int BioWrite(BIO* bio, const char* data, int size);
  static long BioControl(BIO*, int command, long, void*) {  // NOLINT(google-runtime-int)
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  IoResult Handshake();
  // Writes the record that was taken but refused by the descriptor. kOk: none is left.
  IoResult SendHeld();
  std::string Reason(unsigned long code, const char* text) const;  // NOLINT(google-runtime-int)
  // What a call that did not succeed means.
  IoResult Explain(int result);

  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<Transport> below_;
  std::unique_ptr<CertificateIdentity> identity_;
  SSL* const ssl_;
  std::string_view failure_;
  // A record's plain bytes, taken from the caller but not yet written as a whole. OpenSSL wants to
  // see them again: it may have sent something of its own instead, an answer to a key update.
  std::unique_ptr<char[]> held_;
  const int fd_;
  int error_ = 0;  // of the descriptor
  uint16_t held_size_ = 0;
  uint16_t held_at_ = 0;  // written of it
  bool handshaking_ = true;
  bool wants_write_ = false;
  bool drained_ = true;  // OpenSSL has asked for more input since it last gave some
  bool heard_ = false;
  bool plain_text_ = false;  // the first byte was not TLS
  bool broken_ = false;      // no further call may be made
};

const BIO_METHOD* TlsTransport::Method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "skeinmq");
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

int TlsTransport::BioRead(BIO* bio, char* buffer, int size) {
  auto* const self = static_cast<TlsTransport*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const auto wanted = static_cast<size_t>(size);
  const IoResult got = self->below_ == nullptr ? net::Read(self->fd_, buffer, wanted)
                                               : self->below_->Read(buffer, wanted);
  if (got.status == IoStatus::kOk) {
    if (!std::exchange(self->heard_, true)) self->plain_text_ = IsPlainText(buffer[0]);
    return static_cast<int>(got.bytes);
  }
  if (got.status == IoStatus::kWouldBlock) BIO_set_retry_read(bio);
  self->error_ = got.error;
  return got.status == IoStatus::kClosed ? 0 : -1;
}

int TlsTransport::BioWrite(BIO* bio, const char* data, int size) {
  auto* const self = static_cast<TlsTransport*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const iovec part{const_cast<char*>(data), static_cast<size_t>(size)};
  const IoResult put =
      self->below_ == nullptr ? net::Writev(self->fd_, &part, 1) : self->below_->Write(&part, 1);
  if (put.status == IoStatus::kOk) return static_cast<int>(put.bytes);
  if (put.status == IoStatus::kWouldBlock) BIO_set_retry_write(bio);
  self->error_ = put.error;
  return -1;
}

std::string TlsTransport::Reason(unsigned long code, const char* text) const {  // NOLINT
  if (plain_text_) return "plain text on a TLS port";
  if (ERR_GET_LIB(code) != ERR_LIB_SSL || ERR_GET_REASON(code) != SSL_R_CERTIFICATE_VERIFY_FAILED)
    return text;
  return std::string(text) + ": " + X509_verify_cert_error_string(SSL_get_verify_result(ssl_));
}

IoResult TlsTransport::Explain(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      drained_ = true;
      return {IoStatus::kWouldBlock};
    case SSL_ERROR_WANT_WRITE:
      wants_write_ = true;
      return {IoStatus::kWouldBlock};
    case SSL_ERROR_ZERO_RETURN:
      return {IoStatus::kClosed};
    default:
      break;
  }
  broken_ = true;
  const unsigned long code = ERR_peek_error();  // NOLINT(google-runtime-int)
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  if (reason == nullptr) {
    if (below_ != nullptr) failure_ = below_->failure();
    if (error_ == 0) return {IoStatus::kClosed};
    return {IoStatus::kError, 0, error_};
  }
  failure_ = Intern(std::string("tls: ") + Reason(code, reason));
  return {IoStatus::kError, 0, EPROTO};
}

IoResult TlsTransport::Handshake() {
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) return Explain(result);
  // The result is of the chain that came with this handshake, or with the one it resumes: time has
  // gone on since then.
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate != nullptr && SSL_session_reused(ssl_) == 1 &&
      X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
    broken_ = true;
    failure_ = "tls: the client certificate of the resumed session has expired";
    return {IoStatus::kError, 0, EPROTO};
  }
  handshaking_ = false;
  if (certificate != nullptr && SSL_get_verify_result(ssl_) == X509_V_OK)
    identity_ = IdentityOf(certificate);
  return {IoStatus::kOk};
}

IoResult TlsTransport::Read(char* buffer, size_t size) {
  if (broken_) return {IoStatus::kError, 0, EPROTO};
  ERR_clear_error();
  error_ = 0;
  wants_write_ = false;
  if (handshaking_) {
    if (const IoResult shaken = Handshake(); shaken.status != IoStatus::kOk) return shaken;
  }
  size_t bytes = 0;
  const int result = SSL_read_ex(ssl_, buffer, size, &bytes);
  if (result != 1) return Explain(result);
  drained_ = false;
  return {IoStatus::kOk, bytes};
}

IoResult TlsTransport::SendHeld() {
  // One record, or several where the client has asked for smaller ones (RFC 6066 4).
  while (held_ != nullptr) {
    size_t sent = 0;
    const int result = SSL_write_ex(ssl_, held_.get() + held_at_,
                                    static_cast<size_t>(held_size_ - held_at_), &sent);
    if (result != 1) return Explain(result);
    held_at_ = static_cast<uint16_t>(held_at_ + sent);
    if (held_at_ < held_size_) continue;
    held_.reset();
    held_at_ = held_size_ = 0;
  }
  return {IoStatus::kOk};
}

IoResult TlsTransport::Write(const iovec* parts, int count) {
  if (broken_) return {IoStatus::kError, 0, EPROTO};
  if (handshaking_) return {IoStatus::kWouldBlock};
  ERR_clear_error();
  error_ = 0;
  wants_write_ = false;
  if (const IoResult sent = SendHeld(); sent.status != IoStatus::kOk) return sent;
  thread_local std::array<char, kRecordBytes> scratch;
  size_t size = 0;
  for (int i = 0; i < count && size < scratch.size(); ++i) {
    const size_t part = std::min(parts[i].iov_len, scratch.size() - size);
    if (part > 0) std::memcpy(scratch.data() + size, parts[i].iov_base, part);
    size += part;
  }
  if (size == 0) return {IoStatus::kOk};
  size_t taken = 0;
  const int result = SSL_write_ex(ssl_, scratch.data(), size, &taken);
  if (result == 1) return {IoStatus::kOk, taken};
  const IoResult why = Explain(result);
  if (why.status != IoStatus::kWouldBlock) return why;
  held_ = std::make_unique_for_overwrite<char[]>(size);
  std::memcpy(held_.get(), scratch.data(), size);
  held_size_ = static_cast<uint16_t>(size);
  return {IoStatus::kOk, size};
}

IoResult TlsTransport::Flush() {
  if (broken_) return {IoStatus::kError, 0, EPROTO};
  if (below_ != nullptr && below_->wants_write()) {
    const IoResult flushed = below_->Flush();
    if (flushed.status != IoStatus::kOk) return flushed;
  }
  if (!wants_write_ && held_ == nullptr) return {IoStatus::kOk};
  ERR_clear_error();
  error_ = 0;
  wants_write_ = false;
  // What a read had to say (an answer to a key update) is said by the next one.
  drained_ = false;
  if (handshaking_) return Handshake();
  return SendHeld();
}

void TlsTransport::Shutdown() {
  if (!broken_ && !handshaking_) {
    ERR_clear_error();
    if (SendHeld().status == IoStatus::kOk) SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  if (below_ != nullptr) return below_->Shutdown();
  ShutdownWrite(fd_);
}

}  // namespace

std::unique_ptr<Transport> MakeTlsTransport(std::shared_ptr<const TlsContext> context,
                                            std::unique_ptr<Transport> below, int fd) {
  SSL* const ssl = context->NewConnection();
  if (ssl == nullptr) return nullptr;
  return std::make_unique<TlsTransport>(std::move(context), std::move(below), fd, ssl);
}

}  // namespace skein::net
