#include "broker/auth/claim_rules.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_replace.h"

namespace skein::auth {
namespace {

using nlohmann::json;

constexpr char kSource[] = "the client's credentials";

absl::Status NotUnderstood(const char* what) {
  return absl::InvalidArgumentError(what);
}

Rule MakeRule(bool allow, uint8_t actions, const std::string& topic) {
  Rule rule;
  rule.allow = allow;
  rule.actions = actions;
  rule.literal = topic.starts_with("eq ");
  rule.filters.push_back(absl::StrReplaceAll(rule.literal ? topic.substr(3) : topic,
                                             {{"${clientid}", "%c"}, {"${username}", "%u"}}));
  rule.source = kSource;
  return rule;
}

constexpr uint8_t kToPublish = kPublish | kRetain | kWill;
constexpr uint8_t kToSubscribe = kSubscribe | kShare;

std::optional<uint8_t> ActionsOf(std::string_view word) {
  if (word == "publish" || word == "pub") return kToPublish;
  if (word == "subscribe" || word == "sub") return kToSubscribe;
  if (word == "all") return kAllActions;
  return std::nullopt;
}

// {"pub": [...], "sub": [...], "all": [...]}
absl::Status ReadLists(const json& acl, AccessRules* rules) {
  for (const auto& [name, topics] : acl.items()) {
    const std::optional<uint8_t> actions = ActionsOf(name);
    if (!actions.has_value() || !topics.is_array())
      return NotUnderstood("acl: pub, sub and all are lists of topics");
    for (const json& topic : topics) {
      if (!topic.is_string()) return NotUnderstood("acl: a topic is a text");
      if (rules->size() >= kMaxClaimRules) return NotUnderstood("acl: too many rules");
      const absl::Status added = rules->Add(MakeRule(true, *actions, topic.get<std::string>()));
      if (!added.ok()) return added;
    }
  }
  return absl::OkStatus();
}

// What "retain" leaves of the actions; nothing: it cannot be said.
std::optional<uint8_t> Retained(const json& rule, bool allow, uint8_t actions) {
  const auto retain = rule.find("retain");
  if (retain == rule.end() || *retain == "all") return actions;
  const bool yes = *retain == true || *retain == 1 || *retain == "true";
  const bool no = *retain == false || *retain == 0 || *retain == "false";
  if (allow && no) return static_cast<uint8_t>(actions & ~kRetain);
  if (!allow && yes) return static_cast<uint8_t>(actions & kRetain);
  return std::nullopt;
}

absl::Status ReadRule(const json& rule, AccessRules* rules) {
  const auto text = [&](const char* name) {
    const auto found = rule.find(name);
    return found != rule.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  for (const auto& [name, value] : rule.items()) {
    if (name != "permission" && name != "action" && name != "topic" && name != "retain")
      return NotUnderstood("acl: a rule has permission, action, topic and retain");
  }
  const std::string permission = text("permission"), topic = text("topic");
  const std::optional<uint8_t> actions = ActionsOf(text("action"));
  if ((permission != "allow" && permission != "deny") || topic.empty() || !actions.has_value())
    return NotUnderstood("acl: permission, action or topic is missing or unknown");
  const bool allow = permission == "allow";
  const std::optional<uint8_t> left = Retained(rule, allow, *actions);
  if (!left.has_value()) return NotUnderstood("acl: retain cannot be had this way");
  if (*left == 0) return absl::OkStatus();
  if (rules->size() >= kMaxClaimRules) return NotUnderstood("acl: too many rules");
  return rules->Add(MakeRule(allow, *left, topic));
}

}  // namespace

absl::StatusOr<RulesPtr> RulesOfClaim(const json& acl) {
  auto rules = std::make_shared<AccessRules>(false);
  if (acl.is_object()) {
    if (absl::Status read = ReadLists(acl, rules.get()); !read.ok()) return read;
  } else if (acl.is_array()) {
    for (const json& rule : acl) {
      if (!rule.is_object()) return NotUnderstood("acl: a rule is an object");
      if (absl::Status read = ReadRule(rule, rules.get()); !read.ok()) return read;
    }
  } else {
    return NotUnderstood("acl: neither an object nor a list");
  }
  // What is not named is denied: the node's own rules are not asked.
  Rule rest;
  rest.source = kSource;
  if (absl::Status added = rules->Add(rest); !added.ok()) return added;
  return RulesPtr(std::move(rules));
}

}  // namespace skein::auth
