// Clients that are known by their certificate.
//
// Purpose: the name in a verified client certificate becomes the user name. Thread: any; immutable.
// Errors: a certificate without that name is denied; without a certificate the next is asked.
#pragma once

#include "broker/auth/authenticator.h"

namespace skein::auth {

struct CertificateOptions {
  enum class From : uint8_t { kCommonName, kDns, kUri, kEmail, kSubject };
  From from = From::kCommonName;
  bool client_id_must_match = false;  // the client id must be that name
};

class CertificateAuthenticator final : public Authenticator {
 public:
  explicit CertificateAuthenticator(const CertificateOptions& options) : options_(options) {}
  Decision Begin(const ConnectRequest& request, const Done& done,
                 std::unique_ptr<Exchange>* exchange) override;

 private:
  const CertificateOptions options_;
};

}  // namespace skein::auth
