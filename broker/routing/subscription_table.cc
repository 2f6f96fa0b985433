// See subscription_table.h.
#include "broker/routing/subscription_table.h"

#include <algorithm>
#include <utility>

#include "broker/base/check.h"
#include "broker/routing/topic.h"

namespace skein::routing {
namespace {

uint8_t PackFlags(const SubscriptionOptions& options) {
  return static_cast<uint8_t>(static_cast<uint8_t>(options.qos) | (options.no_local ? 0x04 : 0) |
                              (options.retain_as_published ? 0x08 : 0) |
                              (options.retain_handling & 0x03) << 4);
}

// A list that once was long gives its memory back.
void ShrinkIfSparse(std::vector<Subscriber>* list) {
  constexpr size_t kKept = 16;
  if (list->capacity() > kKept && list->size() < list->capacity() / 4) {
    std::vector<Subscriber> tight;
    tight.reserve(list->size() * 2);
    tight.assign(list->begin(), list->end());
    list->swap(tight);
  }
}

}  // namespace

FilterId SubscriptionTable::Find(std::string_view filter_text) const {
  const ParsedFilter parsed = ParseFilter(filter_text);
  if (parsed.shared()) {
    const uint32_t group = FindGroup(filter_text);
    return group == TextIndex::kNone ? kNoFilter : group | kGroupBit;
  }
  const uint32_t entry = index_.Find(parsed.topic_filter);
  return entry == index_.kNone || index_[entry].plain.empty() ? kNoFilter : entry;
}

SubscriptionHandle SubscriptionTable::Add(std::string_view filter_text, SessionSlot session,
                                          const SubscriptionOptions& options) {
  const FilterId filter = FindOrAddFilter(filter_text);
  std::vector<Subscriber>& list = SubscribersOf(filter);
  if (list.empty()) {
    if (!IsGroup(filter)) ++plain_filters_;
    ++version_;
    list.reserve(1);
  }
  const SubscriptionHandle handle =
      subscriptions_.Insert(Place{filter, static_cast<uint32_t>(list.size()), options.since});
  list.push_back(Subscriber{session, handle, options.identifier, PackFlags(options)});
  return handle;
}

void SubscriptionTable::Update(SubscriptionHandle handle, const SubscriptionOptions& options) {
  const Place place = subscriptions_[handle];
  Subscriber& subscriber = SubscribersOf(place.filter)[place.position];
  subscriber.identifier = options.identifier;
  subscriber.flags = PackFlags(options);
}

void SubscriptionTable::Remove(SubscriptionHandle handle) {
  const Place place = subscriptions_[handle];
  std::vector<Subscriber>& list = SubscribersOf(place.filter);
  SKEIN_CHECK(place.position < list.size() && list[place.position].handle == handle);
  list[place.position] = list.back();
  subscriptions_[list[place.position].handle].position = place.position;
  list.pop_back();
  subscriptions_.Erase(handle);
  if (list.empty()) {
    DropFilter(place.filter);
  } else {
    ShrinkIfSparse(&list);
  }
}

FilterId SubscriptionTable::filter(SubscriptionHandle handle) const {
  return subscriptions_[handle].filter;
}

SubscriptionOptions SubscriptionTable::options(SubscriptionHandle handle) const {
  const Subscriber& subscriber = At(handle);
  return {subscriber.qos(),
          subscriber.no_local(),
          subscriber.retain_as_published(),
          subscriber.retain_handling(),
          subscriber.identifier,
          since(handle)};
}

SessionSlot SubscriptionTable::session(SubscriptionHandle handle) const {
  return At(handle).session;
}

std::string_view SubscriptionTable::text(FilterId filter) const {
  if (IsGroup(filter)) return groups_[filter & ~kGroupBit].text();
  return index_.text(filter);
}

const std::vector<Subscriber>& SubscriptionTable::members(FilterId filter) const {
  return IsGroup(filter) ? groups_[filter & ~kGroupBit].members : index_[filter].plain;
}

void SubscriptionTable::Match(std::string_view topic, Matches* out) {
  out->Clear();
  index_.Match(topic, [this, out](Entry& entry) {
    if (!entry.plain.empty()) out->plain.push_back(&entry.plain);
    if (entry.groups == nullptr) return;
    for (const uint32_t group : *entry.groups)
      out->shared.push_back(&groups_[group]);
  });
}

SubscriptionTable::Footprint SubscriptionTable::footprint() const {
  return {subscriptions_.capacity(), groups_.capacity(), index_.footprint()};
}

uint32_t SubscriptionTable::FindGroup(std::string_view filter_text) const {
  return group_index_.Find(filter_text,
                           [this](uint32_t id) -> std::string_view { return groups_[id].text(); });
}

FilterId SubscriptionTable::FindOrAddFilter(std::string_view filter_text) {
  const ParsedFilter parsed = ParseFilter(filter_text);
  if (parsed.shared()) {
    const uint32_t group = FindGroup(filter_text);
    if (group != TextIndex::kNone) return group | kGroupBit;
  }
  uint32_t entry = index_.Find(parsed.topic_filter);
  if (entry == index_.kNone) entry = index_.Insert(parsed.topic_filter);
  return parsed.shared() ? AddGroup(filter_text, entry, parsed.share_name.size()) : entry;
}

FilterId SubscriptionTable::AddGroup(std::string_view filter_text, uint32_t entry,
                                     size_t share_name_size) {
  SharedGroup group;
  group.name = ShareRef(filter_text);
  group.share_name_size = static_cast<uint32_t>(share_name_size);
  group.entry = entry;
  const uint32_t slot = groups_.Insert(std::move(group));
  groups_[slot].id = slot | kGroupBit;
  group_index_.Insert(filter_text, slot);
  std::unique_ptr<std::vector<uint32_t>>& groups = index_[entry].groups;
  if (groups == nullptr) groups = std::make_unique<std::vector<uint32_t>>();
  groups->push_back(slot);
  return slot | kGroupBit;
}

// Needs a filter whose last subscriber has gone.
void SubscriptionTable::DropFilter(FilterId filter) {
  ++version_;
  uint32_t entry = filter;
  if (IsGroup(filter)) {
    const uint32_t slot = filter & ~kGroupBit;
    entry = groups_[slot].entry;
    std::unique_ptr<std::vector<uint32_t>>& groups = index_[entry].groups;
    std::erase(*groups, slot);
    if (groups->empty()) groups.reset();
    group_index_.Erase(groups_[slot].text(), slot);
    groups_.Erase(slot);
  } else {
    --plain_filters_;
    index_[entry].plain.shrink_to_fit();
  }
  if (index_[entry].empty()) index_.Erase(entry);
}

std::vector<Subscriber>& SubscriptionTable::SubscribersOf(FilterId filter) {
  return IsGroup(filter) ? groups_[filter & ~kGroupBit].members : index_[filter].plain;
}

const Subscriber& SubscriptionTable::At(SubscriptionHandle handle) const {
  const Place place = subscriptions_[handle];
  if (IsGroup(place.filter)) return groups_[place.filter & ~kGroupBit].members[place.position];
  return index_[place.filter].plain[place.position];
}

}  // namespace skein::routing
