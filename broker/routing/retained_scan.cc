// See retained_scan.h.
#include "broker/routing/retained_scan.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "broker/routing/topic.h"

namespace skein::routing {
namespace {

constexpr char kSeparator = '\0';

}  // namespace

std::string EncodeRetainedKey(std::string_view topic) {
  std::string key(topic);
  std::replace(key.begin(), key.end(), '/', kSeparator);
  return key;
}

std::string DecodeRetainedKey(std::string_view key) {
  std::string topic(key);
  std::replace(topic.begin(), topic.end(), kSeparator, '/');
  return topic;
}

size_t RetainedBucket(std::string_view key) {
  return XXH3_64bits(key.data(), key.size()) % kRetainedBuckets;
}

RetainedScan::RetainedScan(std::string_view topic_filter)
    : filter_(topic_filter),
      leading_wildcard_(topic_filter.starts_with('+') || topic_filter.starts_with('#')) {
  uint32_t begin = 0;
  for (LevelIterator it(filter_); !it.done(); it.Next()) {
    const uint32_t size = static_cast<uint32_t>(it.level().size());
    multi_ = it.level() == "#";
    if (!multi_) levels_.push_back(Level{begin, size});
    begin += size + 1;
  }
}

std::string RetainedScan::first_key() const {
  std::string key;
  AppendLowest(0, &key);
  return key;
}

void RetainedScan::AppendLowest(size_t index, std::string* key) const {
  for (size_t i = index; i < levels_.size(); ++i) {
    if (i > 0) key->push_back(kSeparator);
    if (!plus(i)) key->append(level(i));
  }
}

RetainedScan::Step RetainedScan::SkipSubtree(std::string_view key, size_t advance,
                                             std::string* seek_to) {
  if (advance == std::string_view::npos) return Step::kDone;
  // Greater than all that starts with this level and the separator, smaller than all other levels
  // that come later.
  seek_to->assign(key.substr(0, advance));
  seek_to->push_back(kSeparator + 1);
  return Step::kSeek;
}

RetainedScan::Step RetainedScan::Check(std::string_view key, std::string* seek_to) const {
  if (leading_wildcard_ && key.starts_with('$')) {
    // [MQTT-4.7.2-1]; all such topics are contiguous.
    seek_to->assign(1, '$' + 1);
    return Step::kSeek;
  }
  size_t advance = std::string_view::npos;
  size_t begin = 0;  // of the key's level
  for (size_t i = 0; i < levels_.size(); ++i) {
    if (begin > key.size()) {  // the key is a parent of what we look for
      seek_to->assign(key);
      AppendLowest(i, seek_to);
      return Step::kSeek;
    }
    const size_t end = std::min(key.find(kSeparator, begin), key.size());
    if (plus(i)) {
      advance = end;
    } else {
      const int order = key.substr(begin, end - begin).compare(level(i));
      if (order > 0) return SkipSubtree(key, advance, seek_to);
      if (order < 0) {
        seek_to->assign(key.substr(0, begin));
        seek_to->append(level(i));
        AppendLowest(i + 1, seek_to);
        return Step::kSeek;
      }
    }
    begin = end + 1;
  }
  if (multi_ || begin > key.size()) return Step::kMatch;
  return SkipSubtree(key, advance, seek_to);  // below what we look for
}

}  // namespace skein::routing
