// The order of writes to one topic's retained message, equal on every node.
//
// Purpose: the later time wins; at the same time, which two nodes can have, the one whose content
// has the greater hash. A removal has hash 0. Thread: pure.
#pragma once

#include <compare>
#include <cstdint>

#include "broker/mqtt/message.h"

namespace skein::storage {

struct RetainedStamp {
  TimeMs time = 0;
  uint32_t tie = 0;

  static RetainedStamp Of(const mqtt::Message& message);
  auto operator<=>(const RetainedStamp&) const = default;
};

}  // namespace skein::storage
