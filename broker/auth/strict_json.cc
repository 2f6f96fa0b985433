#include "broker/auth/strict_json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace skein::auth {

std::optional<nlohmann::json> ParseStrictJson(std::string_view text) {
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> open;
  bool good = true;
  const auto look = [&](int depth, Event event, nlohmann::json& value) {
    good = good && depth <= kMaxJsonDepth;
    if (event == Event::object_start) open.emplace_back();
    if (event == Event::object_end && !open.empty()) open.pop_back();
    if (event == Event::key && !open.empty())
      good = open.back().insert(value.get_ref<const std::string&>()).second && good;
    return true;
  };
  nlohmann::json parsed = nlohmann::json::parse(text, look, false);
  if (!good || parsed.is_discarded()) return std::nullopt;
  return parsed;
}

}  // namespace skein::auth
