// Which retained messages were removed, and when.
//
// Purpose: in a cluster a removal must win over an older message that another node still has; it is
// remembered for kKeepMs. Owner: a retained store, under its lock. Limits: kMaximum; the oldest is
// forgotten first, and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "broker/base/types.h"

namespace skein::storage {

class Tombstones {
 public:
  static constexpr TimeMs kKeepMs = TimeMs{24} * 3600 * 1000;
  static constexpr size_t kMaximum = 1'000'000;

  std::optional<TimeMs> Find(std::string_view key) const {
    const auto found = stamps_.find(absl::string_view(key.data(), key.size()));
    return found == stamps_.end() ? std::nullopt : std::optional(found->second);
  }
  // Returns a key that had to be forgotten for it, or nothing.
  std::optional<std::string> Set(std::string_view key, TimeMs stamp) {
    Erase(key);
    stamps_.emplace(std::string(key), stamp);
    by_age_.emplace(stamp, std::string(key));
    if (stamps_.size() <= kMaximum) return std::nullopt;
    ++forgotten_;
    return DropOldest();
  }
  void Erase(std::string_view key) {
    const auto found = stamps_.find(absl::string_view(key.data(), key.size()));
    if (found == stamps_.end()) return;
    by_age_.erase({found->second, found->first});
    stamps_.erase(found);
  }
  // Forgets one that is older than kKeepMs.
  std::optional<std::string> Expire(TimeMs now) {
    if (by_age_.empty() || by_age_.begin()->first > now - kKeepMs) return std::nullopt;
    return DropOldest();
  }
  template <class F>
  void ForEach(F visit) const {
    for (const auto& [stamp, key] : by_age_)
      visit(key, stamp);
  }
  size_t size() const { return stamps_.size(); }
  uint64_t forgotten() const { return forgotten_; }

 private:
  std::string DropOldest() {
    std::string key = by_age_.begin()->second;
    by_age_.erase(by_age_.begin());
    stamps_.erase(key);
    return key;
  }

  absl::flat_hash_map<std::string, TimeMs> stamps_;
  std::set<std::pair<TimeMs, std::string>> by_age_;
  uint64_t forgotten_ = 0;
};

}  // namespace skein::storage
