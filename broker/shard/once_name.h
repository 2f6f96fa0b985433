// The name of a QoS 2 message in a queue entry.
//
// Purpose: an entry of the broker's own queues (Outbox, OnceBook) has no field for it, and
// subscription identifiers mean nothing there: these carry it, lower half first
// (docs/formats.md). Thread: pure.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace skein::shard {

inline std::array<uint32_t, 2> SplitOnce(uint64_t once) {
  return {static_cast<uint32_t>(once), static_cast<uint32_t>(once >> 32)};
}

// 0: the entry has none.
inline uint64_t JoinOnce(const std::vector<uint32_t>& ids) {
  return ids.size() == 2 ? uint64_t{ids[1]} << 32 | ids[0] : 0;
}

}  // namespace skein::shard
