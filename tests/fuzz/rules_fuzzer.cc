// Access rules: files in both forms, and every verdict against a reader that is slow and obvious.
//
// First byte: which form (0, 1), or (2) lines: the topic, the client id, the user name, then a rule
// a line: '+' or '-' for allow and deny, and its filter.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/auth/access_rules.h"
#include "broker/auth/principal.h"
#include "broker/auth/rules_file.h"
#include "broker/base/check.h"

namespace skein::auth {
namespace {

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// A filter's levels against a topic's, as the standard says (4.7.1, 4.7.2).
bool Covers(const std::vector<std::string>& filter, const std::vector<std::string>& topic,
            const Principal& client, bool allow) {
  if (allow && topic[0].starts_with('$') && (filter[0] == "+" || filter[0] == "#")) return false;
  size_t i = 0;
  for (; i < filter.size(); ++i) {
    if (filter[i] == "#") return true;
    if (i == topic.size()) return false;
    if (filter[i] == "+") continue;
    if (filter[i] == "%c" || filter[i] == "%u") {
      const std::string& name = filter[i] == "%c" ? client.client_id : client.user_name;
      // A name that is no level fits where it denies.
      const bool level = !name.empty() && name.find_first_of("+#/") == name.npos;
      if (level ? name != topic[i] : allow) return false;
      continue;
    }
    if (filter[i] != topic[i]) return false;
  }
  return i == topic.size();
}

void Verdicts(std::string_view text) {
  const std::vector<std::string> lines = Split(text, '\n');
  if (lines.size() < 4 || lines.size() > 20) return;
  const std::string& topic = lines[0];
  if (topic.empty() || topic.find_first_of(std::string_view("+#\0", 3)) != topic.npos) return;
  Principal client;
  client.client_id = lines[1];
  client.user_name = lines[2];
  AccessRules rules(false);
  std::optional<bool> expected;
  for (size_t i = 3; i < lines.size(); ++i) {
    if (lines[i].size() < 2) continue;
    Rule rule;
    rule.allow = lines[i][0] == '+';
    rule.filters = {lines[i].substr(1)};
    if (!rules.Add(rule).ok() || expected.has_value()) continue;
    if (Covers(Split(rule.filters[0], '/'), Split(topic, '/'), client, rule.allow))
      expected = rule.allow;
  }
  const auto found = rules.Find(client, kPublish, topic);
  SKEIN_CHECK(found.has_value() == expected.has_value());
  SKEIN_CHECK(!found.has_value() || found->allowed == *expected);
  SKEIN_CHECK(rules.Check(client, kPublish, topic).allowed == expected.value_or(false));
}

}  // namespace
}  // namespace skein::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skein::auth;  // NOLINT: a fuzzer's main
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 2) {
    Verdicts(rest);
    return 0;
  }
  const auto rules =
      data[0] % 3 == 0 ? ParseRules("acl.yaml", rest) : ParseMosquittoRules("acl", rest);
  if (!rules.ok()) {
    SKEIN_CHECK(rules.status().message().substr(0, 3) == "acl");
    return 0;
  }
  Principal client;
  client.client_id = "+";
  client.user_name = "a/b";
  for (const std::string_view topic : {"a", "a/b/c", "$SYS/x", "+"})
    (void)(*rules)->Check(client, kPublish, topic);
  (void)(*rules)->CheckFilter(client, kSubscribe, "a/+/#");
  return 0;
}
