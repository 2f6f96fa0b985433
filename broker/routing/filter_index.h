// Values by topic filter, found by the topics that match.
//
// Purpose: exact filters are answered by one hash look-up, wildcard filters by a trie that is not
// even entered when it is empty. An entry keeps its id and its address until it is erased.
// Thread: confined to its owner. Limits: fewer than 2^31 filters; the caller bounds their levels
// (ValidateTopicFilter). Cost of a match: one look-up of the topic, one of each of its levels, and
// at most one visit of each trie node, see filter_trie.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "broker/routing/filter_trie.h"
#include "broker/routing/slab.h"
#include "broker/routing/text_index.h"

namespace skein::routing {

// Memory there is for each kind of thing.
struct FilterFootprint {
  size_t entries = 0;
  size_t slots = 0;
  FilterTrie::Footprint trie;
};

template <class V>
class FilterIndex {
 public:
  using Id = uint32_t;
  static constexpr Id kNone = UINT32_MAX;

  // The entry of this very filter, or kNone.
  Id Find(std::string_view filter) const { return index_.Find(filter, TextOf{this}); }

  // Needs a valid topic filter without "$share/{name}/" that is not in the index.
  Id Insert(std::string_view filter, V value = V()) {
    Entry entry;
    entry.text = std::make_unique_for_overwrite<char[]>(filter.size());
    std::memcpy(entry.text.get(), filter.data(), filter.size());
    entry.text_size = static_cast<uint32_t>(filter.size());
    entry.value = std::move(value);
    const Id id = entries_.Insert(std::move(entry));
    index_.Insert(filter, id);
    if (IsWildcard(filter)) entries_[id].node = trie_.Insert(filter, id);
    return id;
  }

  void Erase(Id id) {
    const Entry& entry = entries_[id];
    if (entry.node != FilterTrie::kNone) trie_.Erase(entry.node, TextOf{this}(id).back() == '#');
    index_.Erase(TextOf{this}(id), id);
    entries_.Erase(id);
  }

  V& operator[](Id id) { return entries_[id].value; }
  const V& operator[](Id id) const { return entries_[id].value; }
  std::string_view text(Id id) const { return TextOf{this}(id); }

  // Calls visit(V&) once for each filter that matches the topic name, in no order; visit must not
  // change the index. Returns the number of trie nodes that were visited.
  template <class F>
  size_t Match(std::string_view topic, F visit) {
    const Id exact = Find(topic);
    if (exact != kNone && entries_[exact].node == FilterTrie::kNone) visit(entries_[exact].value);
    if (trie_.empty()) return 0;
    return trie_.Match(topic, [&](Id id) { visit(entries_[id].value); });
  }

  // The same, but visit(Id).
  template <class F>
  void MatchIds(std::string_view topic, F visit) const {
    const Id exact = Find(topic);
    if (exact != kNone && entries_[exact].node == FilterTrie::kNone) visit(exact);
    if (!trie_.empty()) trie_.Match(topic, visit);
  }

  // Calls visit(Id) for each filter, in no order; visit must not change the index.
  template <class F>
  void ForEach(F visit) const {
    index_.ForEach(visit);
  }

  // The same for one of kParts parts, see TextIndex::ForEachIn().
  static constexpr size_t kParts = TextIndex::kParts;
  template <class F>
  void ForEachIn(size_t part, F visit) const {
    index_.ForEachIn(part, visit);
  }

  size_t size() const { return entries_.size(); }
  FilterFootprint footprint() const {
    return {entries_.capacity(), index_.capacity(), trie_.footprint()};
  }

 private:
  struct Entry {
    std::unique_ptr<char[]> text;
    uint32_t text_size = 0;
    uint32_t node = FilterTrie::kNone;  // where the trie holds it; kNone for exact filters
    V value;
  };
  struct TextOf {
    const FilterIndex* index;
    std::string_view operator()(Id id) const {
      const Entry& entry = index->entries_[id];
      return {entry.text.get(), entry.text_size};
    }
  };

  static bool IsWildcard(std::string_view filter) {
    return filter.find_first_of("+#") != std::string_view::npos;
  }

  Slab<Entry> entries_;
  TextIndex index_;  // all filters, wildcards too
  FilterTrie trie_;  // the wildcard filters
};

}  // namespace skein::routing
