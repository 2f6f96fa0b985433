// JSON from strangers.
//
// Purpose: what a token or a back end says, without surprises: no name twice in an object, no depth
// without end. For .cc files only. Thread: pure. Limits: kMaxDepth.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

namespace skein::auth {

inline constexpr int kMaxJsonDepth = 16;

std::optional<nlohmann::json> ParseStrictJson(std::string_view text);

}  // namespace skein::auth
