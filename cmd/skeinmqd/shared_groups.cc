#include "cmd/skeinmqd/shared_groups.h"

#include <algorithm>

namespace skein::config {

using shard::kShareStrategyNames;
using shard::ShareStrategy;

std::optional<ShareStrategy> ParseStrategy(std::string_view text) {
  const auto found = std::find(kShareStrategyNames.begin(), kShareStrategyNames.end(), text);
  if (found == kShareStrategyNames.end()) return std::nullopt;
  return static_cast<ShareStrategy>(found - kShareStrategyNames.begin());
}

std::string_view NameOf(ShareStrategy strategy) {
  return kShareStrategyNames[static_cast<size_t>(strategy)];
}

std::optional<GroupStrategies> ParseGroupStrategies(std::string_view text) {
  GroupStrategies groups;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const size_t equals = one.rfind('=');
    if (equals == one.npos || equals == 0) return std::nullopt;
    const std::string_view name = one.substr(0, equals);
    const std::optional<ShareStrategy> strategy = ParseStrategy(one.substr(equals + 1));
    // [MQTT-4.8.2-2]
    if (!strategy || name.find_first_of("/+#") != name.npos) return std::nullopt;
    if (!groups.emplace(name, *strategy).second) return std::nullopt;
  }
  return groups;
}

std::string FormatGroupStrategies(const GroupStrategies& groups) {
  std::string text;
  for (const auto& [name, strategy] : groups)
    text += (text.empty() ? "" : ",") + name + "=" + std::string(NameOf(strategy));
  return text;
}

}  // namespace skein::config
