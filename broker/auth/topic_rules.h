// What no client may do, whatever its rights.
//
// Purpose: topics the broker itself owns [MQTT-4.7.2-1].
// Thread: pure.
#pragma once

#include <string_view>

namespace skein::auth {

// $SYS/... belongs to the broker.
inline bool ClientMayPublishTo(std::string_view topic) {
  return !topic.starts_with("$SYS/") && topic != "$SYS" && !topic.starts_with("$share/");
}

}  // namespace skein::auth
