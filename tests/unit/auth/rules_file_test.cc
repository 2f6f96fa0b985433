// Both kinds of rule files.
#include "broker/auth/rules_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/auth/principal.h"

namespace skein::auth {
namespace {

using ::testing::HasSubstr;

Principal Client(std::string id, std::string user = "") {
  Principal client;
  client.client_id = std::move(id);
  client.user_name = std::move(user);
  return client;
}

std::string ErrorOf(const std::string& yaml) {
  const auto rules = ParseRules("r.yaml", yaml);
  return rules.ok() ? "accepted" : std::string(rules.status().message());
}

TEST(RulesFileTest, Yaml) {
  const auto rules = ParseRules("r.yaml", R"(
default: deny
rules:
  - deny: all
    topics: [secret/#]
  - allow: [publish, subscribe]
    users: ann
    topics: ["plant/#"]
  - allow: all
    clients: [dev-*]
    topics: ["devices/%c/#"]
)");
  ASSERT_TRUE(rules.ok()) << rules.status().message();
  const AccessRules& r = **rules;
  EXPECT_EQ(r.size(), 3u);
  EXPECT_TRUE(r.Check(Client("x", "ann"), kPublish, "plant/1").allowed);
  EXPECT_EQ(r.Check(Client("x", "ann"), kPublish, "plant/1").source, "r.yaml:6");
  EXPECT_FALSE(r.Check(Client("x", "ann"), kRetain, "plant/1").allowed);
  EXPECT_FALSE(r.Check(Client("x", "bob"), kPublish, "plant/1").allowed);
  EXPECT_TRUE(r.Check(Client("dev-1"), kWill, "devices/dev-1/gone").allowed);
  EXPECT_FALSE(r.Check(Client("dev-1"), kSubscribe, "secret/x").allowed);
}

// The class of failure where a file without rules lets everybody do everything.
TEST(RulesFileTest, AnEmptyFileAllowsNothing) {
  for (const char* text : {"", "# nothing\n", "rules:\n", "default: deny\n"}) {
    const auto rules = ParseRules("r.yaml", text);
    ASSERT_TRUE(rules.ok()) << text;
    EXPECT_FALSE((*rules)->Check(Client("x", "y"), kPublish, "a").allowed) << text;
    EXPECT_EQ((*rules)->CheckFilter(Client("x"), kSubscribe, "a").access, Access::kDeny);
  }
  const auto mosquitto = ParseMosquittoRules("acl", "# nothing\n\n");
  ASSERT_TRUE(mosquitto.ok());
  EXPECT_FALSE((*mosquitto)->Check(Client("x"), kPublish, "a").allowed);
}

TEST(RulesFileTest, MistakesAreNamedWithTheirPlace) {
  EXPECT_THAT(ErrorOf("default: maybe"),
              HasSubstr("r.yaml:1:10: key 'default': allowed: allow or"));
  EXPECT_THAT(ErrorOf("rules: [{topics: [a]}]"), HasSubstr("either 'allow' or 'deny'"));
  EXPECT_THAT(ErrorOf("rules: [{allow: all, deny: all}]"), HasSubstr("either 'allow' or 'deny'"));
  EXPECT_THAT(ErrorOf("rules:\n- allow: fly\n"), HasSubstr("r.yaml:2:10: key 'allow': allowed:"));
  EXPECT_THAT(ErrorOf("rules:\n- allow: all\n  topic: a\n"), HasSubstr("unknown key 'topic'"));
  EXPECT_THAT(ErrorOf("rules:\n- allow: all\n  topics: ['a/#/b']\n"), HasSubstr("'#' is the last"));
  EXPECT_THAT(ErrorOf("rules:\n- allow: all\n  users: []\n"), HasSubstr("something in it"));
  EXPECT_THAT(ErrorOf("rules: {a: b}"), HasSubstr("a list of rules"));
  EXPECT_THAT(ErrorOf("rule: []"), HasSubstr("unknown key 'rule'"));
  EXPECT_THAT(ErrorOf("[a"), HasSubstr("r.yaml:1:"));
  EXPECT_THAT(ErrorOf("a"), HasSubstr("a map with"));
}

TEST(RulesFileTest, MosquittosAclFile) {
  const auto rules = ParseMosquittoRules("acl", R"(# general
topic read public/#
topic write in

user ann smith
topic readwrite a/+
topic deny a/secret
topic plain topic

user bob
topic read a/b
pattern write c/%c/u/%u
)");
  ASSERT_TRUE(rules.ok()) << rules.status().message();
  const AccessRules& r = **rules;
  EXPECT_TRUE(r.Check(Client("x"), kSubscribe, "public/1").allowed);
  EXPECT_FALSE(r.Check(Client("x"), kPublish, "public/1").allowed);
  EXPECT_FALSE(r.Check(Client("x", "bob"), kSubscribe, "public/1").allowed);
  EXPECT_TRUE(r.Check(Client("x"), kPublish, "in").allowed);
  EXPECT_TRUE(r.Check(Client("x", "ann smith"), kPublish, "a/b").allowed);
  EXPECT_FALSE(r.Check(Client("x", "ann smith"), kPublish, "a/secret").allowed);
  EXPECT_TRUE(r.Check(Client("x", "ann smith"), kRetain, "plain topic").allowed);
  EXPECT_FALSE(r.Check(Client("x", "bob"), kPublish, "a/b").allowed);
  EXPECT_TRUE(r.Check(Client("x", "bob"), kWill, "c/x/u/bob").allowed);
  EXPECT_FALSE(r.Check(Client("x", "bob"), kSubscribe, "c/x/u/bob").allowed);
}

TEST(RulesFileTest, MistakesInAnAclFile) {
  const auto error = [](const char* text) {
    const auto rules = ParseMosquittoRules("acl", text);
    return rules.ok() ? "accepted" : std::string(rules.status().message());
  };
  EXPECT_THAT(error("\ntopics a"), HasSubstr("acl:2: allowed: user, topic, pattern"));
  EXPECT_THAT(error("user"), HasSubstr("acl:1: a user name is missing"));
  EXPECT_THAT(error("topic"), HasSubstr("acl:1: a topic is missing"));
  EXPECT_THAT(error("topic a/%u"), HasSubstr("acl:1: %u and %c are for patterns"));
  EXPECT_THAT(error("topic read a/#/b"), HasSubstr("acl:1: "));
}

}  // namespace
}  // namespace skein::auth
