// What no client may do, whatever its rights.
//
// Purpose: topics the broker itself owns [MQTT-4.7.2-1].
// Thread: pure.
#pragma once

#include <string_view>

namespace skein::auth {

// What nodes keep for themselves among the retained messages (bans): clients neither write nor read
// it.
inline constexpr std::string_view kOwnTopics = "$skeinmq/";

// A topic or a filter.
inline bool IsOwnTopic(std::string_view text) {
  return text.starts_with(kOwnTopics) || text == kOwnTopics.substr(0, kOwnTopics.size() - 1);
}

// What the broker says about itself; also for a topic filter.
inline bool IsSysTopic(std::string_view topic) {
  return topic.starts_with("$SYS/") || topic == "$SYS";
}

inline bool ClientMayPublishTo(std::string_view topic) {
  return !IsSysTopic(topic) && !topic.starts_with("$share/") && !IsOwnTopic(topic);
}

inline bool ClientMaySubscribeTo(std::string_view filter) {
  return !IsOwnTopic(filter);
}

}  // namespace skein::auth
