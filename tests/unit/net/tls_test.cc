// The server side of TLS against OpenSSL's client, over a real socket pair.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <string>

#include "broker/net/tls_transport.h"
#include "tests/unit/net/tls_authority.h"

namespace skein::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// OpenSSL's client, at the other end of a socket pair.
class Client {
 public:
  explicit Client(int version = 0) : ctx_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    if (version != 0) {
      SSL_CTX_set_min_proto_version(ctx_.get(), version);
      SSL_CTX_set_max_proto_version(ctx_.get(), version);
    }
    SSL_CTX_set_session_cache_mode(ctx_.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_set_app_data(ctx_.get(), this);
    SSL_CTX_sess_set_new_cb(ctx_.get(), [](SSL* of, SSL_SESSION* made) {
      auto* const self = static_cast<Client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(of)));
      SSL_SESSION_free(std::exchange(self->session, made));
      return 1;
    });
  }
  ~Client() {
    SSL_free(ssl);
    SSL_SESSION_free(session);
  }
  void Show(const TlsCertificate& files) {
    SSL_CTX_use_certificate_file(ctx_.get(), files.cert_file.c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx_.get(), files.key_file.c_str(), SSL_FILETYPE_PEM);
  }
  SSL_CTX* ctx() { return ctx_.get(); }
  void Connect(int fd) {
    // A connection that ends without a word spoils its session.
    if (ssl != nullptr) SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    ssl = SSL_new(ctx_.get());
    SSL_set_fd(ssl, fd);
    if (!name.empty()) SSL_set_tlsext_host_name(ssl, name.c_str());
    if (session != nullptr) SSL_set_session(ssl, session);
    SSL_set_connect_state(ssl);
  }

  SSL* ssl = nullptr;
  SSL_SESSION* session = nullptr;
  std::string name;

 private:
  Owned<SSL_CTX> ctx_;
};

class TlsTest : public ::testing::Test {
 protected:
  std::shared_ptr<const TlsContext> Load(const TlsOptions& options,
                                         const TlsContext* previous = nullptr) {
    auto context = TlsContext::Load(options, previous);
    EXPECT_TRUE(context.ok()) << context.status().message();
    return context.ok() ? *context : nullptr;
  }
  std::string ErrorOf(const TlsOptions& options) {
    const auto context = TlsContext::Load(options, nullptr);
    return context.ok() ? "accepted" : std::string(context.status().message());
  }
  TlsOptions Server() {
    TlsOptions options;
    options.certificates = {authority_.Issue("server", "DNS:localhost")};
    return options;
  }
  TlsOptions Mutual(TlsOptions::ClientCertificates how) {
    TlsOptions options = Server();
    options.client_certificates = how;
    options.client_ca_file = authority_.CaFile();
    return options;
  }

  void Pair(int buffer = 0) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    if (buffer > 0) {
      for (const int fd : fds)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    }
    transport_.reset();
    client_fd_.Reset(fds[0]);
    server_fd_.Reset(fds[1]);
  }

  // Shakes hands and says one word each way. Empty: it worked; else what the server says.
  std::string Talk(const std::shared_ptr<const TlsContext>& context, Client* client) {
    Pair();
    client->Connect(client_fd_.get());
    transport_ = MakeTlsTransport(context, nullptr, server_fd_.get());
    std::string heard;
    bool said = false;
    bool answered = false;
    for (int i = 0; i < 100; ++i) {
      ERR_clear_error();
      if (SSL_do_handshake(client->ssl) == 1) {
        if (!said) said = SSL_write(client->ssl, "hello", 5) == 5;
        char buffer[100];
        if (SSL_read(client->ssl, buffer, sizeof buffer) == 5) return "";
      }
      char buffer[100];
      const IoResult got = transport_->Read(buffer, sizeof buffer);
      if (got.status == IoStatus::kError) return std::string(transport_->failure());
      if (got.status == IoStatus::kClosed) return "closed";
      if (got.status == IoStatus::kOk) heard.append(buffer, got.bytes);
      if (heard == "hello" && !answered) {
        const iovec part{heard.data(), 5};
        answered = transport_->Write(&part, 1).status == IoStatus::kOk;
      }
    }
    return "no end";
  }

  Authority authority_{"good"};
  Fd client_fd_, server_fd_;
  std::unique_ptr<Transport> transport_;
};

TEST_F(TlsTest, OnlySoundVersionsAndCiphers) {
  const auto context = Load(Server());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client client(version);
    EXPECT_EQ(Talk(context, &client), "");
  }
  Client old(TLS1_1_VERSION);
  SSL_CTX_set_security_level(old.ctx(), 0);
  EXPECT_THAT(Talk(context, &old), HasSubstr("unsupported protocol"));
  Client cbc(TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(cbc.ctx(), "ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256");
  EXPECT_THAT(Talk(context, &cbc), HasSubstr("no shared cipher"));
  TlsOptions strict = Server();
  strict.only_tls13 = true;
  Client v12(TLS1_2_VERSION);
  EXPECT_THAT(Talk(Load(strict), &v12), HasSubstr("unsupported protocol"));
}

TEST_F(TlsTest, TheNameAskedForChoosesTheCertificate) {
  TlsOptions options;
  options.certificates = {authority_.Issue("first", "DNS:one.example"),
                          authority_.Issue("second", "DNS:two.example,DNS:*.wild.example")};
  const auto context = Load(options);
  EXPECT_EQ(context->certificates().size(), 2u);
  EXPECT_EQ(context->certificates()[1].subject, "CN=second");
  const std::pair<const char*, const char*> rows[] = {{"", "first"},
                                                      {"one.example", "first"},
                                                      {"two.example", "second"},
                                                      {"a.wild.example", "second"},
                                                      {"a.b.wild.example", "first"},
                                                      {"other.example", "first"}};
  for (const auto& [name, wanted] : rows) {
    Client client;
    client.name = name;
    ASSERT_EQ(Talk(context, &client), "") << name;
    char common[100];
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client.ssl)),
                              NID_commonName, common, sizeof common);
    EXPECT_STREQ(common, wanted) << name;
  }
}

TEST_F(TlsTest, ClientCertificates) {
  using How = TlsOptions::ClientCertificates;
  Authority stranger("stranger");
  const auto required = Load(Mutual(How::kRequired));
  const auto optional = Load(Mutual(How::kOptional));
  const TlsCertificate mine =
      authority_.Issue("device-7", "DNS:d7.example,URI:urn:d7,email:d7@example.org");
  const TlsCertificate expired = authority_.Issue("late", "", -60);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client good(version);
    good.Show(mine);
    ASSERT_EQ(Talk(required, &good), "");
    const CertificateIdentity* const who = transport_->certificate();
    ASSERT_NE(who, nullptr);
    EXPECT_EQ(who->common_name, "device-7");
    EXPECT_THAT(who->dns_names, ElementsAre("d7.example"));
    EXPECT_THAT(who->uris, ElementsAre("urn:d7"));
    EXPECT_THAT(who->emails, ElementsAre("d7@example.org"));
    EXPECT_EQ(who->subject, "CN=device-7");
    EXPECT_EQ(who->fingerprint.size(), 64u);
    Client nobody(version);
    EXPECT_THAT(Talk(required, &nobody), HasSubstr("did not return a certificate"));
    Client anonymous(version);
    EXPECT_EQ(Talk(optional, &anonymous), "");
    EXPECT_EQ(transport_->certificate(), nullptr);
    Client wrong(version);
    wrong.Show(stranger.Issue("device-7"));
    EXPECT_THAT(Talk(required, &wrong), HasSubstr("certificate verify failed"));
    EXPECT_EQ(transport_->certificate(), nullptr);
    Client wrong_but_optional(version);
    wrong_but_optional.Show(stranger.Issue("device-7"));
    EXPECT_THAT(Talk(optional, &wrong_but_optional), HasSubstr("certificate verify failed"));
    Client late(version);
    late.Show(expired);
    EXPECT_THAT(Talk(required, &late), HasSubstr("certificate has expired"));
  }
}

TEST_F(TlsTest, RevokedCertificates) {
  TlsOptions options = Mutual(TlsOptions::ClientCertificates::kRequired);
  const TlsCertificate good = authority_.Issue("good");
  const TlsCertificate bad = authority_.Issue("bad");
  options.crl_file = authority_.RevocationList(authority_.serial());
  const auto context = Load(options);
  Client one;
  one.Show(good);
  EXPECT_EQ(Talk(context, &one), "");
  Client two;
  two.Show(bad);
  EXPECT_THAT(Talk(context, &two), HasSubstr("certificate verify failed: certificate revoked"));
  options.crl_file = authority_.RevocationList(0, -60);
  Client three;
  three.Show(good);
  EXPECT_THAT(Talk(Load(options), &three), HasSubstr("certificate verify failed"))
      << "an overdue list says nothing";
}

TEST_F(TlsTest, SessionsResumeAcrossReloadsButNotAcrossOtherRules) {
  using How = TlsOptions::ClientCertificates;
  TlsOptions options = Mutual(How::kRequired);
  const TlsCertificate mine = authority_.Issue("device");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client client(version);
    client.Show(mine);
    const auto first = Load(options);
    ASSERT_EQ(Talk(first, &client), "");
    EXPECT_EQ(SSL_session_reused(client.ssl), 0);
    ASSERT_EQ(Talk(first, &client), "");
    EXPECT_EQ(SSL_session_reused(client.ssl), 1);
    ASSERT_NE(transport_->certificate(), nullptr) << "the identity is lost by resuming";
    EXPECT_EQ(transport_->certificate()->common_name, "device");
    TlsOptions renewed = options;
    renewed.certificates = {authority_.Issue("server2")};
    const auto second = Load(renewed, first.get());
    ASSERT_EQ(Talk(second, &client), "");
    EXPECT_EQ(SSL_session_reused(client.ssl), 1);
    TlsOptions stricter = options;
    stricter.crl_file = authority_.RevocationList(0);
    ASSERT_EQ(Talk(Load(stricter, second.get()), &client), "");
    EXPECT_EQ(SSL_session_reused(client.ssl), 0);
    TlsOptions never = options;
    never.resumption = false;
    const auto forgetful = Load(never);
    Talk(forgetful, &client);
    Talk(forgetful, &client);
    EXPECT_EQ(SSL_session_reused(client.ssl), 0);
  }
}

TEST_F(TlsTest, GarbageIsNamedAndHurtsNobodyElse) {
  const auto context = Load(Server());
  for (const std::string& text : {std::string("\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00", 14),
                                  std::string("GET / HTTP/1.1\r\n\r\n"), std::string(100, '\0')}) {
    Pair();
    transport_ = MakeTlsTransport(context, nullptr, server_fd_.get());
    ASSERT_GT(send(client_fd_.get(), text.data(), text.size(), 0), 0);
    char buffer[100];
    const IoResult got = transport_->Read(buffer, sizeof buffer);
    EXPECT_EQ(got.status, IoStatus::kError);
    EXPECT_EQ(transport_->failure(), "tls: plain text on a TLS port");
    EXPECT_EQ(transport_->Read(buffer, sizeof buffer).status, IoStatus::kError);
    EXPECT_EQ(ERR_peek_error(), 0u) << "left in the thread's queue";
    Client client;
    EXPECT_EQ(Talk(context, &client), "");
  }
  Pair();
  transport_ = MakeTlsTransport(context, nullptr, server_fd_.get());
  client_fd_.Reset();
  char buffer[10];
  EXPECT_EQ(transport_->Read(buffer, sizeof buffer).status, IoStatus::kClosed);
}

// What the descriptor refuses is kept once, said to be waiting, and not mixed with what comes next.
TEST_F(TlsTest, RefusedRecordsAreTakenAndFlushed) {
  const auto context = Load(Server());
  Client client;
  ASSERT_EQ(Talk(context, &client), "");
  const int small = 4096;
  setsockopt(server_fd_.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  std::string sent;
  const auto write = [&](char filling, size_t size) {
    const std::string text(size, filling);
    const iovec part{const_cast<char*>(text.data()), text.size()};
    const IoResult put = transport_->Write(&part, 1);
    if (put.status == IoStatus::kOk) sent.append(text, 0, put.bytes);
    return put.status;
  };
  for (int i = 0; i < 100 && !transport_->wants_write(); ++i)
    ASSERT_EQ(write('a', 16'000), IoStatus::kOk);
  ASSERT_TRUE(transport_->wants_write());
  EXPECT_EQ(transport_->Flush().status, IoStatus::kWouldBlock);
  EXPECT_EQ(write('b', 3), IoStatus::kWouldBlock);
  char ping[10];
  EXPECT_EQ(transport_->Read(ping, sizeof ping).status, IoStatus::kWouldBlock);
  EXPECT_TRUE(transport_->wants_write()) << "a read forgets what waits";
  std::string heard;
  bool said = false;
  for (int i = 0; i < 1000 && (!said || heard.size() < sent.size()); ++i) {
    ERR_clear_error();
    char buffer[20'000];
    const int got = SSL_read(client.ssl, buffer, sizeof buffer);
    if (got > 0) heard.append(buffer, static_cast<size_t>(got));
    const IoStatus flushed = transport_->Flush().status;
    ASSERT_NE(flushed, IoStatus::kError) << transport_->failure();
    if (flushed == IoStatus::kOk && !said) said = write('c', 1) == IoStatus::kOk;
  }
  EXPECT_TRUE(heard == sent);
  EXPECT_EQ(heard.back(), 'c');
  EXPECT_FALSE(transport_->wants_write());
}

// A handshake and a word that come one byte at a time.
TEST_F(TlsTest, OneByteAtATime) {
  const auto context = Load(Server());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Pair();
    Client client(version);
    client.Connect(client_fd_.get());
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(client.ssl, in, out);
    transport_ = MakeTlsTransport(context, nullptr, server_fd_.get());
    std::string heard;
    bool said = false;
    for (int i = 0; i < 100'000 && heard.size() < 5; ++i) {
      ERR_clear_error();
      if (SSL_do_handshake(client.ssl) == 1 && !said) said = SSL_write(client.ssl, "hello", 5) == 5;
      char byte;
      if (BIO_read(out, &byte, 1) == 1) {
        ASSERT_EQ(send(client_fd_.get(), &byte, 1, 0), 1);
      }
      char buffer[10];
      const IoResult got = transport_->Read(buffer, sizeof buffer);
      ASSERT_NE(got.status, IoStatus::kError) << transport_->failure();
      if (got.status == IoStatus::kOk) heard.append(buffer, got.bytes);
      if (recv(client_fd_.get(), &byte, 1, 0) == 1) BIO_write(in, &byte, 1);
    }
    EXPECT_EQ(heard, "hello");
    EXPECT_FALSE(transport_->has_input());
  }
}

// Both ways at once, through buffers that hold next to nothing, cut anywhere.
TEST_F(TlsTest, ManyBytesThroughASmallPipe) {
  const auto context = Load(Server());
  for (const auto& [version, fragment] : {std::pair<int, uint8_t>{TLS1_2_VERSION, 0},
                                          {TLS1_3_VERSION, 0},
                                          {TLS1_3_VERSION, TLSEXT_max_fragment_length_512}}) {
    std::mt19937 random(5);
    std::string down(2'000'000, '\0');
    for (char& c : down)
      c = static_cast<char>(random());
    const std::string up(down.rbegin(), down.rend());
    std::string got_down;
    std::string got_up;
    Client client(version);
    if (fragment != 0) SSL_CTX_set_tlsext_max_fragment_length(client.ctx(), fragment);
    Pair(4096);
    client.Connect(client_fd_.get());
    // Without it OpenSSL's client spoils a write of several records that a read interrupts.
    SSL_set_mode(client.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
    transport_ = MakeTlsTransport(context, nullptr, server_fd_.get());
    size_t down_at = 0;
    size_t up_at = 0;
    std::string buffer(70'000, '\0');
    for (int i = 0; i < 2'000'000 && (got_down.size() < down.size() || got_up.size() < up.size());
         ++i) {
      ERR_clear_error();
      if (up_at < up.size()) {
        // OpenSSL wants what it could not write again, unchanged.
        const int put = SSL_write(client.ssl, up.data() + up_at,
                                  static_cast<int>(std::min<size_t>(9'000, up.size() - up_at)));
        if (put > 0) up_at += static_cast<size_t>(put);
      }
      const int got = SSL_read(client.ssl, buffer.data(), 1 + static_cast<int>(random() % 20'000));
      if (got > 0) got_down.append(buffer, 0, static_cast<size_t>(got));
      const IoResult read = transport_->Read(buffer.data(), 1 + random() % 60'000);
      ASSERT_NE(read.status, IoStatus::kError) << transport_->failure();
      if (read.status == IoStatus::kOk) got_up.append(buffer, 0, read.bytes);
      if (transport_->wants_write()) {
        ASSERT_NE(transport_->Flush().status, IoStatus::kError);
      }
      if (down_at < down.size()) {
        // Less than before, or more: what was taken is not wanted again.
        const size_t rest = std::min<size_t>(down.size() - down_at, 1 + random() % 40'000);
        const size_t half = rest / 2;
        const iovec parts[] = {{down.data() + down_at, half},
                               {down.data() + down_at + half, rest - half}};
        const IoResult put = transport_->Write(parts, 2);
        ASSERT_NE(put.status, IoStatus::kError) << transport_->failure();
        if (put.status == IoStatus::kOk) down_at += put.bytes;
      }
    }
    EXPECT_TRUE(got_down == down);
    EXPECT_TRUE(got_up == up);
    EXPECT_FALSE(transport_->wants_write());
    transport_->Shutdown();
    int last = 0;
    for (int i = 0;
         i < 100 && (last = SSL_get_error(client.ssl, SSL_read(client.ssl, buffer.data(), 10))) !=
                        SSL_ERROR_ZERO_RETURN;
         ++i)
      ERR_clear_error();
    EXPECT_EQ(last, SSL_ERROR_ZERO_RETURN) << "no close_notify";
  }
}

TEST_F(TlsTest, WrongFilesAreNamed) {
  const TlsCertificate good = authority_.Issue("good");
  const TlsCertificate other = authority_.Issue("other");
  const std::string text = good.key_file + ".txt";
  std::ofstream(text) << "not PEM\n";
  TlsOptions options;
  EXPECT_THAT(ErrorOf(options), HasSubstr("no certificate"));
  options.certificates = {{"/nonexistent.pem", good.key_file, ""}};
  EXPECT_THAT(ErrorOf(options), HasSubstr("/nonexistent.pem: No such file"));
  options.certificates = {{text, good.key_file, ""}};
  EXPECT_THAT(ErrorOf(options), HasSubstr(text + ": has no PEM certificate"));
  options.certificates = {{good.cert_file, text, ""}};
  EXPECT_THAT(ErrorOf(options), HasSubstr(text + ": not a PEM private key"));
  options.certificates = {{good.cert_file, other.key_file, ""}};
  EXPECT_THAT(ErrorOf(options), HasSubstr("is not the key of " + good.cert_file));
  options = Server();
  options.ciphers = "NONSENSE";
  EXPECT_THAT(ErrorOf(options), HasSubstr("ciphers: 'NONSENSE'"));
  options.ciphers = "AES128-SHA";
  EXPECT_THAT(ErrorOf(options), HasSubstr("is not an AEAD cipher"));
  options.ciphers = "AES128-GCM-SHA256";
  EXPECT_THAT(ErrorOf(options), HasSubstr("has no forward secrecy"));
  options = Mutual(TlsOptions::ClientCertificates::kRequired);
  options.crl_file = good.cert_file;
  EXPECT_THAT(ErrorOf(options), HasSubstr("not a PEM revocation list"));
  Authority stranger("stranger");
  options.crl_file = stranger.RevocationList(0);
  EXPECT_THAT(ErrorOf(options), HasSubstr("list 1 is not signed by an authority of"));
  Authority namesake("good", "_namesake");
  options.crl_file = namesake.RevocationList(0);
  EXPECT_THAT(ErrorOf(options), HasSubstr("list 1 is not signed by an authority of"));
  options.client_ca_file = "/nonexistent.pem";
  EXPECT_THAT(ErrorOf(options), HasSubstr("/nonexistent.pem"));
}

}  // namespace
}  // namespace skein::net
