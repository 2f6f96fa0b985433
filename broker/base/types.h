// Value types that every part of the broker shares.
//
// Purpose: names for the quantities that cross folder borders, so that a packet id is never taken
// for a slot. Thread: plain values, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skein {

// Milliseconds since the Unix epoch on a clock that never goes back: wall time taken once at start
// plus monotonic time since. Pure code receives it as `now` and never reads a clock itself.
using TimeMs = int64_t;

inline constexpr TimeMs kNever = INT64_MAX;

// MQTT packet identifier; 0 is never valid on the wire [MQTT-2.2.1-3].
using PacketId = uint16_t;

enum class Qos : uint8_t { kAtMostOnce = 0, kAtLeastOnce = 1, kExactlyOnce = 2 };

// Index of a session in its shard's table. Reused after the session ends, see SessionRef for a
// checked handle.
using SessionSlot = uint32_t;

inline constexpr SessionSlot kNoSession = UINT32_MAX;

// One thread of the broker, 0 .. shards-1.
using ShardId = uint16_t;

}  // namespace skein
