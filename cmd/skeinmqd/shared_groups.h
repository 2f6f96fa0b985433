// Strategies of single shared groups as a configuration has them: "NAME=STRATEGY,NAME=STRATEGY".
//
// Purpose: reads and writes them. Thread: pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/shard/share_strategy.h"

namespace skein::config {

inline constexpr std::string_view kStrategiesAllowed =
    "round_robin, random, sticky, local_first, hash_client or hash_topic";

std::optional<shard::ShareStrategy> ParseStrategy(std::string_view text);
std::string_view NameOf(shard::ShareStrategy strategy);

using GroupStrategies = std::map<std::string, shard::ShareStrategy>;

// Nothing if one of them is not NAME=STRATEGY, is no share name, or is named twice. A name may have
// '=' in it, but no comma.
std::optional<GroupStrategies> ParseGroupStrategies(std::string_view text);
std::string FormatGroupStrategies(const GroupStrategies& groups);

}  // namespace skein::config
