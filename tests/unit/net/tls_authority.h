// A certificate authority for tests of TLS.
//
// Purpose: makes certificates, keys and revocation lists as the files that a listener reads. Owner
// and thread: the test. Its folder goes with it.
#pragma once

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "broker/net/tls_context.h"
#include "gtest/gtest.h"

namespace skein::net {

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

// An authority that makes what a test needs, as files.
class Authority {
 public:
  explicit Authority(std::string name, const std::string& folder = "")
      : name_(std::move(name)), key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
    folder_ = ::testing::TempDir() + "skein_tls_" + std::to_string(getpid()) + "_" + name_ + folder;
    std::filesystem::create_directories(folder_);
    root_ = Make("authority " + name_, key_.get(), "", 3600, 1);
    Write(CaFile(), [&](BIO* out) { PEM_write_bio_X509(out, root_.get()); });
  }
  ~Authority() { std::filesystem::remove_all(folder_); }

  std::string CaFile() const { return folder_ + "/ca.pem"; }

  // A certificate with its key.
  TlsCertificate Issue(const std::string& name, const std::string& alternative = "",
                       int seconds = 3600) {
    const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const Owned<X509> made = Make(name, key.get(), alternative, seconds, ++serial_);
    TlsCertificate files{folder_ + "/" + name + ".pem", folder_ + "/" + name + ".key", ""};
    Write(files.cert_file, [&](BIO* out) { PEM_write_bio_X509(out, made.get()); });
    Write(files.key_file, [&](BIO* out) {
      PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return files;
  }

  // Revokes the certificate with that serial number; 0: none.
  std::string RevocationList(int serial, int seconds = 3600) {
    const Owned<X509_CRL> list(X509_CRL_new(), X509_CRL_free);
    X509_CRL_set_version(list.get(), 1);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(root_.get()));
    const Owned<ASN1_TIME> time(X509_gmtime_adj(nullptr, -7200), ASN1_TIME_free);
    X509_CRL_set1_lastUpdate(list.get(), time.get());
    X509_gmtime_adj(time.get(), seconds);
    X509_CRL_set1_nextUpdate(list.get(), time.get());
    if (serial > 0) {
      X509_REVOKED* const entry = X509_REVOKED_new();
      const Owned<ASN1_INTEGER> number(ASN1_INTEGER_new(), ASN1_INTEGER_free);
      ASN1_INTEGER_set(number.get(), serial);
      X509_REVOKED_set_serialNumber(entry, number.get());
      X509_gmtime_adj(time.get(), -3600);
      X509_REVOKED_set_revocationDate(entry, time.get());
      X509_CRL_add0_revoked(list.get(), entry);
    }
    X509_CRL_sign(list.get(), key_.get(), EVP_sha256());
    const std::string file = folder_ + "/crl" + std::to_string(serial) + ".pem";
    Write(file, [&](BIO* out) { PEM_write_bio_X509_CRL(out, list.get()); });
    return file;
  }
  int serial() const { return serial_; }

 private:
  Owned<X509> Make(const std::string& name, EVP_PKEY* key, const std::string& alternative,
                   int seconds, int serial) {
    Owned<X509> made(X509_new(), X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -7200);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), seconds);
    X509_set_pubkey(made.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509* const issuer = root_ == nullptr ? made.get() : root_.get();
    X509_set_issuer_name(made.get(), X509_get_subject_name(issuer));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, made.get(), nullptr, nullptr, 0);
    const auto extend = [&](int id, const std::string& value) {
      X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
      X509_add_ext(made.get(), extension, -1);
      X509_EXTENSION_free(extension);
    };
    extend(NID_basic_constraints, root_ == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    if (!alternative.empty()) extend(NID_subject_alt_name, alternative);
    X509_sign(made.get(), key_.get(), EVP_sha256());
    return made;
  }
  static void Write(const std::string& file, const std::function<void(BIO*)>& write) {
    const Owned<BIO> out(BIO_new_file(file.c_str(), "w"), BIO_free_all);
    write(out.get());
  }

  const std::string name_;
  std::string folder_;
  Owned<EVP_PKEY> key_;
  Owned<X509> root_{nullptr, X509_free};
  int serial_ = 1;
};

}  // namespace skein::net
