// Who on this shard is subscribed to what.
//
// Purpose: from a topic to the subscribers of every filter that matches it, and from a subscription
// back to its filter. Plain subscriptions and shared groups of the same topic filter are
// independent.
// Thread: confined to its shard. Limits: fewer than 2^31 filters and as many subscriptions; the
// owner bounds both (Limits::max_subscriptions). Memory: the subscribers of a filter are
// contiguous, 16 bytes each; a subscription of an exact filter nobody else has costs about 150
// bytes and its text (tests/bench/micro_routing.cc measures it); all of it returns with the last
// subscription.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "broker/base/types.h"
#include "broker/routing/filter_index.h"
#include "broker/routing/share_ref.h"
#include "broker/routing/slab.h"
#include "broker/routing/text_index.h"

namespace skein::routing {

// A filter that has subscribers; the number is reused when the last one went.
using FilterId = uint32_t;
// One session's subscription to one filter; reused after Remove().
using SubscriptionHandle = uint32_t;

inline constexpr FilterId kNoFilter = UINT32_MAX;
inline constexpr SubscriptionHandle kNoSubscription = UINT32_MAX;

// MQTT 5.0 section 3.8.3.1.
struct SubscriptionOptions {
  Qos qos = Qos::kAtMostOnce;  // the maximum the client wants
  bool no_local = false;
  bool retain_as_published = false;
  uint8_t retain_handling = 0;
  uint32_t identifier = 0;  // 0 = none, identifiers start at 1
  // No option: when the subscription was made. A message that was kept on its way is older than a
  // subscription that was made meanwhile. 0: not known, long ago.
  TimeMs since = 0;

  bool operator==(const SubscriptionOptions&) const = default;
};

// What the fan-out of a message needs to know about one subscription.
struct Subscriber {
  SessionSlot session = kNoSession;
  SubscriptionHandle handle = kNoSubscription;
  uint32_t identifier = 0;
  uint8_t flags = 0;  // as the Subscription Options byte on the wire

  Qos qos() const { return static_cast<Qos>(flags & 0x03); }
  bool no_local() const { return (flags & 0x04) != 0; }
  bool retain_as_published() const { return (flags & 0x08) != 0; }
  uint8_t retain_handling() const { return flags >> 4 & 0x03; }
};
static_assert(sizeof(Subscriber) <= 16);

// The members of "$share/{share_name}/{topic_filter}" on this shard.
struct SharedGroup {
  std::string_view share_name() const { return text().substr(kPrefix, share_name_size); }
  std::string_view topic_filter() const { return text().substr(kPrefix + share_name_size + 1); }
  std::string_view text() const { return name.text(); }

  static constexpr size_t kPrefix = 7;  // "$share/"

  ShareRef name;
  uint32_t share_name_size = 0;
  // Whose turn it is, for the owner to advance; take it modulo members.size().
  uint32_t next = 0;
  FilterId id = kNoFilter;
  // The entry of the topic filter.
  uint32_t entry = 0;
  std::vector<Subscriber> members;
};

class SubscriptionTable {
 public:
  SubscriptionTable() = default;
  SubscriptionTable(const SubscriptionTable&) = delete;
  SubscriptionTable& operator=(const SubscriptionTable&) = delete;

  // The filter as it stands in SUBSCRIBE, "$share/{name}/{filter}" included; kNoFilter when nobody
  // is subscribed to it.
  FilterId Find(std::string_view filter_text) const;

  // Needs a filter ValidateTopicFilter() accepts, to which the session is not subscribed yet.
  SubscriptionHandle Add(std::string_view filter_text, SessionSlot session,
                         const SubscriptionOptions& options);
  // It stays as old as it is.
  void Update(SubscriptionHandle handle, const SubscriptionOptions& options);
  // O(1). The filter's last subscriber takes the removed one's place in the order.
  void Remove(SubscriptionHandle handle);

  FilterId filter(SubscriptionHandle handle) const;
  SubscriptionOptions options(SubscriptionHandle handle) const;
  SessionSlot session(SubscriptionHandle handle) const;
  TimeMs since(SubscriptionHandle handle) const { return subscriptions_[handle].since; }

  std::string_view text(FilterId filter) const;
  size_t subscribers(FilterId filter) const { return members(filter).size(); }
  const std::vector<Subscriber>& members(FilterId filter) const;

  struct Matches {
    absl::InlinedVector<const std::vector<Subscriber>*, 8> plain;
    absl::InlinedVector<SharedGroup*, 2> shared;

    void Clear() {
      plain.clear();
      shared.clear();
    }
  };
  // Replaces *out by all filters and shared groups with subscribers that match the topic. The
  // pointers hold until their filter loses its last subscriber; subscribers come and go in them.
  void Match(std::string_view topic, Matches* out);

  // Calls visit(members, group) for each filter and each shared group with subscribers that match
  // the topic; group is null for a filter. For who only looks.
  template <class F>
  void ForEachMatch(std::string_view topic, F visit) const {
    index_.MatchIds(topic, [&](uint32_t id) {
      const Entry& entry = index_[id];
      const SharedGroup* none = nullptr;
      if (!entry.plain.empty()) visit(entry.plain, none);
      if (entry.groups == nullptr) return;
      for (const uint32_t slot : *entry.groups)
        visit(groups_[slot].members, &groups_[slot]);
    });
  }

  // Calls visit(text) for each filter with subscribers in one of kParts parts, see
  // TextIndex::ForEachIn().
  static constexpr size_t kParts = TextIndex::kParts;
  template <class F>
  void ForEachFilterIn(size_t part, F visit) const {
    index_.ForEachIn(part, [&](uint32_t id) {
      const Entry& entry = index_[id];
      if (!entry.plain.empty()) visit(index_.text(id));
      if (entry.groups == nullptr) return;
      for (const uint32_t group : *entry.groups)
        visit(std::string_view(groups_[group].text()));
    });
  }

  // Moves whenever a filter appears or disappears: until then, the Matches of a topic are the same.
  uint64_t version() const { return version_; }
  // Subscriptions.
  size_t size() const { return subscriptions_.size(); }
  // Filters that have subscribers; a shared group is one.
  size_t filters() const { return plain_filters_ + groups_.size(); }

  // Memory there is for each kind, for tests and metrics.
  struct Footprint {
    size_t subscriptions = 0;
    size_t groups = 0;
    FilterFootprint index;
  };
  Footprint footprint() const;

 private:
  // What hangs on a topic filter.
  struct Entry {
    std::vector<Subscriber> plain;
    std::unique_ptr<std::vector<uint32_t>> groups;  // ids in groups_, null when there are none

    bool empty() const { return plain.empty() && groups == nullptr; }
  };
  // Where a subscription stands.
  struct Place {
    FilterId filter = kNoFilter;
    uint32_t position = 0;
    TimeMs since = 0;
  };

  static constexpr FilterId kGroupBit = FilterId{1} << 31;
  static bool IsGroup(FilterId filter) { return (filter & kGroupBit) != 0; }

  uint32_t FindGroup(std::string_view filter_text) const;
  FilterId FindOrAddFilter(std::string_view filter_text);
  FilterId AddGroup(std::string_view filter_text, uint32_t entry, size_t share_name_size);
  void DropFilter(FilterId filter);
  std::vector<Subscriber>& SubscribersOf(FilterId filter);
  const Subscriber& At(SubscriptionHandle handle) const;

  FilterIndex<Entry> index_;  // by topic filter, without "$share/{name}/"
  Slab<SharedGroup> groups_;
  TextIndex group_index_;
  Slab<Place> subscriptions_;
  size_t plain_filters_ = 0;
  uint64_t version_ = 0;
};

}  // namespace skein::routing
