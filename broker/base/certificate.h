// What a verified client certificate says.
//
// Purpose: the names by which authentication may know a client. Thread: a value.
#pragma once

#include <string>
#include <vector>

namespace skein {

struct CertificateIdentity {
  std::string common_name;             // last CN of the subject, UTF-8; may be empty
  std::vector<std::string> dns_names;  // subjectAltName, in order
  std::vector<std::string> uris;
  std::vector<std::string> emails;
  std::string subject;      // RFC 2253
  std::string serial;       // hexadecimal
  std::string fingerprint;  // SHA-256 of the DER, hexadecimal
};

}  // namespace skein
