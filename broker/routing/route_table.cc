// See route_table.h.
#include "broker/routing/route_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "broker/base/check.h"
#include "broker/routing/topic.h"

namespace skein::routing {
namespace {

// A route's part of its destination's digest.
uint64_t RouteHash(uint64_t filter_hash, uint32_t weight) {
  return XXH3_64bits_withSeed(&filter_hash, sizeof filter_hash, weight);
}

}  // namespace

Destination RouteTable::SharedRoute::Pick() {
  SKEIN_CHECK(!shares.empty());
  uint64_t total = 0;
  for (const Share& share : shares)
    total += share.weight;
  uint64_t place = turn % total;
  turn = static_cast<uint32_t>((place + 1) % total);
  for (const Share& share : shares) {
    if (place < share.weight) return share.destination;
    place -= share.weight;
  }
  return shares.front().destination;
}

void RouteTable::Set(std::string_view filter_text, Destination destination, uint32_t weight) {
  const ParsedFilter parsed = ParseFilter(filter_text);
  if (parsed.shared()) {
    SetShared(filter_text, parsed.topic_filter, destination, weight);
  } else {
    SetPlain(parsed.topic_filter, destination, weight);
  }
}

void RouteTable::WithdrawAll(Destination destination) {
  std::vector<std::string> texts;
  ForEachOf(destination, [&](std::string_view text, uint32_t) { texts.emplace_back(text); });
  for (const std::string& text : texts)
    Set(text, destination, 0);
  last_seen_.erase(destination);
  ++version_;
  digests_.erase(destination);
}

void RouteTable::Match(std::string_view topic, Matches* out) {
  out->Clear();
  ++match_;
  index_.Match(topic, [this, out](Entry& entry) {
    for (const Share& share : entry.plain) {
      uint64_t& seen = last_seen_[share.destination];
      if (seen != match_) out->destinations.push_back(share.destination);
      seen = match_;
    }
    if (entry.groups == nullptr) return;
    for (const uint32_t group : *entry.groups)
      out->shared.push_back(&groups_[group].route);
  });
}

void RouteTable::SetPlain(std::string_view topic_filter, Destination destination, uint32_t weight) {
  uint32_t id = index_.Find(topic_filter);
  if (id == index_.kNone) {
    if (weight == 0) return;
    id = index_.Insert(topic_filter);
  }
  Assign(topic_filter, destination, weight, &index_[id].plain);
  if (index_[id].empty()) index_.Erase(id);
}

void RouteTable::SetShared(std::string_view filter_text, std::string_view topic_filter,
                           Destination destination, uint32_t weight) {
  uint32_t slot = FindGroup(filter_text);
  if (slot == TextIndex::kNone) {
    if (weight == 0) return;
    slot = AddGroup(filter_text, topic_filter);
  }
  Assign(filter_text, destination, weight, &groups_[slot].route.shares);
  if (groups_[slot].route.shares.empty()) DropGroup(slot);
}

uint32_t RouteTable::FindGroup(std::string_view filter_text) const {
  return group_index_.Find(filter_text,
                           [this](uint32_t id) -> std::string_view { return groups_[id].text; });
}

uint32_t RouteTable::AddGroup(std::string_view filter_text, std::string_view topic_filter) {
  uint32_t entry = index_.Find(topic_filter);
  if (entry == index_.kNone) entry = index_.Insert(topic_filter);
  const uint32_t slot = groups_.Insert(Group{std::string(filter_text), {}, entry});
  groups_[slot].route.text = groups_[slot].text;
  group_index_.Insert(filter_text, slot);
  std::unique_ptr<std::vector<uint32_t>>& groups = index_[entry].groups;
  if (groups == nullptr) groups = std::make_unique<std::vector<uint32_t>>();
  groups->push_back(slot);
  return slot;
}

void RouteTable::DropGroup(uint32_t slot) {
  const uint32_t entry = groups_[slot].entry;
  std::unique_ptr<std::vector<uint32_t>>& groups = index_[entry].groups;
  std::erase(*groups, slot);
  if (groups->empty()) groups.reset();
  group_index_.Erase(groups_[slot].text, slot);
  groups_.Erase(slot);
  if (index_[entry].empty()) index_.Erase(entry);
}

template <class Shares>
void RouteTable::Assign(std::string_view filter_text, Destination destination, uint32_t weight,
                        Shares* shares) {
  const auto found =
      std::find_if(shares->begin(), shares->end(),
                   [destination](const Share& share) { return share.destination == destination; });
  const bool known = found != shares->end();
  if (!known && weight == 0) return;
  const uint64_t hash = FilterHash(filter_text);
  ++version_;
  Digest& digest = digests_[destination];
  if (known) {
    digest.routes -= RouteHash(hash, found->weight);
    digest.filters -= hash;
    --size_;
    if (weight == 0) {
      --counts_[destination];
      shares->erase(found);
      return;
    }
    found->weight = weight;
  } else {
    shares->push_back(Share{destination, weight});
    ++counts_[destination];
  }
  digest.routes += RouteHash(hash, weight);
  digest.filters += hash;
  ++size_;
}

uint64_t RouteTable::FilterHash(std::string_view filter_text) {
  return XXH3_64bits(filter_text.data(), filter_text.size());
}

}  // namespace skein::routing
