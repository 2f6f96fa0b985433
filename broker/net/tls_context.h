// What a TLS listener needs to know, ready for use.
//
// Purpose: certificates with their keys, client authorities, revocation list and rules of one
// listener, loaded as a whole: TLS 1.2 with AEAD ciphers and forward secrecy only, TLS 1.3, no
// renegotiation, no compression. Owner: shared by the listener and its connections; a reload makes
// a new one, and connections keep theirs. Thread: immutable after Load(), any thread.
//
// Several certificates: the first whose names cover the client's SNI is shown, else the first one.
// Session tickets are stateless. Their keys change in time (tls_tickets.h) and are kept as long as
// what decides about client certificates (authorities, revocation list, whether one is required)
// stays the same, also over reloads: so a reload of a certificate keeps sessions resumable, and a
// revoked client cannot resume. Revocation lists must be signed by authorities of client_ca_file.
// The client's own certificate needs a list of its authority; those above it are asked about if
// there is one. A list that is overdue refuses all whom it is about.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

struct ssl_st;

namespace skein::net {

struct TlsCertificate {
  std::string cert_file;          // PEM: the certificate, then those that lead to its authority
  std::string key_file;           // PEM
  std::string key_password_file;  // empty: the key is not encrypted
};

struct TlsOptions {
  enum class ClientCertificates : uint8_t { kNone, kOptional, kRequired };

  std::vector<TlsCertificate> certificates;  // at least one
  ClientCertificates client_certificates = ClientCertificates::kNone;
  std::string client_ca_file;  // PEM; needed unless kNone
  std::string crl_file;        // PEM; empty: nothing is revoked
  bool only_tls13 = false;
  std::string ciphers;       // of TLS 1.2, OpenSSL's notation; empty: ECDHE with an AEAD
  std::string ciphersuites;  // of TLS 1.3; empty: OpenSSL's
  bool resumption = true;
  std::string alpn = "mqtt";  // chosen when the client offers it; "http/1.1" for WebSocket
};

// Of one loaded certificate, for metrics and logs.
struct CertificateInfo {
  std::string file;
  std::string subject;
  int64_t not_after = 0;  // seconds since 1970
};

class TlsContext {
 public:
  // INVALID_ARGUMENT names the file and what is wrong with it. previous: the context that this one
  // replaces, or null.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Load(const TlsOptions& options,
                                                                const TlsContext* previous);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;

  // A new server side, owned by the caller. Null: no memory.
  ssl_st* NewConnection() const;

  const std::vector<CertificateInfo>& certificates() const { return infos_; }

 private:
  struct Impl;
  TlsContext();
  std::unique_ptr<Impl> impl_;
  std::vector<CertificateInfo> infos_;
};

}  // namespace skein::net
