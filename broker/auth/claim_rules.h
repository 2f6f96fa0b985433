// Access rules that come with credentials, as JSON.
//
// Purpose: the `acl` of a token or of a back end's answer, in the two forms that EMQX knows:
//   {"pub": ["a/#"], "sub": ["b/${clientid}/#"], "all": ["c"]}
//   [{"permission": "allow", "action": "publish", "topic": "a/#"}, ...]
// in the second with action publish, subscribe or all, a topic that may begin with "eq " (the
// filter itself, no wildcards), and retain (false with allow: not retained; true with deny: only
// retained). What the rules do not name is denied. For .cc files only. Thread: pure. Limits:
// kMaxClaimRules. Errors: INVALID_ARGUMENT for what is not understood; then nobody should be let
// in.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "broker/auth/rules_file.h"

namespace skein::auth {

inline constexpr size_t kMaxClaimRules = 1'000;

absl::StatusOr<RulesPtr> RulesOfClaim(const nlohmann::json& acl);

}  // namespace skein::auth
