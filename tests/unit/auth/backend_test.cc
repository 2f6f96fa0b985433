// What a back end's answer means, when it is asked, and what is remembered.
#include <gtest/gtest.h>

#include "broker/auth/answer_cache.h"
#include "broker/auth/breaker.h"
#include "broker/auth/http_backend.h"

namespace skein::auth {
namespace {

using Kind = Decision::Kind;
using mqtt::ReasonCode;

FetchAnswer Answer(int status, std::string body = "", std::string type = "application/json") {
  FetchAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  answer.content_type = std::move(type);
  return answer;
}

Decision Decide(const FetchAnswer& answer, bool wants_failure = false) {
  bool failed = false;
  Decision decision = DecideByAnswer(answer, "ann", &failed);
  EXPECT_EQ(failed, wants_failure) << answer.status << " " << answer.body;
  return decision;
}

TEST(HttpAnswerTest, WhatIsUnderstood) {
  EXPECT_EQ(Decide(Answer(204)).kind, Kind::kAllow);
  EXPECT_EQ(Decide(Answer(204)).grant.user_name, "ann");
  EXPECT_EQ(Decide(Answer(401)).reason, ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(Decide(Answer(403)).kind, Kind::kDeny);
  EXPECT_EQ(Decide(Answer(200, R"({"result":"deny"})")).kind, Kind::kDeny);
  EXPECT_EQ(Decide(Answer(200, R"({"result":"ignore"})")).kind, Kind::kIgnore);
  const Decision full =
      Decide(Answer(200,
                    R"({"result":"allow","is_superuser":true,"client_id":"c","expire_at":99,)"
                    R"("acl":{"pub":["a"]}})",
                    "application/json; charset=utf-8"));
  ASSERT_EQ(full.kind, Kind::kAllow);
  EXPECT_TRUE(full.grant.superuser);
  EXPECT_EQ(full.grant.client_id, "c");
  EXPECT_EQ(full.grant.expires_at, 99'000);
  EXPECT_NE(full.grant.rules, nullptr);
}

TEST(HttpAnswerTest, WhatIsNoDecisionLetsNobodyIn) {
  for (const FetchAnswer& answer :
       {Answer(0), Answer(500), Answer(302), Answer(404), Answer(200, ""), Answer(200, "yes"),
        Answer(200, R"({"result":"allow"})", "text/html"), Answer(200, R"({"result":"ALLOW"})"),
        Answer(200, R"({"result":true})"), Answer(200, R"([{"result":"allow"}])"),
        Answer(200, R"({"result":"deny","result":"allow"})"),
        Answer(200, R"({"result":"allow","is_superuser":"no"})"),
        Answer(200, R"({"result":"allow","expire_at":-1})"),
        Answer(200, R"({"result":"allow","acl":"none"})")}) {
    const Decision decision = Decide(answer, true);
    EXPECT_EQ(decision.kind, Kind::kDeny) << answer.body;
    EXPECT_EQ(decision.reason, ReasonCode::kServerUnavailable) << answer.body;
  }
}

TEST(BreakerTest, OpensWaitsTriesOnceCloses) {
  Breaker breaker(3, 1'000);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(breaker.MayAsk(0));
    EXPECT_FALSE(breaker.Failed(0));
  }
  breaker.Succeeded();
  for (int i = 0; i < 2; ++i)
    EXPECT_FALSE(breaker.Failed(0)) << "only failures in a row count";
  EXPECT_TRUE(breaker.Failed(0));
  EXPECT_FALSE(breaker.MayAsk(999));
  EXPECT_TRUE(breaker.MayAsk(1'000)) << "one is let through";
  EXPECT_FALSE(breaker.MayAsk(1'000));
  breaker.Failed(1'500);
  EXPECT_FALSE(breaker.MayAsk(2'499));
  EXPECT_TRUE(breaker.MayAsk(2'500));
  breaker.Succeeded();
  EXPECT_TRUE(breaker.MayAsk(2'500));
  EXPECT_TRUE(breaker.MayAsk(2'500));
}

TEST(AnswerCacheTest, RemembersABoundedNumberForATime) {
  AnswerCache cache(2);
  const std::string a = cache.KeyOf({"ab", "c"}), b = cache.KeyOf({"a", "bc"});
  EXPECT_NE(a, b);
  EXPECT_EQ(a, cache.KeyOf({"ab", "c"}));
  EXPECT_NE(a, AnswerCache(2).KeyOf({"ab", "c"})) << "keyed";
  cache.Keep(a, Decision::Allow(), 100);
  EXPECT_TRUE(cache.Find(a, 99).has_value());
  EXPECT_FALSE(cache.Find(a, 100).has_value());
  EXPECT_FALSE(cache.Find(b, 0).has_value());
  cache.Keep(a, Decision::Ignore(), 200);
  ASSERT_TRUE(cache.Find(a, 100).has_value());
  EXPECT_EQ(cache.Find(a, 100)->kind, Kind::kIgnore);
  cache.Keep(b, Decision::Allow(), 200);
  cache.Keep(cache.KeyOf({"d"}), Decision::Allow(), 200);
  EXPECT_FALSE(cache.Find(a, 100).has_value()) << "the oldest went";
  EXPECT_TRUE(cache.Find(b, 100).has_value());
}

}  // namespace
}  // namespace skein::auth
