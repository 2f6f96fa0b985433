// See topic.h.
#include "broker/routing/topic.h"

namespace skein::routing {
namespace {

constexpr std::string_view kShare = "$share";

bool HasWildcard(std::string_view text) {
  return text.find_first_of("+#") != std::string_view::npos;
}

// "$share" as the first level: a shared subscription, well formed or not.
bool StartsShared(std::string_view filter) {
  return filter.starts_with(kShare) &&
         (filter.size() == kShare.size() || filter[kShare.size()] == '/');
}

// Of a filter without "$share/{name}/".
FilterError ValidateLevels(std::string_view filter, uint32_t max_levels) {
  uint32_t levels = 0;
  for (LevelIterator it(filter); !it.done(); it.Next()) {
    if (++levels > max_levels) return FilterError::kTooManyLevels;
    if (!HasWildcard(it.level())) continue;
    if (it.level().size() > 1) return FilterError::kWildcardPlacement;
    if (it.level() == "#" && !it.last()) return FilterError::kWildcardPlacement;
  }
  return FilterError::kOk;
}

}  // namespace

FilterError ValidateTopicFilter(std::string_view filter, uint32_t max_levels) {
  if (filter.empty()) return FilterError::kEmpty;
  if (filter.size() > kMaxTopicBytes) return FilterError::kTooLong;
  if (!StartsShared(filter)) return ValidateLevels(filter, max_levels);

  if (filter.size() <= kShare.size() + 1) return FilterError::kShareSyntax;
  const std::string_view rest = filter.substr(kShare.size() + 1);
  const size_t slash = rest.find('/');
  if (slash == 0 || slash >= rest.size() - 1) return FilterError::kShareSyntax;
  if (HasWildcard(rest.substr(0, slash))) return FilterError::kShareSyntax;
  return ValidateLevels(rest.substr(slash + 1), max_levels);
}

ParsedFilter ParseFilter(std::string_view filter) {
  ParsedFilter parsed;
  parsed.topic_filter = filter;
  if (StartsShared(filter) && filter.size() > kShare.size()) {
    const std::string_view rest = filter.substr(kShare.size() + 1);
    const size_t slash = rest.find('/');
    if (slash != std::string_view::npos) {
      parsed.share_name = rest.substr(0, slash);
      parsed.topic_filter = rest.substr(slash + 1);
    }
  }
  parsed.wildcard = HasWildcard(parsed.topic_filter);
  return parsed;
}

bool TopicMatchesFilter(std::string_view topic, std::string_view topic_filter) {
  if (topic.starts_with('$') && (topic_filter.starts_with('+') || topic_filter.starts_with('#'))) {
    return false;
  }
  LevelIterator name(topic);
  for (LevelIterator filter(topic_filter); !filter.done(); filter.Next()) {
    if (filter.level() == "#") return true;  // also the parent level itself: "sport/#", "sport"
    if (name.done()) return false;
    if (filter.level() != "+" && filter.level() != name.level()) return false;
    name.Next();
  }
  return name.done();
}

}  // namespace skein::routing
