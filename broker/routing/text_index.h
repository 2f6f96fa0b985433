// Finds an id by its text, without keeping the text.
//
// Purpose: a hash set of {hash, id}; the owner keeps the texts and shows them for comparison, so
// that no text is stored twice: 9 bytes a slot. Split into stripes, so that growing moves one
// stripe at a time and never stalls its shard for the whole set.
// Thread: confined to its owner. Hash: absl's, seeded by process, so collisions cannot be prepared.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "broker/base/check.h"

namespace skein::routing {

class TextIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The id whose text it is, or kNone. `text_of(id)` yields an inserted id's text.
  template <class TextOf>
  uint32_t Find(std::string_view text, const TextOf& text_of) const {
    const uint64_t hash = HashOf(text);
    const Stripe& stripe = stripes_[hash >> (64 - kStripeBits)];
    const auto found = stripe.find(Probe<TextOf>{static_cast<uint32_t>(hash), text, text_of});
    return found == stripe.end() ? kNone : found->id;
  }

  // The text must not be in the index yet.
  void Insert(std::string_view text, uint32_t id) {
    const uint64_t hash = HashOf(text);
    stripes_[hash >> (64 - kStripeBits)].insert(Entry{static_cast<uint32_t>(hash), id});
    ++size_;
  }

  // `text` is what `id` was inserted with.
  void Erase(std::string_view text, uint32_t id) {
    const uint64_t hash = HashOf(text);
    Stripe& stripe = stripes_[hash >> (64 - kStripeBits)];
    SKEIN_CHECK(stripe.erase(Entry{static_cast<uint32_t>(hash), id}) == 1);
    --size_;
    if (stripe.capacity() > kKept && stripe.size() < stripe.capacity() / 8) stripe.rehash(0);
  }

  template <class F>
  void ForEach(F visit) const {
    for (const Stripe& stripe : stripes_) {
      for (const Entry& entry : stripe)
        visit(entry.id);
    }
  }

  // The ids come in kParts parts, so that a visit of all can pause between two. A text stays in its
  // part: what is there all the while is visited once, whatever comes and goes meanwhile.
  static constexpr size_t kParts = 64;
  template <class F>
  void ForEachIn(size_t part, F visit) const {
    for (const Entry& entry : stripes_[part])
      visit(entry.id);
  }

  size_t size() const { return size_; }
  // Slots there is memory for.
  size_t capacity() const {
    size_t slots = 0;
    for (const Stripe& stripe : stripes_)
      slots += stripe.capacity();
    return slots;
  }

 private:
  static constexpr int kStripeBits = 6;
  // Slots a stripe keeps however few are used.
  static constexpr size_t kKept = 16;

  struct Entry {
    uint32_t hash;
    uint32_t id;
  };
  template <class TextOf>
  struct Probe {
    uint32_t hash;
    std::string_view text;
    const TextOf& text_of;
  };
  struct Hash {
    using is_transparent = void;
    static size_t Spread(uint32_t hash) {
      const uint64_t product = uint64_t{hash} * 0x9E3779B97F4A7C15u;
      return product ^ product >> 32;
    }
    size_t operator()(const Entry& entry) const { return Spread(entry.hash); }
    template <class TextOf>
    size_t operator()(const Probe<TextOf>& probe) const {
      return Spread(probe.hash);
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Entry& a, const Entry& b) const { return a.id == b.id; }
    template <class TextOf>
    bool operator()(const Entry& entry, const Probe<TextOf>& probe) const {
      return entry.hash == probe.hash && probe.text_of(entry.id) == probe.text;
    }
  };
  using Stripe = absl::flat_hash_set<Entry, Hash, Equal>;

  static uint64_t HashOf(std::string_view text) {
    return absl::Hash<absl::string_view>()(absl::string_view(text.data(), text.size()));
  }

  std::array<Stripe, kParts> stripes_;
  static_assert(kParts == size_t{1} << kStripeBits);
  size_t size_ = 0;
};

}  // namespace skein::routing
