// Which retained messages were removed, and when.
//
// Purpose: in a cluster a removal must win over an older message that another node still has; it is
// remembered for kKeepMs. Owner: a retained store, under its lock; the sums are the store's.
// Limits: kMaximum; the oldest is forgotten first, and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "broker/base/types.h"
#include "broker/mqtt/message.h"
#include "storage/log/retained_sums.h"

namespace skein::storage {

class Tombstones {
 public:
  static constexpr TimeMs kKeepMs = TimeMs{24} * 3600 * 1000;
  static constexpr size_t kMaximum = 1'000'000;

  explicit Tombstones(RetainedSums* sums) : sums_(*sums) {}

  std::optional<TimeMs> Find(std::string_view key) const {
    const auto found = stamps_.find(absl::string_view(key.data(), key.size()));
    return found == stamps_.end() ? std::nullopt : std::optional(found->second);
  }
  // Returns a key that had to be forgotten for it, or nothing.
  std::optional<std::string> Set(std::string_view key, TimeMs stamp);
  void Erase(std::string_view key);
  // Forgets one that is older than kKeepMs.
  std::optional<std::string> Expire(TimeMs now);
  // One with this stamp would not be forgotten at once.
  bool WouldKeep(TimeMs stamp, TimeMs now) const;
  // Those in the buckets, as messages without a payload.
  std::vector<mqtt::MessagePtr> AsMessages(const shard::RetainedBuckets& buckets) const;
  size_t size() const { return stamps_.size(); }
  uint64_t forgotten() const { return forgotten_; }

 private:
  // It is there from now on, or not any more.
  void Count(std::string_view key, TimeMs stamp);
  std::string DropOldest();

  RetainedSums& sums_;
  absl::flat_hash_map<std::string, TimeMs> stamps_;
  std::set<std::pair<TimeMs, std::string>> by_age_;
  uint64_t forgotten_ = 0;
};

}  // namespace skein::storage
