// SCRAM-SHA-256: the example of RFC 7677, the grammar, and what a file of users says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <random>
#include <utility>

#include "absl/strings/escaping.h"
#include "broker/auth/scram_conversation.h"
#include "broker/auth/scram_credential.h"
#include "broker/auth/scram_file.h"

namespace skein::auth {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = Decision::Kind;
using mqtt::ReasonCode;

// RFC 7677 3.
constexpr char kFirst[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr char kServerNonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr char kChallenge[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr char kFinal[] =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr char kVerifier[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
}

ScramCredential Pencil() {
  const auto salt = StrictBase64("W22ZaJ0SNY7soEsUEjb6gQ==");
  return *ScramCredential::Derive("pencil", *salt, 4096);
}

// What a client answers to a challenge.
std::string Answer(const std::string& bare, const std::string& challenge,
                   const std::string& password, const std::string& binding = "biws",
                   const std::string& nonce = "") {
  const size_t salt_at = challenge.find(",s=");
  const size_t count_at = challenge.find(",i=");
  const auto salt = StrictBase64(challenge.substr(salt_at + 3, count_at - salt_at - 3));
  const int iterations = std::stoi(challenge.substr(count_at + 3));
  ScramKey salted{};
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt->data()),
                    static_cast<int>(salt->size()), iterations, EVP_sha256(), 32, salted.data());
  ScramKey key = ScramHmac(AsText(salted), "Client Key");
  ScramKey stored{};
  EVP_Digest(key.data(), key.size(), stored.data(), nullptr, EVP_sha256(), nullptr);
  const std::string without =
      "c=" + binding + "," + (nonce.empty() ? challenge.substr(0, salt_at) : "r=" + nonce);
  const ScramKey signature = ScramHmac(AsText(stored), bare + "," + challenge + "," + without);
  for (size_t i = 0; i < key.size(); ++i)
    key[i] ^= signature[i];
  return without + ",p=" + Base64(AsText(key));
}

TEST(ScramConversationTest, TheExampleOfTheStandard) {
  const auto first = ScramFirst::Read(kFirst);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->user, "user");
  ScramConversation conversation(*first, Pencil(), kServerNonce);
  EXPECT_EQ(conversation.challenge(), kChallenge);
  EXPECT_EQ(conversation.Finish(kFinal), kVerifier);
  EXPECT_EQ(conversation.Finish(kFinal), std::nullopt) << "a conversation ends once";
  EXPECT_EQ(Answer("n=user,r=rOprNGfwEbeRWgbNEkqO", kChallenge, "pencil"), kFinal);
}

TEST(ScramConversationTest, FirstMessagesThatAreGood) {
  const struct {
    const char* message;
    const char* user;
    const char* header;
  } kTable[] = {
      {"n,,n=a,r=x", "a", "n,,"},
      {"y,,n=a,r=x", "a", "y,,"},
      {"n,a=a,n=a,r=x", "a", "n,a=a,"},
      {"n,,n=a=2Cb=3Dc,r=x", "a,b=c", "n,,"},
      {"n,a=a=2Cb,n=a=2Cb,r=x", "a,b", "n,a=a=2Cb,"},
      {"n,,n=j\xC3\xBCrg,r=!\"#$%&'()*+-./09:;<=>?@AZ[\\]^_`az{|}~", "j\xC3\xBCrg", "n,,"},
      {"n,,n=a,r=x,z=more,Y=1=2", "a", "n,,"},
  };
  for (const auto& row : kTable) {
    const auto first = ScramFirst::Read(row.message);
    ASSERT_TRUE(first.has_value()) << row.message;
    EXPECT_EQ(first->user, row.user);
    EXPECT_EQ(first->gs2_header, row.header);
    EXPECT_EQ(first->gs2_header + first->bare, row.message);
  }
}

TEST(ScramConversationTest, FirstMessagesThatAreNot) {
  for (const char* message : {"",
                              "n",
                              "n,",
                              "n,,",
                              "n,,n=a",
                              "n,,n=a,",
                              "n,,n=a,r=",
                              "n,,n=,r=x",
                              "n,,r=x,n=a",
                              "n=a,r=x",
                              ",,n=a,r=x",
                              "N,,n=a,r=x",
                              "n,n=a,r=x",
                              "p=tls-unique,,n=a,r=x",
                              "p,,n=a,r=x",
                              "n,a=b,n=a,r=x",
                              "n,b,n=a,r=x",
                              "n,a=,n=a,r=x",
                              "n,,m=ext,n=a,r=x",
                              "n,,n=a,r=x,m=ext",
                              "n,,n=a=,r=x",
                              "n,,n=a=2c,r=x",
                              "n,,n=a=41,r=x",
                              "n,,n=a\tb,r=x",
                              "n,,n=\x7F,r=x",
                              "n,,n=\xC2\x85,r=x",
                              "n,,n=\xC3,r=x",
                              "n,,n=\xFF,r=x",
                              "n,,n=a,r=x y",
                              "n,,n=a,r=\xC3\xBC",
                              "n,,n=a,r=x,",
                              "n,,n=a,r=x,z",
                              "n,,n=a,r=x,z=",
                              "n,,n=a,r=x,1=2",
                              "n,,n=a,r=x,,z=1",
                              "n,,n=a,r=x,z=1,",
                              "n,,n=a,m=ext,r=x"})
    EXPECT_FALSE(ScramFirst::Read(message).has_value()) << message;
  const std::string a_null("n,,n=a\0b,r=x", 12);
  EXPECT_FALSE(ScramFirst::Read(a_null).has_value());
  EXPECT_TRUE(ScramFirst::Read("n,,n=a,r=" + std::string(256, 'x')).has_value());
  EXPECT_FALSE(ScramFirst::Read("n,,n=a,r=" + std::string(257, 'x')).has_value());
  EXPECT_TRUE(ScramFirst::Read("n,,n=" + std::string(1024, 'u') + ",r=x").has_value());
  EXPECT_FALSE(ScramFirst::Read("n,,n=" + std::string(1025, 'u') + ",r=x").has_value());
  EXPECT_FALSE(ScramFirst::Read("n,,n=a,r=x,z=" + std::string(4096, 'z')).has_value());
}

TEST(ScramConversationTest, FinalMessagesThatAreNot) {
  const auto first = ScramFirst::Read(kFirst);
  const std::string good = kFinal;
  const std::string proof = good.substr(good.find(",p="));
  const std::string nonce = std::string("r=rOprNGfwEbeRWgbNEkqO") + kServerNonce;
  const std::string bad[] = {
      "",
      "p=",
      proof,
      "c=biws" + proof,
      nonce + ",c=biws" + proof,
      "c=eSws," + nonce + proof,  // "y,,": the header was changed on the way
      "c=biws,r=rOprNGfwEbeRWgbNEkqO" + proof,
      "c=biws," + nonce + "x" + proof,
      "c=biws," + nonce,
      "c=biws," + nonce + ",p=",
      "c=biws," + nonce + ",p=AAAA",
      "c=biws," + nonce + ",m=ext" + proof,
      "c=biws," + nonce + "," + proof,
      good.substr(0, good.size() - 1),
      good + "=",
      good + "\n",
      good + ",z=1",
      "x" + good,
      "c=biws," + nonce + ",z=" + std::string(4096, 'z') + proof,
  };
  for (const std::string& message : bad) {
    ScramConversation conversation(*first, Pencil(), kServerNonce);
    EXPECT_EQ(conversation.Finish(message), std::nullopt) << message;
  }
}

// The client knows the password and signs what it says: what it says still has to be right.
TEST(ScramConversationTest, AGoodProofOfTheWrongThingIsRefused) {
  const auto first = ScramFirst::Read(kFirst);
  const auto finish = [&](const std::string& binding, const std::string& nonce) {
    ScramConversation conversation(*first, Pencil(), kServerNonce);
    return conversation.Finish(Answer(first->bare, kChallenge, "pencil", binding, nonce));
  };
  EXPECT_EQ(finish("biws", ""), kVerifier);
  EXPECT_EQ(finish("eSws", ""), std::nullopt) << "the header was changed on the way";
  EXPECT_EQ(finish("bixhPXVzZXIs", ""), std::nullopt) << "another authorization identity";
  EXPECT_EQ(finish("biws", first->nonce), std::nullopt) << "without the server's part";
  EXPECT_EQ(finish("biws", first->nonce + "x" + kServerNonce), std::nullopt);
  EXPECT_EQ(finish("biws", first->nonce + "anotherconversation"), std::nullopt) << "a replay";
}

TEST(ScramConversationTest, AnyChangedByteIsNoticed) {
  const auto first = ScramFirst::Read(kFirst);
  const std::string good = kFinal;
  std::mt19937 random(7);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = static_cast<char>(changed[at] ^ (1 + random() % 255));
    ScramConversation conversation(*first, Pencil(), kServerNonce);
    EXPECT_EQ(conversation.Finish(changed), std::nullopt) << at << ": " << changed;
  }
}

TEST(ScramCredentialTest, ReadsWhatItWrites) {
  const auto made = ScramCredential::Make("secret", 4096);
  const auto other = ScramCredential::Make("secret", 4096);
  ASSERT_TRUE(made.has_value() && other.has_value());
  EXPECT_NE(made->salt, other->salt);
  const auto read = ScramCredential::Parse(made->ToString());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->iterations, 4096u);
  EXPECT_EQ(read->salt, made->salt);
  EXPECT_EQ(read->stored_key, made->stored_key);
  EXPECT_EQ(read->server_key, made->server_key);
}

TEST(ScramCredentialTest, RefusesWhatIsNoCredential) {
  const std::string salt = Base64("0123456789abcdef");
  const std::string key = Base64(std::string(32, 'k'));
  const auto read = [](const std::string& text) {
    return ScramCredential::Parse("SCRAM-SHA-256$" + text).has_value();
  };
  EXPECT_TRUE(read("4096:" + salt + "$" + key + ":" + key));
  EXPECT_FALSE(read("4095:" + salt + "$" + key + ":" + key)) << "fewer than RFC 7677 allows";
  EXPECT_FALSE(read("10000001:" + salt + "$" + key + ":" + key));
  EXPECT_FALSE(read("+4096:" + salt + "$" + key + ":" + key));
  EXPECT_FALSE(read(" 4096:" + salt + "$" + key + ":" + key));
  EXPECT_FALSE(read("99999999999:" + salt + "$" + key + ":" + key));
  EXPECT_FALSE(read(":" + salt + "$" + key + ":" + key));
  EXPECT_FALSE(read("4096:" + Base64("short") + "$" + key + ":" + key));
  EXPECT_FALSE(read("4096:" + Base64(std::string(65, 's')) + "$" + key + ":" + key));
  EXPECT_FALSE(read("4096:!!!!$" + key + ":" + key));
  EXPECT_FALSE(read("4096:" + salt + "$" + salt + ":" + key)) << "a key of 16 bytes";
  EXPECT_FALSE(read("4096:" + salt + "$" + key + ":" + key + " "));
  EXPECT_FALSE(read("4096:" + salt + "$" + key));
  EXPECT_FALSE(ScramCredential::Parse("SCRAM-SHA-1$4096:" + salt + "$" + key + ":" + key));
  EXPECT_FALSE(ScramCredential::Parse("secret").has_value());
  for (const char* password : {"", "tab\t", "j\xC3\xBCrg", "\x7F"})
    EXPECT_FALSE(ScramCredential::Make(password, 4096).has_value()) << password;
  EXPECT_FALSE(ScramCredential::Make("secret", 4095).has_value());
}

class ScramFileTest : public ::testing::Test {
 protected:
  static std::string Line(const std::string& user, const std::string& password) {
    return user + ":" + ScramCredential::Make(password, 4096)->ToString() + "\n";
  }
  std::shared_ptr<ScramFile> Read(const std::string& text) {
    auto file = ScramFile::Parse({"users", secret_}, text);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return file.ok() ? *file : nullptr;
  }
  std::string ErrorOf(const std::string& text) {
    const auto file = ScramFile::Parse({"users", secret_}, text);
    return file.ok() ? "accepted" : std::string(file.status().message());
  }
  Decision Begin(ScramFile* file, const std::string& data) {
    request_.method = "SCRAM-SHA-256";
    request_.data = data;
    exchange_ = nullptr;
    return file->Begin(request_, no_answer_, &exchange_);
  }
  // The whole conversation.
  Decision Login(ScramFile* file, const std::string& user, const std::string& password) {
    const std::string bare = "n=" + user + ",r=clientnonce";
    const Decision challenge = Begin(file, "n,," + bare);
    if (challenge.kind != Kind::kContinue) return challenge;
    challenge_ = challenge.data;
    return exchange_->Step(Answer(bare, challenge.data, password), no_answer_);
  }
  std::string SaltOf(ScramFile* file, const std::string& user) {
    const std::string text = Begin(file, "n,,n=" + user + ",r=x").data;
    return text.substr(text.find(",s="));
  }

  const std::string secret_ = ScramFile::NewSecret();
  ConnectRequest request_;
  std::unique_ptr<Exchange> exchange_;
  std::string challenge_;
  const Done no_answer_ = [](Decision) { ADD_FAILURE() << "SCRAM answers at once"; };
};

TEST_F(ScramFileTest, GoodAndBadLogins) {
  const auto file = Read("# users\r\n\n" + Line("ann", "secret") + Line("j\xC3\xBCrg", "x y"));
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->size(), 2u);
  const Decision good = Login(file.get(), "ann", "secret");
  EXPECT_EQ(good.kind, Kind::kAllow) << good.why;
  EXPECT_EQ(good.grant.user_name, "ann");
  EXPECT_THAT(good.data, StartsWith("v="));
  EXPECT_EQ(Login(file.get(), "j\xC3\xBCrg", "x y").kind, Kind::kAllow);
  const Decision wrong = Login(file.get(), "ann", "Secret");
  EXPECT_EQ(wrong.kind, Kind::kDeny);
  EXPECT_EQ(wrong.reason, ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(wrong.data, "");
  EXPECT_EQ(Begin(file.get(), "nonsense").kind, Kind::kDeny);
  EXPECT_EQ(exchange_, nullptr);
  request_.method = "";
  EXPECT_EQ(file->Begin(request_, no_answer_, &exchange_).kind, Kind::kIgnore);
  request_.method = "SCRAM-SHA-1";
  EXPECT_EQ(file->Begin(request_, no_answer_, &exchange_).kind, Kind::kIgnore);
}

TEST_F(ScramFileTest, AStepAfterTheEndIsDenied) {
  const auto file = Read(Line("ann", "secret"));
  ASSERT_EQ(Login(file.get(), "ann", "secret").kind, Kind::kAllow);
  EXPECT_EQ(exchange_->Step(Answer("n=ann,r=clientnonce", challenge_, "secret"), no_answer_).kind,
            Kind::kDeny);
}

TEST_F(ScramFileTest, NoncesAreNew) {
  const auto file = Read(Line("ann", "secret"));
  const std::string one = Begin(file.get(), "n,,n=ann,r=x").data;
  const std::string two = Begin(file.get(), "n,,n=ann,r=x").data;
  EXPECT_NE(one.substr(0, one.find(',')), two.substr(0, two.find(',')));
  EXPECT_GT(one.find(','), std::string("r=x").size() + 20);
}

// Whoever asks cannot tell who is in the file, not even over a reload.
TEST_F(ScramFileTest, UnknownUsersLookLikeKnownOnes) {
  const std::string text = Line("ann", "secret") + Line("bob", "secret");
  const auto file = Read(text);
  const Decision unknown = Login(file.get(), "eve", "secret");
  const Decision wrong = Login(file.get(), "ann", "wrong");
  EXPECT_EQ(unknown.kind, Kind::kDeny);
  EXPECT_EQ(unknown.reason, wrong.reason);
  EXPECT_STREQ(unknown.why, wrong.why);
  const std::string salt = SaltOf(file.get(), "eve");
  EXPECT_EQ(SaltOf(file.get(), "eve"), salt);
  EXPECT_EQ(SaltOf(Read(text + Line("new", "x")).get(), "eve"), salt);
  EXPECT_NE(SaltOf(file.get(), "mallory"), salt);
  EXPECT_EQ(SaltOf(file.get(), "ann").size(), salt.size()) << "salt and iterations look alike";
  EXPECT_THAT(salt, HasSubstr(",i=4096"));
}

TEST_F(ScramFileTest, AnEmptyFileLetsNobodyIn) {
  const auto file = Read("# nobody\n");
  EXPECT_EQ(file->size(), 0u);
  EXPECT_EQ(Login(file.get(), "ann", "").kind, Kind::kDeny);
}

TEST_F(ScramFileTest, TheUserNameOfConnectIsTheSame) {
  const auto file = Read(Line("ann", "secret"));
  request_.user_name = "ann";
  EXPECT_EQ(Login(file.get(), "ann", "secret").kind, Kind::kAllow);
  request_.user_name = "bob";
  EXPECT_EQ(Login(file.get(), "ann", "secret").kind, Kind::kDeny);
}

TEST_F(ScramFileTest, ReauthenticationIsOfTheSameUser) {
  const auto file = Read(Line("ann", "secret") + Line("bob", "secret"));
  request_.again = true;
  request_.user_name = "ann";
  EXPECT_EQ(Login(file.get(), "ann", "secret").kind, Kind::kAllow);
  EXPECT_EQ(Login(file.get(), "bob", "secret").reason, ReasonCode::kNotAuthorized);
  EXPECT_EQ(Login(file.get(), "ann", "wrong").reason, ReasonCode::kNotAuthorized)
      << "DISCONNECT has no code 0x86";
  request_.user_name = std::nullopt;
  EXPECT_EQ(Login(file.get(), "ann", "secret").kind, Kind::kDeny);
}

TEST_F(ScramFileTest, AConversationOutlivesItsFile) {
  auto file = Read(Line("ann", "secret"));
  const std::string bare = "n=ann,r=x";
  const Decision challenge = Begin(file.get(), "n,," + bare);
  file.reset();
  EXPECT_EQ(exchange_->Step(Answer(bare, challenge.data, "secret"), no_answer_).kind, Kind::kAllow);
}

TEST_F(ScramFileTest, MistakesAreNamedWithTheirLine) {
  const std::string user = Line("ann", "secret");
  EXPECT_THAT(ErrorOf(user + "bob:secret"), HasSubstr("users:2: not of the form SCRAM-SHA-256$"));
  EXPECT_THAT(ErrorOf(user + user), HasSubstr("users:2: this user is given twice"));
  EXPECT_THAT(ErrorOf("ann"), HasSubstr("users:1: not of the form user:credential"));
  EXPECT_THAT(ErrorOf(":" + user), HasSubstr("users:1: not of the form user:credential"));
  EXPECT_THAT(ErrorOf("a\tb" + user), HasSubstr("users:1: a user name is"));
  EXPECT_THAT(ErrorOf("bob:secret"), ::testing::Not(HasSubstr("bob:secret")))
      << "what may be a password is not shown";
  EXPECT_FALSE(ScramFile::Parse({"users", "short"}, user).ok());
  EXPECT_THAT(std::string(ScramFile::Load({"/nonexistent/users", secret_}).status().message()),
              HasSubstr("/nonexistent/users: cannot be read: No such file"));
}

}  // namespace
}  // namespace skein::auth
