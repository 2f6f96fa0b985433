// Where a message must go: the routing replica each shard holds.
//
// Purpose: from a topic to the destinations that have subscribers for it, and to one destination of
// each shared group. The shards publish their filters to it; so will nodes and partitions.
// Thread: confined to its shard. Limits: its writers' (fewer than 2^31 filters). Set() and Match()
// take time by the length of the text; WithdrawAll() by the number of filters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "broker/routing/filter_index.h"
#include "broker/routing/slab.h"
#include "broker/routing/text_index.h"

namespace skein::routing {

// A shard of this node; nodes and partitions later.
using Destination = uint32_t;

class RouteTable {
 public:
  RouteTable() = default;
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  // Says that the destination has `weight` subscribers (members, for a shared group) of the filter,
  // written as in SUBSCRIBE; replaces what it said before. 0 withdraws.
  void Set(std::string_view filter_text, Destination destination, uint32_t weight);
  // Calls visit(text, weight) for all that the destination said; visit must not change the table.
  template <class F>
  void ForEachOf(Destination destination, F visit) const {
    ForEach([&](std::string_view text, Destination teller, uint32_t weight) {
      if (teller == destination) visit(text, weight);
    });
  }
  // Calls visit(text, destination, weight) for all that anybody said; visit must not change it.
  template <class F>
  void ForEach(F visit) const {
    index_.ForEach([&](uint32_t id) { VisitEntry(id, visit); });
  }
  // The same for one of kParts parts, see TextIndex::ForEachIn().
  static constexpr size_t kParts = TextIndex::kParts;
  template <class F>
  void ForEachIn(size_t part, F visit) const {
    index_.ForEachIn(part, [&](uint32_t id) { VisitEntry(id, visit); });
  }
  // Withdraws all that the destination said.
  void WithdrawAll(Destination destination);

  struct Share {
    Destination destination = 0;
    uint32_t weight = 0;
  };
  // A shared group, wherever its members are.
  struct SharedRoute {
    std::string_view text;  // "$share/{name}/{filter}"
    absl::InlinedVector<Share, 4> shares;
    uint32_t turn = 0;

    // The destination whose turn it is; each gets as many turns a round as it has members.
    Destination Pick();
  };

  struct Matches {
    absl::InlinedVector<Destination, 8> destinations;  // for plain subscriptions, each once
    absl::InlinedVector<SharedRoute*, 2> shared;

    void Clear() {
      destinations.clear();
      shared.clear();
    }
  };
  // Replaces *out. The pointers hold until the next Set() or WithdrawAll().
  void Match(std::string_view topic, Matches* out);

  // Calls visit(text, shares) for each filter and each shared group that matches the topic; shares
  // is a range of Share. For who only looks.
  template <class F>
  void ForEachMatch(std::string_view topic, F visit) const {
    index_.MatchIds(topic, [&](uint32_t id) {
      const Entry& entry = index_[id];
      if (!entry.plain.empty()) visit(index_.text(id), std::span(entry.plain));
      if (entry.groups == nullptr) return;
      for (const uint32_t slot : *entry.groups)
        visit(std::string_view(groups_[slot].text), std::span(groups_[slot].route.shares));
    });
  }

  // Somebody said that there are members of the shared group.
  bool HasGroup(std::string_view filter_text) const {
    return FindGroup(filter_text) != TextIndex::kNone;
  }

  // Pairs of filter and destination.
  size_t size() const { return size_; }

  // What a destination said, in two numbers to compare replicas by: equal where that is, whatever
  // the order of the calls, on any machine and whatever number the destination has there.
  struct Digest {
    uint64_t routes = 0;   // filters with their weights
    uint64_t filters = 0;  // the sum of FilterHash()
    bool operator==(const Digest&) const = default;
  };
  Digest DigestOf(Destination destination) const {
    const auto found = digests_.find(destination);
    return found == digests_.end() ? Digest() : found->second;
  }
  // How many filters it said.
  size_t CountOf(Destination destination) const {
    const auto found = counts_.find(destination);
    return found == counts_.end() ? 0 : found->second;
  }
  static uint64_t FilterHash(std::string_view filter_text);
  // Moves with every change.
  uint64_t version() const { return version_; }

 private:
  struct Entry {
    absl::InlinedVector<Share, 2> plain;
    std::unique_ptr<std::vector<uint32_t>> groups;  // ids in groups_, null when there are none

    bool empty() const { return plain.empty() && groups == nullptr; }
  };
  struct Group {
    std::string text;
    SharedRoute route;
    uint32_t entry = 0;  // of the topic filter
  };

  template <class F>
  void VisitEntry(uint32_t id, F& visit) const {
    const Entry& entry = index_[id];
    for (const Share& share : entry.plain)
      visit(index_.text(id), share.destination, share.weight);
    if (entry.groups == nullptr) return;
    for (const uint32_t slot : *entry.groups) {
      for (const Share& share : groups_[slot].route.shares)
        visit(std::string_view(groups_[slot].text), share.destination, share.weight);
    }
  }
  void SetPlain(std::string_view topic_filter, Destination destination, uint32_t weight);
  void SetShared(std::string_view filter_text, std::string_view topic_filter,
                 Destination destination, uint32_t weight);
  uint32_t FindGroup(std::string_view filter_text) const;
  uint32_t AddGroup(std::string_view filter_text, std::string_view topic_filter);
  void DropGroup(uint32_t group);
  // Changes one destination's share and its digest.
  template <class Shares>
  void Assign(std::string_view filter_text, Destination destination, uint32_t weight,
              Shares* shares);

  FilterIndex<Entry> index_;  // by topic filter, without "$share/{name}/"
  Slab<Group> groups_;
  TextIndex group_index_;
  size_t size_ = 0;
  uint64_t version_ = 0;
  absl::flat_hash_map<Destination, Digest> digests_;
  absl::flat_hash_map<Destination, size_t> counts_;
  // The match that last yielded a destination, so that each is yielded once.
  absl::flat_hash_map<Destination, uint64_t> last_seen_;
  uint64_t match_ = 0;
};

}  // namespace skein::routing
