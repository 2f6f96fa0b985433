// Rules: what they cover, what they touch, and for whom. Compared with the plainest possible
// reading.
#include "broker/auth/access_rules.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "broker/auth/principal.h"

namespace skein::auth {
namespace {

using Words = std::vector<std::string>;

Words Split(const std::string& text) {
  Words words{""};
  for (const char c : text) {
    if (c == '/') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

// Does the topic match the filter, level by level?
bool Matches(const Words& filter, const Words& topic, size_t at = 0) {
  if (at < filter.size() && filter[at] == "#") return true;
  if (at == filter.size() || at == topic.size()) return at == filter.size() && at == topic.size();
  return (filter[at] == "+" || filter[at] == topic[at]) && Matches(filter, topic, at + 1);
}
bool MatchesText(const std::string& filter, const std::string& topic) {
  const Words f = Split(filter);
  const Words t = Split(topic);
  return Matches(f, t) || (f.back() == "#" && Matches({f.begin(), f.end() - 1}, t));
}

Rule Of(bool allow, uint8_t actions, Words filters) {
  Rule rule;
  rule.allow = allow;
  rule.actions = actions;
  rule.filters = std::move(filters);
  return rule;
}

Principal Client(std::string id, std::string user = "", std::string address = "") {
  Principal client;
  client.client_id = std::move(id);
  client.user_name = std::move(user);
  client.address = std::move(address);
  return client;
}

// Every topic of up to three levels of a, b, and the empty one.
std::vector<std::string> Topics() {
  const Words levels = {"a", "b", ""};
  std::vector<std::string> topics;
  for (const auto& one : levels) {
    topics.push_back(one);
    for (const auto& two : levels) {
      topics.push_back(one + "/" + two);
      for (const auto& three : levels)
        topics.push_back(one + "/" + two + "/" + three);
    }
  }
  return topics;
}

std::string RandomFilter(std::mt19937* random) {
  const Words levels = {"a", "b", "", "+", "+"};
  std::string filter;
  const int count = std::uniform_int_distribution(1, 3)(*random);
  for (int i = 0; i < count; ++i) {
    if (i > 0) filter += "/";
    if (i + 1 == count && (*random)() % 3 == 0) return filter + "#";
    filter += levels[(*random)() % levels.size()];
  }
  return filter.empty() ? "a" : filter;
}

TEST(AccessRulesTest, CoversAndOverlapsAsTheTopicsSay) {
  std::mt19937 random(7);
  const std::vector<std::string> topics = Topics();
  const Principal client = Client("c");
  int covered = 0;
  int touched = 0;
  for (int i = 0; i < 2'000; ++i) {
    const std::string rule = RandomFilter(&random);
    const std::string asked = RandomFilter(&random);
    AccessRules allow(false);
    ASSERT_TRUE(allow.Add(Of(true, kAllActions, {rule})).ok()) << rule;
    AccessRules deny(true);
    ASSERT_TRUE(deny.Add(Of(false, kAllActions, {rule})).ok());
    bool some = false;
    for (const std::string& topic : topics) {
      if (topic.empty()) continue;
      const bool matches = MatchesText(rule, topic);
      ASSERT_EQ(allow.Check(client, kPublish, topic).allowed, matches) << rule << " " << topic;
      ASSERT_EQ(deny.Check(client, kPublish, topic).allowed, !matches) << rule << " " << topic;
      if (!MatchesText(asked, topic)) continue;
      some |= matches;
      // A granted subscription brings nothing that is not allowed.
      if (allow.CheckFilter(client, kSubscribe, asked).access == Access::kAllow) {
        ASSERT_TRUE(matches) << rule << " covers " << asked << ", but not " << topic;
      }
    }
    covered += allow.CheckFilter(client, kSubscribe, asked).access == Access::kAllow ? 1 : 0;
    const Access denied = deny.CheckFilter(client, kSubscribe, asked).access;
    if (some) {
      ASSERT_NE(denied, Access::kAllow) << rule << " touches " << asked;
      ++touched;
    }
    // Four levels are beyond the topics above, so only short filters can be told apart for sure.
    if (!some && asked.find('#') == asked.npos && rule.find('#') == rule.npos) {
      ASSERT_EQ(denied, Access::kAllow) << rule << " does not touch " << asked;
    }
  }
  EXPECT_GT(covered, 100);
  EXPECT_GT(touched, 100);
}

TEST(AccessRulesTest, EveryFilterCoversItself) {
  std::mt19937 random(8);
  for (int i = 0; i < 1'000; ++i) {
    const std::string filter = RandomFilter(&random);
    AccessRules rules(false);
    ASSERT_TRUE(rules.Add(Of(true, kSubscribe, {filter})).ok());
    EXPECT_EQ(rules.CheckFilter(Client("c"), kSubscribe, filter).access, Access::kAllow) << filter;
    EXPECT_EQ(rules.CheckFilter(Client("c"), kShare, filter).access, Access::kDeny);
  }
}

TEST(AccessRulesTest, TheFirstRuleThatAppliesDecides) {
  AccessRules rules(false);
  Rule exception = Of(true, kPublish, {"a/b"});
  exception.source = "f:1";
  ASSERT_TRUE(rules.Add(exception).ok());
  ASSERT_TRUE(rules.Add(Of(false, kAllActions, {"a/#"})).ok());
  ASSERT_TRUE(rules.Add(Of(true, kAllActions, {"#"})).ok());
  EXPECT_TRUE(rules.Check(Client("c"), kPublish, "a/b").allowed);
  EXPECT_EQ(rules.Check(Client("c"), kPublish, "a/b").source, "f:1");
  EXPECT_FALSE(rules.Check(Client("c"), kRetain, "a/b").allowed);
  EXPECT_FALSE(rules.Check(Client("c"), kPublish, "a").allowed);
  EXPECT_TRUE(rules.Check(Client("c"), kPublish, "b").allowed);
  EXPECT_EQ(rules.CheckFilter(Client("c"), kSubscribe, "#").access, Access::kCheckEach);
  EXPECT_EQ(rules.CheckFilter(Client("c"), kSubscribe, "a/+").access, Access::kDeny);
}

TEST(AccessRulesTest, PlaceholdersAreOneLevel) {
  AccessRules rules(false);
  ASSERT_TRUE(rules.Add(Of(false, kSubscribe, {"locked/%c"})).ok());
  ASSERT_TRUE(rules.Add(Of(true, kAllActions, {"u/%u/#", "c/%c", "locked/+"})).ok());
  EXPECT_TRUE(rules.Check(Client("me", "ann"), kPublish, "u/ann/x").allowed);
  EXPECT_TRUE(rules.Check(Client("me"), kPublish, "c/me").allowed);
  EXPECT_FALSE(rules.Check(Client("me", "ann"), kPublish, "u/bob/x").allowed);
  EXPECT_FALSE(rules.Check(Client("me"), kSubscribe, "locked/me").allowed);
  EXPECT_TRUE(rules.Check(Client("me"), kSubscribe, "locked/you").allowed);
}

// The class of failure where a client calls itself '#'.
TEST(AccessRulesTest, AClientIdOrUserNameWithWildcardsOpensNothing) {
  AccessRules rules(false);
  ASSERT_TRUE(rules.Add(Of(false, kSubscribe, {"locked/%c"})).ok());
  ASSERT_TRUE(rules.Add(Of(true, kAllActions, {"u/%u/#", "c/%c", "locked/+"})).ok());
  for (const char* name : {"+", "#", "a/b", "", "a+", "/"}) {
    const Principal client = Client(name, name);
    EXPECT_FALSE(rules.Check(client, kPublish, "u/ann/x").allowed) << name;
    EXPECT_EQ(rules.CheckFilter(client, kSubscribe, std::string("c/") + name).access,
              Access::kDeny);
    EXPECT_EQ(rules.CheckFilter(client, kSubscribe, std::string("u/") + name + "/#").access,
              Access::kDeny);
    EXPECT_FALSE(rules.Check(client, kSubscribe, "locked/x").allowed) << name;
  }
}

TEST(AccessRulesTest, WildcardsThatAllowDoNotReachTheDollar) {
  AccessRules allow(false);
  ASSERT_TRUE(allow.Add(Of(true, kAllActions, {"#", "+/x"})).ok());
  EXPECT_FALSE(allow.Check(Client("c"), kSubscribe, "$SYS/x").allowed);
  EXPECT_EQ(allow.CheckFilter(Client("c"), kSubscribe, "$SYS/#").access, Access::kDeny);
  EXPECT_EQ(allow.CheckFilter(Client("c"), kSubscribe, "#").access, Access::kAllow);
  AccessRules deny(true);
  ASSERT_TRUE(deny.Add(Of(false, kAllActions, {"#"})).ok());
  EXPECT_FALSE(deny.Check(Client("c"), kSubscribe, "$SYS/x").allowed);
}

TEST(AccessRulesTest, LiteralFiltersAreText) {
  AccessRules rules(true);
  Rule rule = Of(false, kSubscribe, {"#"});
  rule.literal = true;
  ASSERT_TRUE(rules.Add(rule).ok());
  EXPECT_EQ(rules.CheckFilter(Client("c"), kSubscribe, "#").access, Access::kDeny);
  EXPECT_EQ(rules.CheckFilter(Client("c"), kSubscribe, "a/#").access, Access::kAllow);
  EXPECT_TRUE(rules.Check(Client("c"), kSubscribe, "a").allowed);
}

TEST(AccessRulesTest, WhoIsMeant) {
  AccessRules rules(false);
  Rule user = Of(true, kPublish, {"user"});
  user.users = {"ann", "bob"};
  Rule id = Of(true, kPublish, {"id"});
  id.client_ids = {"dev-*", "one"};
  Rule exact = Of(true, kPublish, {"exact"});
  exact.client_ids = {"one"};
  Rule net = Of(true, kPublish, {"net"});
  net.addresses = {"192.0.2.0/25", "2001:db8::/32", "198.51.100.7"};
  Rule nobody = Of(true, kPublish, {"anonymous"});
  nobody.anonymous_only = true;
  Rule not_there = Of(false, kPublish, {"deny"});
  not_there.addresses = {"192.0.2.0/24"};
  for (const Rule* rule : {&user, &id, &exact, &net, &nobody, &not_there})
    ASSERT_TRUE(rules.Add(*rule).ok());
  ASSERT_TRUE(rules.Add(Of(true, kPublish, {"deny"})).ok());
  const auto may = [&](const Principal& client, const char* topic) {
    return rules.Check(client, kPublish, topic).allowed;
  };
  EXPECT_TRUE(may(Client("x", "bob"), "user"));
  EXPECT_FALSE(may(Client("bob"), "user"));
  EXPECT_TRUE(may(Client("dev-7"), "id"));
  EXPECT_TRUE(may(Client("one"), "id"));
  EXPECT_FALSE(may(Client("onest"), "id"));
  EXPECT_TRUE(may(Client("one"), "exact"));
  EXPECT_TRUE(may(Client("x", "", "192.0.2.127"), "net"));
  EXPECT_FALSE(may(Client("x", "", "192.0.2.128"), "net"));
  EXPECT_TRUE(may(Client("x", "", "2001:db8:1::1"), "net"));
  EXPECT_FALSE(may(Client("x", "", "2001:db9::1"), "net"));
  EXPECT_TRUE(may(Client("x", "", "198.51.100.7"), "net"));
  EXPECT_FALSE(may(Client("x", "", ""), "net"));
  EXPECT_TRUE(may(Client("x"), "anonymous"));
  EXPECT_FALSE(may(Client("x", "ann"), "anonymous"));
  // Where the address is not known, what is denied to some of them is denied.
  EXPECT_FALSE(may(Client("x"), "deny"));
  EXPECT_TRUE(may(Client("x", "", "192.0.3.1"), "deny"));
}

TEST(AccessRulesTest, RulesThatMakeNoSenseAreRefused) {
  AccessRules rules(false);
  for (const char* filter : {"", "a+", "#/a", "a/#b", "x%u", "%c-1", "$share/g/a"})
    EXPECT_FALSE(rules.Add(Of(true, kPublish, {filter})).ok()) << filter;
  for (const char* address :
       {"192.0.2.0/33", "192.0.2", "::/129", "host", "192.0.2.1/", "1.2.3.4/-1"}) {
    Rule rule = Of(true, kPublish, {});
    rule.addresses = {address};
    EXPECT_FALSE(rules.Add(rule).ok()) << address;
  }
  EXPECT_EQ(rules.size(), 0u);
}

}  // namespace
}  // namespace skein::auth
