// Who may do what to which topic.
//
// Purpose: an ordered list of rules, compiled once, asked often. The first rule that applies
// decides; if none does, `default_allow`. Owner: shared by shards and principals. Thread: immutable
// once built; any thread, no locks. Errors: none at run time; building refuses (see Add()).
// Limits: one pass over the rules that name this client, a step a topic level; no allocation, no
// recursion.
//
// A rule names clients (all, by user name, client id or network address), actions and topic
// filters. In a filter `%u` and `%c` stand for the user name and the client id, and are exactly one
// level: a client whose name is empty or contains '+', '#' or '/' is not covered by a rule with
// that placeholder when it allows, and is when it denies.
//
// The rights of a subscription. Its filter may be wider than a rule's filter, so three answers:
//   covered by an allowing rule before any denying rule touches it  -> kAllow
//   an allowing rule covers it, but a denying rule before that one overlaps it -> kCheckEach:
//     granted, and every message is asked about (ActionBit kSubscribe) with its own topic
//   else kDeny
// `$share/group/filter` is asked with the inner filter and the right kShare besides kSubscribe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace skein::auth {

struct Principal;

// Bits of a rule's actions.
enum Action : uint8_t {
  kPublish = 1,
  kRetain = 2,     // publish with RETAIN set; asked besides kPublish
  kWill = 4,       // a will on this topic; asked besides kPublish (and kRetain)
  kSubscribe = 8,  // also: to be given a message with this topic
  kShare = 16,     // a shared subscription; asked besides kSubscribe
  kAllActions = 31,
};

enum class Access : uint8_t { kAllow, kDeny, kCheckEach };

// One rule as it is read from a file. Empty lists mean "any".
struct Rule {
  bool allow = false;
  uint8_t actions = kAllActions;
  std::vector<std::string> users;       // exact names
  std::vector<std::string> client_ids;  // exact; a trailing '*' matches any rest
  std::vector<std::string> addresses;   // "192.0.2.0/24", "2001:db8::/32", "192.0.2.7"
  bool anonymous_only = false;          // clients without a user name
  std::vector<std::string> filters;     // topic filters; "%u", "%c" as whole levels
  bool literal = false;                 // filters are compared as text: '+', '#' are no wildcards
  std::string source;                   // "acl.yaml:12", for the audit log
};

class AccessRules {
 public:
  explicit AccessRules(bool default_allow);
  ~AccessRules();
  AccessRules(const AccessRules&) = delete;

  // Appends a rule. INVALID_ARGUMENT says what is wrong (a bad filter, a placeholder that is not a
  // whole level, a bad address); nothing is added then.
  absl::Status Add(const Rule& rule);

  struct Verdict {
    bool allowed = false;
    std::string_view source;  // of the rule that decided; empty: the default
  };
  // Publish, retain or will to a topic name; or (kSubscribe) to be given a message with it. One
  // action. superuser is the caller's to look at.
  Verdict Check(const Principal& client, Action action, std::string_view topic) const;
  // The same, but nullopt if no rule applies.
  std::optional<Verdict> Find(const Principal& client, Action action, std::string_view topic) const;

  struct FilterVerdict {
    Access access = Access::kDeny;
    std::string_view source;
  };
  // kSubscribe or kShare to a topic filter (without "$share/group/").
  FilterVerdict CheckFilter(const Principal& client, Action action, std::string_view filter) const;

  size_t size() const;
  bool default_allow() const { return default_allow_; }

 private:
  struct Impl;
  // What the broker says about itself is for those whom a rule lets have it.
  bool DefaultFor(std::string_view topic) const;

  std::unique_ptr<Impl> impl_;
  const bool default_allow_;
};

}  // namespace skein::auth
