// Access rules from files.
//
// Purpose: reads our own form (YAML) and mosquitto's acl_file. Thread: any, at start and reload.
// Limits: 16 MiB and 100,000 rules a file. Errors: INVALID_ARGUMENT with "file:line: what"; nothing
// of a file with an error is used. A file without rules allows nothing.
//
// YAML:
//   default: deny                 # or allow: what no rule speaks of
//   rules:
//     - allow: [publish, subscribe]   # or deny; of publish, retain, will, subscribe, share, all
//       users: [ann, bob]         # all conditions that are given must hold
//       clients: [dev-*]
//       from: [10.0.0.0/8]
//       anonymous: true           # clients without a user name
//       topics: ["devices/%c/#"]  # none: every topic
//       literal: false            # true: topics are filters as text, '#' means '#'
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "broker/auth/access_rules.h"

namespace skein::auth {

using RulesPtr = std::shared_ptr<const AccessRules>;

// By its name: .yaml and .yml are ours, everything else is mosquitto's.
absl::StatusOr<RulesPtr> LoadRules(const std::string& file);

absl::StatusOr<RulesPtr> ParseRules(const std::string& file, const std::string& yaml);

// `topic`, `user` and `pattern` as in mosquitto.conf(5): lines before the first `user` are for
// anonymous clients, those after it for that user, patterns for everybody. `deny` comes first.
absl::StatusOr<RulesPtr> ParseMosquittoRules(const std::string& file, std::string_view text);

}  // namespace skein::auth
