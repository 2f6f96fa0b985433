// Who is asked, in which order, and what holds when nobody answers.
#include "broker/auth/chain.h"

#include <gtest/gtest.h>

#include <utility>

namespace skein::auth {
namespace {

using Kind = Decision::Kind;
using mqtt::ReasonCode;

// Says what it was told to, at once or when asked.
class Scripted final : public Authenticator {
 public:
  explicit Scripted(Decision decision) : decision_(std::move(decision)) {}
  Decision Begin(const ConnectRequest& request, const Done& done,
                 std::unique_ptr<Exchange>*) override {
    ++asked;
    user = request.user_name.value_or("");
    later = done;
    return decision_;
  }

  int asked = 0;
  std::string user;
  Done later;

 private:
  const Decision decision_;
};

Decision Named(const char* user) {
  Grant grant;
  grant.user_name = user;
  return Decision::Allow(grant);
}

struct NoEvil final : public BanList {
  bool Anybody() const override { return true; }
  const char* NoteConnect(std::string_view) override { return nullptr; }
  const char* Find(std::string_view client_id, std::string_view user_name,
                   std::string_view address) const override {
    const bool banned = client_id == "evil" || user_name == "evil" || address == "192.0.2.66";
    return banned ? "banned for the test" : nullptr;
  }
};

class ChainTest : public ::testing::Test {
 protected:
  std::shared_ptr<Scripted> Add(Decision decision) {
    auto made = std::make_shared<Scripted>(std::move(decision));
    options_.listeners["l"].push_back(made);
    made_.push_back(made);
    return made;
  }
  Decision Ask() {
    std::unique_ptr<Exchange> exchange;
    chain_.Replace(options_);
    return chain_.Begin(
        request_, [this](Decision decision) { answers_.push_back(std::move(decision)); },
        &exchange);
  }
  void SetUp() override {
    request_.client_id = "c";
    request_.listener = "l";
    request_.user_name = "ann";
  }

  // An authenticator that keeps `done` keeps the walk, which keeps the authenticator.
  void TearDown() override {
    for (const auto& made : made_)
      made->later = nullptr;
  }

  ChainOptions options_;
  std::vector<std::shared_ptr<Scripted>> made_;
  ConnectRequest request_;
  Chain chain_{{}};
  std::vector<Decision> answers_;
};

TEST_F(ChainTest, TheFirstAnswerWins) {
  const auto one = Add(Decision::Ignore());
  const auto two = Add(Named("ann"));
  const auto three = Add(Decision::Deny(ReasonCode::kBanned, "too late"));
  EXPECT_EQ(Ask().grant.user_name, "ann");
  EXPECT_EQ(one->asked, 1);
  EXPECT_EQ(three->asked, 0);
  request_.listener = "other";
  EXPECT_EQ(Ask().kind, Kind::kDeny);
}

TEST_F(ChainTest, ADenialEndsIt) {
  Add(Decision::Deny(ReasonCode::kBadUserNameOrPassword, "wrong"));
  const auto two = Add(Named("ann"));
  EXPECT_EQ(Ask().kind, Kind::kDeny);
  EXPECT_EQ(two->asked, 0);
}

TEST_F(ChainTest, WhoTakesItsTimePassesOnLater) {
  const auto slow = Add(Decision::Pending());
  const auto next = Add(Named("ann"));
  {
    std::string user = "somebody";  // gone when the answer comes
    request_.user_name = user;
    EXPECT_EQ(Ask().kind, Kind::kPending);
  }
  request_.user_name = std::nullopt;
  EXPECT_EQ(next->asked, 0);
  slow->later(Decision::Ignore());
  EXPECT_EQ(next->user, "somebody");
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].kind, Kind::kAllow);
}

TEST_F(ChainTest, ALateAnswerIsCheckedToo) {
  options_.bans = std::make_shared<NoEvil>();
  const auto slow = Add(Decision::Pending());
  Ask();
  slow->later(Named("evil"));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].reason, ReasonCode::kBanned);
}

TEST_F(ChainTest, WithoutAnAnswerNobodyComesIn) {
  Add(Decision::Ignore());
  EXPECT_EQ(Ask().kind, Kind::kDeny);
  request_.listener_allows_anonymous = true;
  EXPECT_EQ(Ask().kind, Kind::kDeny) << "a name was given and nobody believed it";
  request_.user_name = std::nullopt;
  request_.password = "x";
  EXPECT_EQ(Ask().kind, Kind::kDeny);
  request_.password = std::nullopt;
  EXPECT_EQ(Ask().kind, Kind::kAllow);
  request_.listener_allows_anonymous = false;
  EXPECT_EQ(Ask().kind, Kind::kDeny);
}

TEST_F(ChainTest, NobodyToAskMeansNoNameIsBelieved) {
  EXPECT_EQ(Ask().kind, Kind::kDeny);
  request_.listener_allows_anonymous = true;
  const Decision decision = Ask();
  EXPECT_EQ(decision.kind, Kind::kAllow);
  EXPECT_EQ(decision.grant.user_name, "");
  request_.method = "SCRAM-SHA-256";
  EXPECT_EQ(Ask().reason, ReasonCode::kBadAuthenticationMethod);
}

TEST_F(ChainTest, BansComeFirst) {
  options_.bans = std::make_shared<NoEvil>();
  const auto one = Add(Named("ann"));
  request_.client_id = "evil";
  EXPECT_EQ(Ask().reason, ReasonCode::kBanned);
  request_.client_id = "c";
  request_.address = "192.0.2.66";
  EXPECT_EQ(Ask().reason, ReasonCode::kBanned);
  EXPECT_EQ(one->asked, 0);
}

TEST_F(ChainTest, TheUserNameMayHaveToBeTheClientId) {
  options_.user_name_is_client_id = true;
  Add(Named("ann"));
  EXPECT_EQ(Ask().reason, ReasonCode::kClientIdentifierNotValid);
  request_.client_id = "ann";
  EXPECT_EQ(Ask().kind, Kind::kAllow);
}

}  // namespace
}  // namespace skein::auth
