// Password hashes and files. The first hashes were made by mosquitto_passwd 2.0.11.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "broker/auth/password_file.h"
#include "broker/auth/password_hash.h"
#include "tests/unit/auth/worker_holder.h"

namespace skein::auth {
namespace {

using ::testing::HasSubstr;

constexpr char kPbkdf2[] =
    "$7$101$YMxQlMVlA65myz+h$lt8tbiEV97uiLteUHoX/"
    "gNyqqq079Jsjbf2HjnwislY+9cCZO1n1aVoYFzDxicDMYnpmJoSSr28NN6Mss8MbOg==";
constexpr char kSha512[] =
    "$6$dPwJvXDM23qi+sq2$ihqrE6TenSNCfNS6tcAHz97K34KGTq1Il9wszUozyg51h7IizCpQsttGX8ieDVKQ0zKRXaaLa/"
    "thEoYjnXwK/w==";

// SHA-512 of the salt "saltsaltsalt" alone.
constexpr char kSha512OfEmpty[] =
    "$6$c2FsdHNhbHRzYWx0$"
    "91u3tEqyfiR5wtvBIqedQOkhPvGbhd4r6TToPZiVlTOfWeas5jnhB8j9vwrixehEURVY6YpNbnmNP1IH3MujAQ==";

TEST(PasswordHashTest, MosquittosHashes) {
  for (const char* text : {kPbkdf2, kSha512}) {
    const auto hash = PasswordHash::Parse(text);
    ASSERT_TRUE(hash.has_value()) << text;
    EXPECT_TRUE(hash->Verify("secret"));
    EXPECT_FALSE(hash->Verify("Secret"));
    EXPECT_FALSE(hash->Verify(""));
  }
}

TEST(PasswordHashTest, NewHashesAreArgon2idAndDiffer) {
  const auto one = PasswordHash::Make("secret");
  const auto two = PasswordHash::Make("secret");
  ASSERT_TRUE(one.has_value() && two.has_value());
  EXPECT_TRUE(one->starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
  EXPECT_NE(*one, *two);
  const auto hash = PasswordHash::Parse(*one);
  ASSERT_TRUE(hash.has_value());
  EXPECT_TRUE(hash->Verify("secret"));
  EXPECT_FALSE(hash->Verify("secre"));
}

TEST(PasswordHashTest, WhatIsNoHashOrTooDear) {
  for (const char* text :
       {"", "secret", "$1$abc$def", "$6$", "$6$!!$AAAA", "$7$0$c2FsdA==$AAAA",
        "$7$999999999$c2FsdA==$AAAA", "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
        "$argon2id$v=19$m=8,t=1000,p=1$c2FsdHNhbHQ$aGFzaA", "$argon2i$v=19$m=8,t=1,p=1$c2FsdA$aA",
        "$argon2id$v=19$m=64,t=1,p=1x$c2FsdHNhbHQ$aGFzaA"})
    EXPECT_FALSE(PasswordHash::Parse(text).has_value()) << text;
}

// Each is refused for what it costs or how it is written, and its neighbour is taken.
TEST(PasswordHashTest, TheCostOfALoginIsBounded) {
  const auto argon2 = [](const std::string& cost, const std::string& salt = "c2FsdHNhbHQ") {
    return PasswordHash::Parse("$argon2id$v=19$" + cost + "$" + salt + "$MDEyMzQ1Njc4OWFiY2RlZg")
        .has_value();
  };
  EXPECT_TRUE(argon2("m=262144,t=1,p=1"));
  EXPECT_FALSE(argon2("m=262145,t=1,p=1"));
  EXPECT_FALSE(argon2("m=262144,t=2,p=1"));
  EXPECT_TRUE(argon2("m=65536,t=3,p=4")) << "RFC 9106 4, for little memory";
  EXPECT_TRUE(argon2("m=65536,t=4,p=16"));
  EXPECT_FALSE(argon2("m=65536,t=5,p=1"));
  EXPECT_FALSE(argon2("m=65536,t=4,p=17"));
  EXPECT_FALSE(argon2("m=65536,t=0,p=1"));
  EXPECT_FALSE(argon2("m=65536,t=1,p=0"));
  EXPECT_FALSE(argon2("m=7,t=1,p=1"));
  EXPECT_FALSE(argon2("m= 65536,t=1,p=1"));
  EXPECT_FALSE(argon2("m=+65536,t=1,p=1"));
  EXPECT_FALSE(argon2("m=65536,t=1,p=01"));
  EXPECT_FALSE(argon2("m=65536,t=1,p=1", "c2Fsd!NhbHQ"));
  EXPECT_FALSE(argon2("m=65536,t=1,p=1", "c2FsdHNhbHQ="));
  EXPECT_FALSE(argon2("m=65536,t=1,p=1", "c2FsdA")) << "libargon2 would refuse the salt later";
  const std::string pbkdf2 = std::string(kPbkdf2).substr(std::string("$7$101").size());
  EXPECT_TRUE(PasswordHash::Parse("$7$500000" + pbkdf2).has_value());
  EXPECT_FALSE(PasswordHash::Parse("$7$500001" + pbkdf2).has_value());
}

class PasswordFileTest : public ::testing::Test {
 protected:
  std::shared_ptr<PasswordFile> Read(const std::string& text, bool deny_unknown = false) {
    PasswordFileOptions options;
    options.file = "users";
    options.unknown_user_denied = deny_unknown;
    auto file = PasswordFile::Parse(options, text, &pool_);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return file.ok() ? *file : nullptr;
  }
  Decision Ask(PasswordFile* file, const char* user, const char* password) {
    ConnectRequest request;
    if (user != nullptr) request.user_name = user;
    if (password != nullptr) request.password = password;
    // The worker's too: it may still be at it when the answer is here.
    const auto answer = std::make_shared<std::promise<Decision>>();
    std::unique_ptr<Exchange> exchange;
    Decision decision = file->Begin(
        request, [answer](Decision later) { answer->set_value(std::move(later)); }, &exchange);
    later_ = decision.kind == Decision::Kind::kPending;
    return later_ ? answer->get_future().get() : decision;
  }
  std::string ErrorOf(const std::string& text) {
    const auto file = PasswordFile::Parse({"users"}, text, &pool_);
    return file.ok() ? "accepted" : std::string(file.status().message());
  }

  WorkerPool pool_{1, 10};
  bool later_ = false;
};

TEST_F(PasswordFileTest, GoodAndBadLogins) {
  using Kind = Decision::Kind;
  const auto file = Read(std::string("# users\n\nann:") + kPbkdf2 + "\nold:" + kSha512 + "\r\n");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->size(), 2u);
  const Decision good = Ask(file.get(), "ann", "secret");
  EXPECT_EQ(good.kind, Kind::kAllow);
  EXPECT_EQ(good.grant.user_name, "ann");
  EXPECT_TRUE(later_);
  EXPECT_EQ(Ask(file.get(), "ann", "wrong").kind, Kind::kDeny);
  EXPECT_EQ(Ask(file.get(), "ann", nullptr).kind, Kind::kDeny);
  EXPECT_EQ(Ask(file.get(), "old", "secret").kind, Kind::kAllow);
  EXPECT_EQ(Ask(file.get(), "old", "wrong").reason, mqtt::ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(Ask(file.get(), "bob", "secret").kind, Kind::kIgnore);
  EXPECT_TRUE(later_) << "a user who is not there is told apart by time";
  EXPECT_EQ(Ask(file.get(), nullptr, nullptr).kind, Kind::kIgnore);
  EXPECT_EQ(Ask(Read(std::string("ann:") + kPbkdf2, true).get(), "bob", "x").kind, Kind::kDeny);
}

TEST_F(PasswordFileTest, AGoodLoginIsRememberedABadOneIsNot) {
  const auto file = Read(std::string("ann:") + kPbkdf2);
  Ask(file.get(), "ann", "wrong");
  EXPECT_TRUE(later_);
  Ask(file.get(), "ann", "wrong");
  EXPECT_TRUE(later_);
  Ask(file.get(), "ann", "secret");
  EXPECT_TRUE(later_);
  EXPECT_EQ(Ask(file.get(), "ann", "secret").kind, Decision::Kind::kAllow);
  EXPECT_FALSE(later_);
  Ask(file.get(), "ann", "secret2");
  EXPECT_TRUE(later_);
}

TEST_F(PasswordFileTest, NoPasswordIsNotTheEmptyOne) {
  const auto file = Read("ann:" + PasswordHash::Make("").value_or("") + "\nold:" + kSha512OfEmpty);
  for (const char* user : {"ann", "old"}) {
    EXPECT_EQ(Ask(file.get(), user, "").kind, Decision::Kind::kAllow) << user;
    EXPECT_EQ(Ask(file.get(), user, nullptr).kind, Decision::Kind::kDeny) << user;
  }
}

// A quick hash in the first line must not make it quick to find out who is not there.
TEST_F(PasswordFileTest, UnknownUsersCostWhatMostUsersCost) {
  const std::string quick = std::string(":") + kSha512 + "\n";
  const std::string slow = std::string(":") + kPbkdf2 + "\n";
  EXPECT_EQ(Ask(Read("a" + quick + "b" + slow + "c" + slow).get(), "x", "x").kind,
            Decision::Kind::kIgnore);
  EXPECT_TRUE(later_);
  Ask(Read("a" + slow + "b" + quick + "c" + quick).get(), "x", "x");
  EXPECT_FALSE(later_);
}

// The class of failure where an empty password file lets everybody in.
TEST_F(PasswordFileTest, AnEmptyFileLetsNobodyIn) {
  EXPECT_EQ(Ask(Read("").get(), "ann", "").kind, Decision::Kind::kIgnore);
  EXPECT_EQ(Ask(Read("", true).get(), "ann", "").kind, Decision::Kind::kDeny);
}

TEST_F(PasswordFileTest, MistakesAreNamedWithTheirLine) {
  const std::string user = std::string("ann:") + kPbkdf2 + "\n";
  EXPECT_THAT(ErrorOf(user + "bob:secret"), HasSubstr("users:2: the password is not hashed"));
  EXPECT_THAT(ErrorOf(user + user), HasSubstr("users:2: this user is given twice"));
  EXPECT_THAT(ErrorOf("ann"), HasSubstr("users:1: not of the form"));
  EXPECT_THAT(ErrorOf(":" + user), HasSubstr("users:1: not of the form"));
}

TEST_F(PasswordFileTest, AFullQueueDenies) {
  const auto file = Read(std::string("ann:") + kPbkdf2);
  const WorkerHolder holder(&pool_);
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(pool_.Post([] {}));
  EXPECT_EQ(Ask(file.get(), "ann", "secret").reason, mqtt::ReasonCode::kServerBusy);
  EXPECT_EQ(pool_.refused(), 1u);
}

}  // namespace
}  // namespace skein::auth
