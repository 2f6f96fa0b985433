// Finds the topics that match a filter in an ordered set of topics, by seeks.
//
// Purpose: retained messages lie in key order (a std::map, RocksDB). A key is the topic with every
// '/' replaced by U+0000, which no topic contains: so topics order level by level, and a topic is
// followed at once by all below it. The scan looks at a key and says where the next candidate is,
// so that whole subtrees that cannot match are never touched: "a/+/b" costs at most two seeks for
// each level below "a".
// Thread: confined to its owner; pure. Limits: linear in the key, no recursion.
//
//   for (key = first key >= scan.first_key(); key exists;) switch (scan.Check(*key, &seek_to)) {
//     case kMatch: take it; ++key; break;
//     case kSeek: key = first key >= seek_to; break;
//     case kDone: return;
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"

namespace skein::routing {

std::string EncodeRetainedKey(std::string_view topic);
std::string DecodeRetainedKey(std::string_view key);

// Keys in buckets of about the same size, the same on every node.
inline constexpr size_t kRetainedBuckets = 256;
size_t RetainedBucket(std::string_view key);

class RetainedScan {
 public:
  // Needs a valid topic filter without "$share/{name}/" (a shared subscription is sent no retained
  // messages).
  explicit RetainedScan(std::string_view topic_filter);
  // Every key matches.
  RetainedScan() : multi_(true) {}

  // No key below it matches.
  std::string first_key() const;

  enum class Step : uint8_t {
    kMatch,  // the key matches; go on with the next one
    kSeek,   // it does not, and none does before *seek_to, which is greater than the key
    kDone,   // it does not, and none after it does
  };
  // *seek_to is set with kSeek only.
  Step Check(std::string_view key, std::string* seek_to) const;

 private:
  struct Level {
    uint32_t begin = 0;
    uint32_t size = 0;
  };

  std::string_view level(size_t index) const {
    return std::string_view(filter_).substr(levels_[index].begin, levels_[index].size);
  }
  bool plus(size_t index) const { return level(index) == "+"; }
  // Appends the smallest possible continuation of a key from filter level `index` on.
  void AppendLowest(size_t index, std::string* key) const;
  // Nothing in the subtree at key[0, end) or after it matches unless a '+' level moves on.
  // `advance` is where the level of the last '+' ends in the key, or npos.
  static Step SkipSubtree(std::string_view key, size_t advance, std::string* seek_to);

  std::string filter_;
  absl::InlinedVector<Level, 8> levels_;  // without a trailing '#'
  bool multi_ = false;                    // the filter ends with '#'
  bool leading_wildcard_ = false;
};

}  // namespace skein::routing
