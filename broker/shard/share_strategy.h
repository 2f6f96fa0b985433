// How a shared group chooses the member that a message goes to.
//
// Purpose: the choice an operator has, for all groups and for single ones. It has to be the same on
// every node of a cluster. Thread: a value, not changed after the start.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace skein::shard {

enum class ShareStrategy : uint8_t {
  kRoundRobin,  // in turn
  kRandom,
  kSticky,      // what a publisher sends stays with one member while that one is connected
  kLocalFirst,  // members on the publisher's shard, then on its node, then others; each in turn
  kHashClient,  // by the publisher's client id
  kHashTopic,   // by the topic
};
inline constexpr std::array<std::string_view, 6> kShareStrategyNames = {
    "round_robin", "random", "sticky", "local_first", "hash_client", "hash_topic"};

struct ShareStrategies {
  ShareStrategy usual = ShareStrategy::kRoundRobin;
  absl::flat_hash_map<std::string, ShareStrategy> groups;  // by share name, where it differs

  ShareStrategy Of(std::string_view share_name) const {
    if (groups.empty()) return usual;
    const auto found = groups.find(absl::string_view(share_name.data(), share_name.size()));
    return found == groups.end() ? usual : found->second;
  }
};

}  // namespace skein::shard
