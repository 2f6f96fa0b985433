// A node's retained messages and the removals it remembers, in numbers to compare nodes by.
//
// Purpose: topics are divided into buckets (routing::RetainedBucket()); two nodes that have the
// same in a bucket have the same number there. What ends by itself, an expired message or a removal
// that has been remembered for long enough, leaves the digest at a full minute before its end: at
// the same as_of on every node, and before any of them drops it. Thread: a value.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include "broker/base/types.h"
#include "broker/routing/retained_scan.h"

namespace skein::shard {

struct RetainedDigest {
  static constexpr TimeMs kStepMs = 60'000;

  TimeMs as_of = 0;  // a multiple of kStepMs; digests of another time cannot be compared
  std::array<uint64_t, routing::kRetainedBuckets> buckets{};
};

using RetainedBuckets = std::bitset<routing::kRetainedBuckets>;

}  // namespace skein::shard
