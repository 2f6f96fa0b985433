#include "storage/log/retained_sums.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>

namespace skein::storage {

void RetainedSums::Flip(std::string_view key, const RetainedStamp& stamp, TimeMs until) {
  constexpr TimeMs kStepMs = shard::RetainedDigest::kStepMs;
  const TimeMs leaves = until == kNever ? kNever : until / kStepMs * kStepMs;
  if (leaves <= digest_.as_of) return;
  const std::array<uint64_t, 3> parts = {XXH3_64bits(key.data(), key.size()),
                                         static_cast<uint64_t>(stamp.time), stamp.tie};
  const uint64_t hash = XXH3_64bits(parts.data(), sizeof parts);
  const size_t bucket = routing::RetainedBucket(key);
  digest_.buckets[bucket] ^= hash;
  if (leaves == kNever) return;
  const auto slot = leaving_.try_emplace({leaves, bucket}, 0).first;
  slot->second ^= hash;
  if (slot->second == 0) leaving_.erase(slot);
}

const shard::RetainedDigest& RetainedSums::AsOf(TimeMs now) {
  constexpr TimeMs kStepMs = shard::RetainedDigest::kStepMs;
  if (now < digest_.as_of + kStepMs) return digest_;
  digest_.as_of = now / kStepMs * kStepMs;
  while (!leaving_.empty() && leaving_.begin()->first.first <= digest_.as_of) {
    digest_.buckets[leaving_.begin()->first.second] ^= leaving_.begin()->second;
    leaving_.erase(leaving_.begin());
  }
  return digest_;
}

}  // namespace skein::storage
