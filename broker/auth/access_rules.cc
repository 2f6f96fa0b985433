#include "broker/auth/access_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "broker/auth/principal.h"
#include "broker/auth/topic_rules.h"

namespace skein::auth {
namespace {

struct Level {
  enum class Kind : uint8_t { kText, kPlus, kHash, kUser, kClient };
  Kind kind = Kind::kText;
  std::string text;
};
using Levels = std::vector<Level>;

// Takes the first level off `rest`; `*more` tells whether there is another one.
std::string_view NextLevel(std::string_view* rest, bool* more) {
  const size_t slash = rest->find('/');
  *more = slash != std::string_view::npos;
  const std::string_view level = rest->substr(0, slash);
  rest->remove_prefix(*more ? slash + 1 : rest->size());
  return level;
}

bool IsOneLevel(std::string_view name) {
  return !name.empty() && name.find_first_of("+#/") == std::string_view::npos;
}

// An IPv4 address as the IPv6 one it is mapped to.
bool ParseAddress(const std::string& text, std::array<uint8_t, 16>* bytes, bool* ipv4) {
  *ipv4 = text.find(':') == std::string::npos;
  if (!*ipv4) return inet_pton(AF_INET6, text.c_str(), bytes->data()) == 1;
  *bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return inet_pton(AF_INET, text.c_str(), bytes->data() + 12) == 1;
}

struct AddressBlock {
  std::array<uint8_t, 16> bytes{};
  int bits = 128;

  bool Contains(const std::array<uint8_t, 16>& other) const {
    const size_t whole = static_cast<size_t>(bits) / 8;
    if (std::memcmp(bytes.data(), other.data(), whole) != 0) return false;
    const int rest = bits % 8;
    return rest == 0 || (bytes[whole] >> (8 - rest)) == (other[whole] >> (8 - rest));
  }
};

absl::StatusOr<AddressBlock> ParseBlock(std::string_view text) {
  const size_t slash = text.find('/');
  AddressBlock block;
  bool ipv4 = false;
  bool good = ParseAddress(std::string(text.substr(0, slash)), &block.bytes, &ipv4);
  if (good && slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), block.bits);
    good = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size() &&
           !digits.empty() && block.bits >= 0 && block.bits <= (ipv4 ? 32 : 128);
    if (ipv4) block.bits += 96;
  }
  if (good) return block;
  return absl::InvalidArgumentError(absl::StrCat(
      "'", std::string(text), "' is no address; allowed: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32"));
}

absl::StatusOr<Levels> ParseFilter(std::string_view filter) {
  const auto refuse = [&](const char* why) {
    return absl::InvalidArgumentError(
        absl::StrCat("topic filter '", std::string(filter), "': ", why));
  };
  if (filter.empty()) return refuse("is empty");
  if (filter.size() > UINT16_MAX) return refuse("is longer than 65535 bytes");
  if (filter.starts_with("$share/")) return refuse("name the filter itself, and the right share");
  if (filter.find('\0') != std::string_view::npos) return refuse("has a null character");
  Levels levels;
  bool more = true;
  while (more) {
    const std::string_view text = NextLevel(&filter, &more);
    Level level;
    if (text == "+") {
      level.kind = Level::Kind::kPlus;
    } else if (text == "#") {
      level.kind = Level::Kind::kHash;
    } else if (text == "%u") {
      level.kind = Level::Kind::kUser;
    } else if (text == "%c") {
      level.kind = Level::Kind::kClient;
    } else if (text.find_first_of("+#") != std::string_view::npos) {
      return refuse("'+' and '#' stand for whole levels");
    } else if (text.find("%u") != std::string_view::npos ||
               text.find("%c") != std::string_view::npos) {
      return refuse("%u and %c stand for whole levels");
    } else {
      level.text = text;
    }
    if (level.kind == Level::Kind::kHash && more) return refuse("'#' is the last level");
    levels.push_back(std::move(level));
  }
  return levels;
}

// One compiled rule's filter, seen by one client.
class Pattern {
 public:
  Pattern(const Levels& levels, const Principal& client, bool allow)
      : levels_(levels), client_(client), allow_(allow) {}

  // The levels of a topic name that match.
  bool Matches(std::string_view topic) const {
    if (HiddenTopic(topic)) return false;
    bool more = true;
    size_t at = 0;
    for (; more; ++at) {
      const std::string_view text = NextLevel(&topic, &more);
      if (at == levels_.size()) return false;
      const One one = At(at);
      if (one.kind == One::kRest) return true;
      if (one.kind == One::kNothing || (one.kind == One::kText && one.text != text)) return false;
    }
    return at == levels_.size() || RestAt(at);
  }

  // Every topic that matches `filter` matches this.
  bool Covers(std::string_view filter) const {
    if (HiddenTopic(filter)) return false;
    bool more = true;
    size_t at = 0;
    for (; more; ++at) {
      const std::string_view text = NextLevel(&filter, &more);
      if (at == levels_.size()) return false;
      const One one = At(at);
      if (one.kind == One::kRest) return true;
      if (one.kind == One::kNothing || text == "#") return false;
      if (one.kind == One::kText && one.text != text) return false;
    }
    return at == levels_.size() || RestAt(at);
  }

  // Some topic matches both.
  bool Overlaps(std::string_view filter) const {
    // A wildcard of the client's is not given topics that begin with '$' [MQTT-4.7.2-1].
    const bool wild = filter.starts_with('+') || filter.starts_with('#');
    if (wild && At(0).kind == One::kText && At(0).text.starts_with('$')) return false;
    bool more = true;
    size_t at = 0;
    for (; more; ++at) {
      const std::string_view text = NextLevel(&filter, &more);
      if (text == "#") return true;
      if (at == levels_.size()) return false;
      const One one = At(at);
      if (one.kind == One::kRest) return true;
      if (one.kind == One::kNothing) return false;
      if (one.kind == One::kText && text != "+" && one.text != text) return false;
    }
    return at == levels_.size() || RestAt(at);
  }

 private:
  struct One {
    enum Kind : uint8_t { kText, kAny, kRest, kNothing };
    Kind kind;
    std::string_view text;
  };

  One At(size_t at) const {
    const Level& level = levels_[at];
    switch (level.kind) {
      case Level::Kind::kPlus:
        return {One::kAny, {}};
      case Level::Kind::kHash:
        return {One::kRest, {}};
      case Level::Kind::kUser:
        return Name(client_.user_name);
      case Level::Kind::kClient:
        return Name(client_.client_id);
      case Level::Kind::kText:
        break;
    }
    return {One::kText, level.text};
  }
  // A name that is not one level is covered by nothing that allows, and by all that denies.
  One Name(std::string_view name) const {
    if (IsOneLevel(name)) return {One::kText, name};
    return {allow_ ? One::kNothing : One::kAny, {}};
  }
  bool RestAt(size_t at) const {
    return at + 1 == levels_.size() && levels_[at].kind == Level::Kind::kHash;
  }
  // A wildcard that allows does not reach what the '$' sets apart; one that denies does.
  bool HiddenTopic(std::string_view topic) const {
    return allow_ && topic.starts_with('$') &&
           (levels_[0].kind == Level::Kind::kPlus || levels_[0].kind == Level::Kind::kHash);
  }

  const Levels& levels_;
  const Principal& client_;
  const bool allow_;
};

struct Compiled {
  Rule rule;  // its filters only if they are literal
  std::vector<Levels> filters;
  std::vector<AddressBlock> blocks;
};

bool MatchesId(const std::string& pattern, std::string_view id) {
  if (!pattern.ends_with('*')) return pattern == id;
  return id.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
}

// Whether the rule speaks of this client.
bool Names(const Compiled& compiled, const Principal& client) {
  const Rule& rule = compiled.rule;
  if (rule.anonymous_only && !client.user_name.empty()) return false;
  if (!rule.users.empty() &&
      std::find(rule.users.begin(), rule.users.end(), client.user_name) == rule.users.end())
    return false;
  if (!rule.client_ids.empty() &&
      std::none_of(rule.client_ids.begin(), rule.client_ids.end(),
                   [&](const std::string& id) { return MatchesId(id, client.client_id); }))
    return false;
  if (compiled.blocks.empty()) return true;
  std::array<uint8_t, 16> bytes{};
  bool ipv4 = false;
  // Where the address is not known an allowing rule does not help, and a denying one holds.
  if (!ParseAddress(client.address, &bytes, &ipv4)) return !rule.allow;
  return std::any_of(compiled.blocks.begin(), compiled.blocks.end(),
                     [&](const AddressBlock& block) { return block.Contains(bytes); });
}

// Whether any of the rule's filters passes `test`.
template <typename Test>
bool AnyFilter(const Compiled& compiled, const Principal& client, std::string_view text,
               Test test) {
  const Rule& rule = compiled.rule;
  if (rule.literal)
    return std::find(rule.filters.begin(), rule.filters.end(), text) != rule.filters.end();
  return compiled.filters.empty() ||
         std::any_of(compiled.filters.begin(), compiled.filters.end(), [&](const Levels& levels) {
           return test(Pattern(levels, client, rule.allow));
         });
}

}  // namespace

// Rules for one user or one client id only are found by that name; all are asked in file order.
struct AccessRules::Impl {
  using Order = std::vector<uint32_t>;
  std::vector<Compiled> rules;
  absl::flat_hash_map<std::string, Order> by_user;
  absl::flat_hash_map<std::string, Order> by_client;
  Order others;

  static std::span<const uint32_t> Look(const absl::flat_hash_map<std::string, Order>& map,
                                        const std::string& name) {
    const auto found = map.find(name);
    return found == map.end() ? std::span<const uint32_t>{} : std::span(found->second);
  }

  // Calls visit(rule) for each rule that speaks of the client and the action, until it returns
  // true.
  template <typename Visit>
  void Each(const Principal& client, Action action, Visit visit) const {
    std::array<std::span<const uint32_t>, 3> lists = {Look(by_user, client.user_name),
                                                      Look(by_client, client.client_id), others};
    for (;;) {
      auto* next = &lists[0];
      for (auto& list : lists) {
        if (next->empty() || (!list.empty() && list.front() < next->front())) next = &list;
      }
      if (next->empty()) return;
      const Compiled& compiled = rules[next->front()];
      *next = next->subspan(1);
      if ((compiled.rule.actions & action) == 0 || !Names(compiled, client)) continue;
      if (visit(compiled)) return;
    }
  }
};

AccessRules::AccessRules(bool default_allow)
    : impl_(std::make_unique<Impl>()), default_allow_(default_allow) {}

AccessRules::~AccessRules() = default;

absl::Status AccessRules::Add(const Rule& rule) {
  Compiled compiled;
  compiled.rule = rule;
  for (const std::string& filter : rule.filters) {
    absl::StatusOr<Levels> levels = ParseFilter(filter);
    if (!levels.ok()) return levels.status();
    if (!rule.literal) compiled.filters.push_back(std::move(*levels));
  }
  for (const std::string& address : rule.addresses) {
    absl::StatusOr<AddressBlock> block = ParseBlock(address);
    if (!block.ok()) return block.status();
    compiled.blocks.push_back(*block);
  }
  if (!rule.literal) compiled.rule.filters.clear();
  const auto index = static_cast<uint32_t>(impl_->rules.size());
  const bool exact_ids = std::none_of(rule.client_ids.begin(), rule.client_ids.end(),
                                      [](const std::string& id) { return id.ends_with('*'); });
  if (!rule.users.empty()) {
    for (const std::string& user : rule.users) {
      Impl::Order& order = impl_->by_user[user];
      if (order.empty() || order.back() != index) order.push_back(index);
    }
  } else if (!rule.client_ids.empty() && exact_ids) {
    for (const std::string& id : rule.client_ids) {
      Impl::Order& order = impl_->by_client[id];
      if (order.empty() || order.back() != index) order.push_back(index);
    }
  } else {
    impl_->others.push_back(index);
  }
  impl_->rules.push_back(std::move(compiled));
  return absl::OkStatus();
}

std::optional<AccessRules::Verdict> AccessRules::Find(const Principal& client, Action action,
                                                      std::string_view topic) const {
  std::optional<Verdict> verdict;
  impl_->Each(client, action, [&](const Compiled& compiled) {
    if (!AnyFilter(compiled, client, topic,
                   [&](const Pattern& pattern) { return pattern.Matches(topic); }))
      return false;
    verdict = Verdict{compiled.rule.allow, compiled.rule.source};
    return true;
  });
  return verdict;
}

bool AccessRules::DefaultFor(std::string_view topic) const {
  return default_allow_ && !IsSysTopic(topic);
}

AccessRules::Verdict AccessRules::Check(const Principal& client, Action action,
                                        std::string_view topic) const {
  return Find(client, action, topic).value_or(Verdict{DefaultFor(topic), {}});
}

AccessRules::FilterVerdict AccessRules::CheckFilter(const Principal& client, Action action,
                                                    std::string_view filter) const {
  FilterVerdict verdict{DefaultFor(filter) ? Access::kAllow : Access::kDeny, {}};
  bool partly_denied = false;
  impl_->Each(client, action, [&](const Compiled& compiled) {
    const Rule& rule = compiled.rule;
    if (AnyFilter(compiled, client, filter,
                  [&](const Pattern& pattern) { return pattern.Covers(filter); })) {
      verdict = {rule.allow ? Access::kAllow : Access::kDeny, rule.source};
      return true;
    }
    if (rule.allow) return false;
    partly_denied |= AnyFilter(compiled, client, filter,
                               [&](const Pattern& pattern) { return pattern.Overlaps(filter); });
    return false;
  });
  if (partly_denied && verdict.access == Access::kAllow) verdict.access = Access::kCheckEach;
  return verdict;
}

size_t AccessRules::size() const {
  return impl_->rules.size();
}

}  // namespace skein::auth
