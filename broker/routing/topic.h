// Topic names and topic filters: MQTT 3.1.1 and 5.0 section 4.7, shared subscriptions 4.8.2.
//
// Purpose: says whether a filter is well formed, takes "$share/{name}/{filter}" apart, and states
// what "matches" means, in the plainest code. The indexes of this folder are tested against it.
// Thread: pure functions, any thread. Limits: linear in the text, nothing allocated, no recursion.
// The UTF-8 rules (U+0000 among them) are the codec's: here the text is well-formed already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skein::routing {

// Longest UTF-8 string of the protocol [MQTT-4.7.3-3].
inline constexpr size_t kMaxTopicBytes = 65'535;

enum class FilterError : uint8_t {
  kOk,
  kEmpty,              // at least one character [MQTT-4.7.3-1]
  kWildcardPlacement,  // '#' last and alone in its level, '+' alone [MQTT-4.7.1-1] [MQTT-4.7.1-2]
  kTooManyLevels,      // more than the operator allows
  kShareSyntax,        // "$share" not followed by /{name}/{filter} [MQTT-4.8.2-1] [MQTT-4.8.2-2]
  kTooLong,            // [MQTT-4.7.3-3]
};

// Judges a filter as it stands in SUBSCRIBE or UNSUBSCRIBE. `max_levels` counts the levels of the
// topic filter itself, without "$share/{name}/".
FilterError ValidateTopicFilter(std::string_view filter, uint32_t max_levels);

// A valid filter, taken apart. Views into the text it was parsed from.
struct ParsedFilter {
  std::string_view share_name;    // empty for a plain subscription
  std::string_view topic_filter;  // what topics are matched against
  bool wildcard = false;

  bool shared() const { return !share_name.empty(); }
};

// Needs a filter that ValidateTopicFilter() accepts.
ParsedFilter ParseFilter(std::string_view filter);

// Whether a topic name matches a topic filter (the inner one of a shared subscription). Filters
// that start with a wildcard do not match topics that start with '$' [MQTT-4.7.2-1].
bool TopicMatchesFilter(std::string_view topic, std::string_view topic_filter);

// Walks the levels of a topic or filter from the left: "a//b" is "a", "", "b".
//
//   for (LevelIterator it(text); !it.done(); it.Next()) Use(it.level());
class LevelIterator {
 public:
  explicit LevelIterator(std::string_view text) : text_(text) { Cut(); }

  bool done() const { return done_; }
  std::string_view level() const { return text_.substr(begin_, end_ - begin_); }
  bool last() const { return end_ == text_.size(); }
  void Next() {
    if (last()) {
      done_ = true;
      return;
    }
    begin_ = end_ + 1;
    Cut();
  }

 private:
  void Cut() {
    const size_t slash = text_.find('/', begin_);
    end_ = slash == std::string_view::npos ? text_.size() : slash;
  }

  std::string_view text_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool done_ = false;
};

}  // namespace skein::routing
