#include "storage/log/tombstones.h"

#include "broker/routing/retained_scan.h"

namespace skein::storage {

std::optional<std::string> Tombstones::Set(std::string_view key, TimeMs stamp) {
  Erase(key);
  stamps_.emplace(std::string(key), stamp);
  by_age_.emplace(stamp, std::string(key));
  Count(key, stamp);
  if (stamps_.size() <= kMaximum) return std::nullopt;
  ++forgotten_;
  return DropOldest();
}

void Tombstones::Erase(std::string_view key) {
  const auto found = stamps_.find(absl::string_view(key.data(), key.size()));
  if (found == stamps_.end()) return;
  Count(key, found->second);
  by_age_.erase({found->second, found->first});
  stamps_.erase(found);
}

std::optional<std::string> Tombstones::Expire(TimeMs now) {
  if (by_age_.empty() || by_age_.begin()->first > now - kKeepMs) return std::nullopt;
  return DropOldest();
}

bool Tombstones::WouldKeep(TimeMs stamp, TimeMs now) const {
  return stamp > now - kKeepMs && (stamps_.size() < kMaximum || stamp > by_age_.begin()->first);
}

std::vector<mqtt::MessagePtr> Tombstones::AsMessages(const shard::RetainedBuckets& buckets) const {
  std::vector<mqtt::MessagePtr> removals;
  for (const auto& [stamp, key] : by_age_) {
    if (!buckets[routing::RetainedBucket(key)]) continue;
    const std::string topic = routing::DecodeRetainedKey(key);
    mqtt::Message::Init init;
    init.topic = topic;
    init.retain = true;
    init.received_at = stamp;
    removals.push_back(mqtt::Message::Make(init));
  }
  return removals;
}

void Tombstones::Count(std::string_view key, TimeMs stamp) {
  sums_.Flip(key, {stamp, 0}, stamp + kKeepMs);
}

std::string Tombstones::DropOldest() {
  const auto oldest = by_age_.begin();
  std::string key = oldest->second;
  Count(key, oldest->first);
  by_age_.erase(oldest);
  stamps_.erase(key);
  return key;
}

}  // namespace skein::storage
