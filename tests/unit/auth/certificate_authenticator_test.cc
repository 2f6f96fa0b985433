// Which name of a certificate becomes the user name.
#include "broker/auth/certificate_authenticator.h"

#include <gtest/gtest.h>

#include <string>

namespace skein::auth {
namespace {

using Kind = Decision::Kind;
using From = CertificateOptions::From;
using mqtt::ReasonCode;

class CertificateTest : public ::testing::Test {
 protected:
  CertificateTest() {
    certificate_.common_name = "device-7";
    certificate_.dns_names = {"seven.example", "other.example"};
    certificate_.uris = {"urn:device:7"};
    certificate_.emails = {"seven@example.com"};
    certificate_.subject = "CN=device-7,O=Example";
    request_.certificate = &certificate_;
  }
  Decision Ask(From from, bool client_id_must_match = false) {
    CertificateOptions options;
    options.from = from;
    options.client_id_must_match = client_id_must_match;
    std::unique_ptr<Exchange> exchange;
    return CertificateAuthenticator(options).Begin(
        request_, [](Decision) { ADD_FAILURE() << "a certificate is read at once"; }, &exchange);
  }

  ClientCertificate certificate_;
  ConnectRequest request_;
};

TEST_F(CertificateTest, TakesTheNameItIsTold) {
  EXPECT_EQ(Ask(From::kCommonName).grant.user_name, "device-7");
  EXPECT_EQ(Ask(From::kDns).grant.user_name, "seven.example");
  EXPECT_EQ(Ask(From::kUri).grant.user_name, "urn:device:7");
  EXPECT_EQ(Ask(From::kEmail).grant.user_name, "seven@example.com");
  EXPECT_EQ(Ask(From::kSubject).grant.user_name, "CN=device-7,O=Example");
  EXPECT_EQ(Ask(From::kSubject).kind, Kind::kAllow);
}

TEST_F(CertificateTest, TheUserNameOfConnectDoesNotCount) {
  request_.user_name = "admin";
  EXPECT_EQ(Ask(From::kCommonName).grant.user_name, "device-7");
}

TEST_F(CertificateTest, WithoutThatNameNobodyComesIn) {
  certificate_ = {};
  for (const From from : {From::kCommonName, From::kDns, From::kUri, From::kEmail, From::kSubject})
    EXPECT_EQ(Ask(from).kind, Kind::kDeny) << static_cast<int>(from);
  certificate_.common_name = std::string("admin\0.evil", 11);
  EXPECT_EQ(Ask(From::kCommonName).kind, Kind::kDeny);
}

TEST_F(CertificateTest, WithoutACertificateTheNextIsAsked) {
  request_.certificate = nullptr;
  EXPECT_EQ(Ask(From::kCommonName).kind, Kind::kIgnore);
}

TEST_F(CertificateTest, AMethodIsNotAnsweredByACertificate) {
  request_.method = "SCRAM-SHA-256";
  EXPECT_EQ(Ask(From::kCommonName).kind, Kind::kIgnore);
}

TEST_F(CertificateTest, TheClientIdMayHaveToBeTheName) {
  request_.client_id = "device-8";
  EXPECT_EQ(Ask(From::kCommonName).kind, Kind::kAllow);
  EXPECT_EQ(Ask(From::kCommonName, true).reason, ReasonCode::kClientIdentifierNotValid);
  request_.client_id = "device-7";
  EXPECT_EQ(Ask(From::kCommonName, true).kind, Kind::kAllow);
  request_.client_id = "";
  EXPECT_EQ(Ask(From::kCommonName, true).grant.client_id, "device-7");
}

}  // namespace
}  // namespace skein::auth
