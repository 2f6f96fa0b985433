// yaml-cpp throws; nothing of that leaves this file.
#include "broker/auth/rules_file.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/auth/yaml_document.h"
#include "yaml-cpp/yaml.h"

namespace skein::auth {
namespace {

constexpr size_t kMaxFileBytes = 16u << 20;
constexpr size_t kMaxRules = 100'000;
constexpr std::string_view kActionWords[] = {"publish", "retain", "will", "subscribe", "share"};

absl::Status Wrong(const std::string& where, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", std::string(what)));
}

class YamlRules {
 public:
  explicit YamlRules(std::string file) : file_(std::move(file)) {}

  absl::StatusOr<RulesPtr> Read(const YAML::Node& root) {
    if (root.IsDefined() && !root.IsNull() && !root.IsMap())
      return Wrong(At(root), "a map with 'default' and 'rules' is expected");
    bool default_allow = false;
    YAML::Node rules;
    for (const auto& entry : root) {
      const std::string key = entry.first.Scalar();
      const YAML::Node value = entry.second;
      if (key == "default") {
        const std::string word = value.IsScalar() ? value.Scalar() : "";
        if (word != "allow" && word != "deny")
          return Wrong(At(value), "key 'default': allowed: allow or deny");
        default_allow = word == "allow";
      } else if (key == "rules") {
        if (!value.IsNull() && !value.IsSequence())
          return Wrong(At(value), "key 'rules': allowed: a list of rules");
        rules = value;
      } else {
        return Wrong(At(entry.first), "unknown key '" + key + "'; allowed: default, rules");
      }
    }
    auto made = std::make_shared<AccessRules>(default_allow);
    if (rules.size() > kMaxRules) return Wrong(At(rules), "more than 100000 rules");
    for (size_t i = 0; i < rules.size(); ++i) {
      absl::StatusOr<Rule> rule = ReadRule(rules[i]);
      if (!rule.ok()) return rule.status();
      if (absl::Status added = made->Add(*rule); !added.ok())
        return Wrong(At(rules[i]), std::string(added.message()));
    }
    return RulesPtr(std::move(made));
  }

 private:
  std::string At(const YAML::Node& node) const {
    const YAML::Mark mark = node.Mark();
    return absl::StrCat(file_, ":", mark.line + 1, ":", mark.column + 1);
  }

  // A scalar or a list of scalars.
  absl::Status ReadList(const YAML::Node& value, const std::string& key,
                        std::vector<std::string>* list) {
    if (value.IsScalar()) {
      list->push_back(value.Scalar());
      return absl::OkStatus();
    }
    for (size_t i = 0; value.IsSequence() && i < value.size(); ++i) {
      if (!value[i].IsScalar()) return Wrong(At(value[i]), "key '" + key + "': a text is expected");
      list->push_back(value[i].Scalar());
    }
    // An empty list would mean "any", which nobody means who writes one.
    if (list->empty()) return Wrong(At(value), "key '" + key + "': a list with something in it");
    return absl::OkStatus();
  }

  absl::Status ReadActions(const YAML::Node& value, const std::string& key, Rule* rule) {
    std::vector<std::string> words;
    if (absl::Status read = ReadList(value, key, &words); !read.ok()) return read;
    rule->allow = key == "allow";
    rule->actions = 0;
    for (const std::string& word : words) {
      uint8_t bit = word == "all" ? uint8_t{kAllActions} : uint8_t{0};
      for (size_t i = 0; i < std::size(kActionWords); ++i) {
        if (word == kActionWords[i]) bit = static_cast<uint8_t>(1u << i);
      }
      if (bit == 0) {
        return Wrong(At(value),
                     "key '" + key + "': allowed: publish, retain, will, subscribe, share, all");
      }
      rule->actions = static_cast<uint8_t>(rule->actions | bit);
    }
    return absl::OkStatus();
  }

  absl::Status ReadFlag(const YAML::Node& value, const std::string& key, bool* flag) {
    const std::string word = value.IsScalar() ? value.Scalar() : "";
    *flag = word == "true";
    if (word == "true" || word == "false") return absl::OkStatus();
    return Wrong(At(value), "key '" + key + "': allowed: true or false");
  }

  absl::StatusOr<Rule> ReadRule(const YAML::Node& node) {
    if (!node.IsMap()) return Wrong(At(node), "a rule is a map");
    Rule rule;
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.Scalar();
      if (!seen.insert(key).second)
        return Wrong(At(entry.first), "key '" + key + "' is given twice");
      absl::Status read;
      if (key == "allow" || key == "deny") {
        read = ReadActions(entry.second, key, &rule);
      } else if (key == "users") {
        read = ReadList(entry.second, key, &rule.users);
      } else if (key == "clients") {
        read = ReadList(entry.second, key, &rule.client_ids);
      } else if (key == "from") {
        read = ReadList(entry.second, key, &rule.addresses);
      } else if (key == "topics") {
        read = ReadList(entry.second, key, &rule.filters);
      } else if (key == "anonymous") {
        read = ReadFlag(entry.second, key, &rule.anonymous_only);
      } else if (key == "literal") {
        read = ReadFlag(entry.second, key, &rule.literal);
      } else {
        read =
            Wrong(At(entry.first),
                  "unknown key '" + key +
                      "'; allowed: allow, deny, users, clients, from, anonymous, topics, literal");
      }
      if (!read.ok()) return read;
    }
    if (seen.contains("allow") == seen.contains("deny"))
      return Wrong(At(node), "a rule has either 'allow' or 'deny'");
    rule.source = At(node).substr(0, At(node).rfind(':'));
    return rule;
  }

  const std::string file_;
};

// One line of an acl_file, its words taken off from the left.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) { Skip(); }

  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  std::string_view Word() {
    const size_t end = std::min(rest_.find_first_of(" \t"), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    Skip();
    return word;
  }

 private:
  void Skip() {
    const size_t begin = rest_.find_first_not_of(" \t");
    rest_.remove_prefix(std::min(begin, rest_.size()));
    const size_t end = rest_.find_last_not_of(" \t\r");
    rest_ = rest_.substr(0, end == rest_.npos ? 0 : end + 1);
  }

  std::string_view rest_;
};

// [read|write|readwrite|deny] TOPIC
bool ReadAccess(Line* line, Rule* rule) {
  constexpr uint8_t kRead = kSubscribe | kShare;
  constexpr uint8_t kWrite = kPublish | kRetain | kWill;
  rule->allow = true;
  rule->actions = kAllActions;
  Line ahead = *line;
  const std::string_view word = ahead.Word();
  const bool keyword = word == "read" || word == "write" || word == "readwrite" || word == "deny";
  if (keyword && !ahead.empty()) {
    *line = ahead;
    if (word == "read") rule->actions = kRead;
    if (word == "write") rule->actions = kWrite;
    rule->allow = word != "deny";
  }
  if (line->empty()) return false;
  rule->filters = {std::string(line->rest())};
  return true;
}

absl::StatusOr<std::string> ReadFile(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad())
    return Wrong(file, absl::StrCat("cannot be read: ", std::strerror(errno != 0 ? errno : EIO)));
  if (text.size() > kMaxFileBytes) return Wrong(file, "is larger than 16 MiB");
  return text;
}

}  // namespace

absl::StatusOr<RulesPtr> ParseRules(const std::string& file, const std::string& yaml) {
  try {
    if (CountYamlDocuments(yaml) > 1)
      return Wrong(file, "has several YAML documents; allowed: one");
    return YamlRules(file).Read(YAML::Load(yaml));
  } catch (const YAML::Exception& error) {
    return Wrong(absl::StrCat(file, ":", error.mark.line + 1, ":", error.mark.column + 1),
                 error.msg);
  }
}

absl::StatusOr<RulesPtr> ParseMosquittoRules(const std::string& file, std::string_view text) {
  std::vector<Rule> denying;
  std::vector<Rule> allowing;
  std::string user;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    Line line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.rest().front() == '#') continue;
    const std::string where = absl::StrCat(file, ":", number);
    const std::string_view word = line.Word();
    if (word == "user") {
      if (line.empty()) return Wrong(where, "a user name is missing");
      user = line.rest();
      continue;
    }
    Rule rule;
    rule.source = where;
    if (word != "topic" && word != "pattern")
      return Wrong(where, "allowed: user, topic, pattern, or a comment");
    if (!ReadAccess(&line, &rule)) return Wrong(where, "a topic is missing");
    if (word == "topic") {
      rule.anonymous_only = user.empty();
      if (!user.empty()) rule.users = {user};
      for (const char* placeholder : {"%u", "%c"}) {
        if (rule.filters[0].find(placeholder) != std::string::npos)
          return Wrong(where, "%u and %c are for patterns");
      }
    }
    (rule.allow ? allowing : denying).push_back(std::move(rule));
    if (allowing.size() + denying.size() > kMaxRules) return Wrong(where, "more than 100000 rules");
  }
  auto made = std::make_shared<AccessRules>(false);
  for (const auto* rules : {&denying, &allowing}) {
    for (const Rule& rule : *rules) {
      if (absl::Status added = made->Add(rule); !added.ok())
        return Wrong(rule.source, std::string(added.message()));
    }
  }
  return RulesPtr(std::move(made));
}

absl::StatusOr<RulesPtr> LoadRules(const std::string& file) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return text.status();
  if (file.ends_with(".yaml") || file.ends_with(".yml")) return ParseRules(file, *text);
  return ParseMosquittoRules(file, *text);
}

}  // namespace skein::auth
