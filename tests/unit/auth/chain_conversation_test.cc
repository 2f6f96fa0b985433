// Conversations of several steps, led through the chain.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "broker/auth/chain.h"

namespace skein::auth {
namespace {

using Kind = Decision::Kind;
using mqtt::ReasonCode;

// Asks once, then lets "ann" in, at once or when `later` is called.
class Conversation final : public Authenticator {
 public:
  explicit Conversation(bool slow) : slow_(slow) {}

  Decision Begin(const ConnectRequest& request, const Done&,
                 std::unique_ptr<Exchange>* exchange) override {
    if (request.method != "two steps") return Decision::Ignore();
    *exchange = std::make_unique<Second>(this);
    return Decision::Continue("and?");
  }
  static Decision Ann() {
    Grant grant;
    grant.user_name = "ann";
    return Decision::Allow(grant, "proof");
  }

  Done later;

 private:
  struct Second final : public Exchange {
    explicit Second(Conversation* owner) : owner_(owner) {}
    Decision Step(std::string_view, const Done& done) override {
      owner_->later = done;
      return owner_->slow_ ? Decision::Pending() : Ann();
    }
    Conversation* const owner_;
  };

  const bool slow_;
};

// Takes its time, then is not competent.
class Slow final : public Authenticator {
 public:
  Decision Begin(const ConnectRequest&, const Done& done, std::unique_ptr<Exchange>*) override {
    later = done;
    return Decision::Pending();
  }
  Done later;
};

struct NoAnn final : public BanList {
  bool Anybody() const override { return true; }
  const char* NoteConnect(std::string_view) override { return nullptr; }
  const char* Find(std::string_view, std::string_view user_name, std::string_view) const override {
    return user_name == "ann" ? "banned for the test" : nullptr;
  }
};

class ChainConversationTest : public ::testing::Test {
 protected:
  Decision Begin(bool slow) {
    if (conversation_ != nullptr) conversation_->later = nullptr;
    conversation_ = std::make_shared<Conversation>(slow);
    options_.listeners["l"].push_back(conversation_);
    chain_.Replace(options_);
    request_.client_id = "c";
    request_.listener = "l";
    request_.method = "two steps";
    return chain_.Begin(request_, done_, &exchange_);
  }

  // An authenticator that keeps `done` keeps the walk, which keeps the authenticator.
  void TearDown() override { conversation_->later = nullptr; }

  ChainOptions options_;
  ConnectRequest request_;
  Chain chain_{{}};
  std::shared_ptr<Conversation> conversation_;
  std::unique_ptr<Exchange> exchange_;
  std::vector<Decision> answers_;
  const Done done_ = [this](Decision decision) { answers_.push_back(std::move(decision)); };
};

TEST_F(ChainConversationTest, GoesFromTheChallengeToTheProof) {
  const Decision challenge = Begin(false);
  EXPECT_EQ(challenge.kind, Kind::kContinue);
  EXPECT_EQ(challenge.data, "and?");
  ASSERT_NE(exchange_, nullptr);
  const Decision decision = exchange_->Step("me", done_);
  EXPECT_EQ(decision.kind, Kind::kAllow);
  EXPECT_EQ(decision.grant.user_name, "ann");
  EXPECT_EQ(decision.data, "proof");
  EXPECT_TRUE(answers_.empty());
}

TEST_F(ChainConversationTest, WhatTheLastStepGrantsIsCheckedAtOnceAndLater) {
  for (const bool slow : {false, true}) {
    options_ = {};
    answers_.clear();
    options_.bans = std::make_shared<NoAnn>();
    ASSERT_EQ(Begin(slow).kind, Kind::kContinue);
    Decision decision = exchange_->Step("me", done_);
    if (slow) {
      EXPECT_EQ(decision.kind, Kind::kPending);
      conversation_->later(Conversation::Ann());
      ASSERT_EQ(answers_.size(), 1u);
      decision = answers_[0];
    }
    EXPECT_EQ(decision.kind, Kind::kDeny) << slow;
    EXPECT_EQ(decision.reason, ReasonCode::kBanned) << slow;
  }
}

TEST_F(ChainConversationTest, EndsWithTheRulesItBeganWith) {
  ASSERT_EQ(Begin(false).kind, Kind::kContinue);
  ChainOptions stricter;
  stricter.bans = std::make_shared<NoAnn>();
  chain_.Replace(stricter);
  EXPECT_EQ(exchange_->Step("me", done_).kind, Kind::kAllow);
  EXPECT_EQ(chain_.Begin(request_, done_, &exchange_).reason, ReasonCode::kBadAuthenticationMethod);
}

TEST_F(ChainConversationTest, CannotBeginBehindOneWhoTookItsTime) {
  const auto slow = std::make_shared<Slow>();
  options_.listeners["l"].push_back(slow);
  EXPECT_EQ(Begin(false).kind, Kind::kPending);
  slow->later(Decision::Ignore());
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].kind, Kind::kDeny);
  slow->later = nullptr;
}

}  // namespace
}  // namespace skein::auth
