// What the access rules do to a conversation.
#include <gtest/gtest.h>

#include "broker/auth/access_rules.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

using RulesPtr = std::shared_ptr<const auth::AccessRules>;

// "allow publish,will dev user t/#": allow or deny, actions, then "user NAME" or "all", filters.
auth::Rule Of(bool allow, uint8_t actions, std::string user, std::vector<std::string> filters) {
  auth::Rule rule;
  rule.allow = allow;
  rule.actions = actions;
  if (!user.empty()) rule.users = {std::move(user)};
  rule.filters = std::move(filters);
  return rule;
}

RulesPtr Make(const std::vector<auth::Rule>& rules) {
  auto made = std::make_shared<auth::AccessRules>(false);
  for (const auth::Rule& rule : rules)
    EXPECT_TRUE(made->Add(rule).ok());
  return made;
}

constexpr uint8_t kAll = auth::kAllActions;

RulesPtr OnlyBelow(const std::string& filter) {
  return Make({Of(true, kAll, "", {filter})});
}

TEST(AccessTest, AFilterThatIsNotAllowedIsRefused) {
  Transcript t;
  t.node().SetRules(OnlyBelow("ok/#"));
  t.Play(R"(
    a> connect
    a< connack
    a> subscribe 1 ok/+ ok/# # no/x $share/g/ok/a $share/g/no/a
    a< suback 1 0x00 0x00 0x87 0x87 0x00 0x87
  )");
}

TEST(AccessTest, ShareIsARightOfItsOwn) {
  Transcript t;
  t.node().SetRules(Make({Of(true, auth::kSubscribe, "", {"#"})}));
  t.Play(R"(
    a> connect
    a< connack
    a> subscribe 1 t $share/g/t
    a< suback 1 0x00 0x87
  )");
}

TEST(AccessTest, APublishThatIsNotAllowedIsSaidAndNotDelivered) {
  Transcript t;
  t.node().SetRules(
      Make({Of(true, auth::kPublish, "", {"ok"}), Of(true, auth::kSubscribe, "", {"#"})}));
  t.Play(R"(
    w> connect
    w< connack
    w> subscribe 1 #
    w< suback 1 0x00
    a> connect
    a< connack
    a> publish 1 no m q1
    a< puback 1 0x87
    a> publish 2 no m q2
    a< pubrec 2 0x87
    a> publish - no m
    a> publish 3 ok m q1 retain
    a< puback 3 0x87
    a> publish 4 ok m q1
    w< publish ok m
    a< puback 4
    b> connect v311
    b< connack
    b> publish 1 no m q1
    b< puback 1
  )");
  EXPECT_EQ(t.node().stats().access_refused.value(), 5u);
}

TEST(AccessTest, AnAllowedTopicIsNotRememberedPastTheRules) {
  Transcript t;
  t.node().SetRules(OnlyBelow("t"));
  t.Play(R"(
    a> connect
    a< connack
    a> publish 1 t m q1
    a< puback 1 0x10
    a> publish 2 t m q1
    a< puback 2 0x10
  )");
  t.node().SetRules(OnlyBelow("other"));
  t.Play(R"(
    a> publish 3 t m q1
    a< puback 3 0x87
  )");
}

TEST(AccessTest, AWiderFilterIsAskedMessageByMessage) {
  Transcript t;
  t.node().SetRules(
      Make({Of(false, auth::kSubscribe, "", {"secret/#"}), Of(true, kAll, "", {"#"})}));
  t.Play(R"(
    p> connect
    p< connack
    p> publish 1 secret/r m q1 retain
    p< puback 1 0x10
    p> publish 2 plain/r m q1 retain
    p< puback 2 0x10
    a> connect
    a< connack
    a> subscribe 1 # q1
    a< suback 1 0x01
    a< publish plain/r m q1 #1 retain
    p> publish 3 secret/x m q1
    p< puback 3
    p> publish 4 plain/x m q1
    a< publish plain/x m q1 #2
    p< puback 4
  )");
}

TEST(AccessTest, NewRulesHoldForWhatWasSubscribedBefore) {
  Transcript t;
  t.Play(R"(
    a> connect
    a< connack
    a> subscribe 1 # q1
    a< suback 1 0x01
    p> connect user=root
    p< connack
  )");
  t.node().SetRules(OnlyBelow("ok/#"));
  t.Play(R"(
    p> publish 1 no m q1
    p< puback 1
    p> publish 2 ok/x m q1
    a< publish ok/x m q1 #1
    p< puback 2
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kNotAuthorized), 1u);
  t.node().SetRules(nullptr);
  t.Play(R"(
    p> publish 3 no m q1
    a< publish no m q1 #2
    p< puback 3
  )");
}

TEST(AccessTest, WhatWaitedIsAskedAboutWhenItLeaves) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 # q1
    a< suback 1 0x01
    a drops
    p> connect user=root
    p< connack
    p> publish 1 no m q1
    p< puback 1
    p> publish 2 ok/x m q1
    p< puback 2
  )");
  t.node().SetRules(OnlyBelow("ok/#"));
  t.Play(R"(
    a> connect keep expiry=100
    a< connack present
    a< publish ok/x m q1 #1
  )");
}

TEST(AccessTest, WhatWaitedIsAskedAboutAfterARestart) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 # q1
    a< suback 1 0x01
    a drops
    p> connect user=root
    p< connack
    p> publish 1 no m q1
    p< puback 1
  )");
  t.node().SetRules(OnlyBelow("ok/#"));
  t.Play(R"(
    crash
    p> connect user=root
    p< connack
    p> publish 1 ok/x m q1
    p< puback 1
    a> connect keep expiry=100
    a< connack present
    a< publish ok/x m q1 #1
  )");
}

TEST(AccessTest, AWillIsAskedAboutAtConnect) {
  Transcript t;
  t.node().SetRules(Make({Of(true, auth::kPublish, "", {"#"}), Of(true, kAll, "", {"ok/#"})}));
  t.Play(R"(
    a> connect will=no/w:gone
    a< connack 0x87
    a< closed
    b> connect will=ok/w:gone
    b< connack
  )");
}

TEST(AccessTest, AWillIsAskedAboutAgainWhenItIsPublished) {
  Transcript t;
  t.Play(R"(
    w> connect user=root
    w< connack
    w> subscribe 1 #
    w< suback 1 0x00
    a> connect will=no/w:gone
    a< connack
    b> connect will=ok/w:gone
    b< connack
  )");
  t.node().SetRules(OnlyBelow("ok/#"));
  t.Play(R"(
    a drops
    b drops
    w< publish ok/w gone
  )");
}

TEST(AccessTest, AWillOfAUserIsStillTheUsersAfterARestart) {
  Transcript t;
  t.node().SetRules(
      Make({Of(true, kAll, "ann", {"w/ann"}), Of(true, auth::kSubscribe, "", {"#"})}));
  t.Play(R"(
    w> connect keep expiry=100
    w< connack
    w> subscribe 1 # q1
    w< suback 1 0x01
    a> connect keep expiry=100 user=ann will=w/ann:gone willqos=1
    a< connack
    crash
    w> connect keep expiry=100
    w< connack present
    w< publish w/ann gone q1 #1
  )");
}

TEST(AccessTest, ASharedMessageGoesToAMemberThatMayHaveIt) {
  Transcript t;
  t.Play(R"(
    a> connect user=ann
    a< connack
    b> connect user=bob
    b< connack
    a> subscribe 1 $share/g/# q1
    a< suback 1 0x01
    b> subscribe 1 $share/g/# q1
    b< suback 1 0x01
    p> connect user=root
    p< connack
  )");
  t.node().SetRules(Make({Of(true, kAll, "bob", {"#"})}));
  t.Play(R"(
    p> publish 1 t m1 q1
    b< publish t m1 q1 #1
    p< puback 1
    p> publish 2 t m2 q1
    b< publish t m2 q1 #2
    p< puback 2
  )");
}

TEST(AccessTest, ASharedMessageFindsTheOneShardWhoseMemberMayHaveIt) {
  NodeOptions options;
  options.shards = 4;
  Transcript t(options);
  for (int i = 0; i < 8; ++i) {
    const std::string name = "m" + std::to_string(i);
    t.Play(name + "> connect user=ann\n" + name + "< connack\n" + name +
           "> subscribe 1 $share/g/# q1\n" + name + "< suback 1 0x01");
  }
  t.Play(R"(
    b> connect user=bob
    b< connack
    b> subscribe 1 $share/g/# q1
    b< suback 1 0x01
    p> connect user=root
    p< connack
  )");
  t.node().SetRules(Make({Of(true, kAll, "bob", {"#"})}));
  for (int i = 1; i <= 9; ++i) {
    const std::string n = std::to_string(i);
    t.Play("p> publish " + n + " t m" + n + " q1\nb< publish t m" + n + " q1 #" + n +
           "\np< puback " + n);
  }
  t.node().SetRules(Make({Of(true, kAll, "nobody", {"#"})}));
  t.Play(R"(
    p> publish 20 t m q1
    p< puback 20
  )");
}

TEST(AccessTest, CredentialsBringRulesAndAnEnd) {
  Transcript t;
  t.node().SetRules(OnlyBelow("all/#"));
  t.node().authenticator().token_rules = OnlyBelow("mine/#");
  t.node().authenticator().token_expires_at = t.node().now() + 5'000;
  t.Play(R"(
    a> connect user=token keepalive=60
    a< connack
    a> subscribe 1 mine/# all/# no/#
    a< suback 1 0x00 0x00 0x87
    a> publish 1 mine/x m q1
    a< publish mine/x m
    a< puback 1
    wait 4900
    a> publish 2 no m q1
    a< puback 2 0x87
    wait 200
    a< disconnect 0x87
    a< closed
  )");
}

TEST(AccessTest, AnAssignedClientIdLeadsToItsShard) {
  NodeOptions options;
  options.shards = 4;
  Transcript t(options);
  t.Play(R"(
    a> connect id= user=for-device-1 keep expiry=100
    a< connack assigned=device-1
    b> connect id=device-1 user=for-device-1 keep expiry=100
    a< disconnect 0x8e
    a< closed
    b< connack present
    c> connect id=other user=for-device-1
    c< connack 0x85
    c< closed
  )");
}

}  // namespace
}  // namespace skein::shard
