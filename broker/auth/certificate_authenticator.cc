#include "broker/auth/certificate_authenticator.h"

#include <utility>

namespace skein::auth {
namespace {

std::string First(const std::vector<std::string>& names) {
  return names.empty() ? std::string() : names[0];
}

std::string NameIn(const ClientCertificate& certificate, CertificateOptions::From from) {
  switch (from) {
    case CertificateOptions::From::kCommonName:
      return certificate.common_name;
    case CertificateOptions::From::kDns:
      return First(certificate.dns_names);
    case CertificateOptions::From::kUri:
      return First(certificate.uris);
    case CertificateOptions::From::kEmail:
      return First(certificate.emails);
    case CertificateOptions::From::kSubject:
      return certificate.subject;
  }
  return {};
}

}  // namespace

Decision CertificateAuthenticator::Begin(const ConnectRequest& request, const Done&,
                                         std::unique_ptr<Exchange>*) {
  if (request.certificate == nullptr || !request.method.empty()) return Decision::Ignore();
  Grant grant;
  grant.user_name = NameIn(*request.certificate, options_.from);
  // A name with a null character is two names to those who read it differently.
  if (grant.user_name.empty() || grant.user_name.find('\0') != std::string::npos) {
    return Decision::Deny(mqtt::ReasonCode::kNotAuthorized,
                          "the client certificate does not have the name that is asked for");
  }
  if (options_.client_id_must_match && !request.client_id.empty() &&
      request.client_id != grant.user_name) {
    return Decision::Deny(mqtt::ReasonCode::kClientIdentifierNotValid,
                          "the client id is not the name in the certificate");
  }
  if (options_.client_id_must_match) grant.client_id = grant.user_name;
  return Decision::Allow(std::move(grant));
}

}  // namespace skein::auth
