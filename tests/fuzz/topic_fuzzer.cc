// Topic filters: whatever the validator accepts, every index agrees with the reference.
//
// The input is text: a line a filter, the last line the topic. A filter that comes a second time is
// erased.
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/check.h"
#include "broker/routing/filter_index.h"
#include "broker/routing/retained_scan.h"
#include "broker/routing/subscription_table.h"
#include "broker/routing/topic.h"

namespace skein::routing {
namespace {

constexpr uint32_t kLevels = 128;

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

bool IsTopic(std::string_view text) {
  return !text.empty() && text.find_first_of("+#", 0) == std::string_view::npos &&
         text.find('\0') == std::string_view::npos;
}

// A scan either accepts the only key there is, or never lets it be reached again.
void CheckScan(std::string_view topic, std::string_view filter) {
  const RetainedScan scan(filter);
  const std::string key = EncodeRetainedKey(topic);
  std::string seek_to;
  bool matched = false;
  if (scan.first_key() <= key) {
    const RetainedScan::Step step = scan.Check(key, &seek_to);
    matched = step == RetainedScan::Step::kMatch;
    SKEIN_CHECK(step != RetainedScan::Step::kSeek || seek_to > key);
  }
  SKEIN_CHECK(matched == TopicMatchesFilter(topic, filter));
}

void Run(std::string_view text) {
  std::vector<std::string_view> lines = Lines(text);
  const std::string_view topic = lines.back();
  lines.pop_back();
  std::map<std::string_view, SubscriptionHandle> handles;
  SubscriptionTable table;
  FilterIndex<std::string_view> index;
  for (const std::string_view line : lines) {
    if (line.find('\0') != std::string_view::npos) continue;
    if (ValidateTopicFilter(line, kLevels) != FilterError::kOk) continue;
    const ParsedFilter parsed = ParseFilter(line);
    SKEIN_CHECK(!parsed.topic_filter.empty());
    if (IsTopic(topic)) CheckScan(topic, parsed.topic_filter);
    const auto known = handles.find(line);
    SKEIN_CHECK((table.Find(line) == kNoFilter) == (known == handles.end()));
    if (known == handles.end()) {
      handles[line] = table.Add(line, 1, {});
      if (!parsed.shared()) index.Insert(line, line);
    } else {
      table.Remove(known->second);
      if (!parsed.shared()) index.Erase(index.Find(line));
      handles.erase(known);
    }
  }
  if (IsTopic(topic)) {
    std::vector<std::string_view> expected, expected_plain, found, found_plain;
    for (const auto& [line, handle] : handles) {
      const ParsedFilter parsed = ParseFilter(line);
      if (!TopicMatchesFilter(topic, parsed.topic_filter)) continue;
      expected.push_back(line);
      if (!parsed.shared()) expected_plain.push_back(line);
    }
    SubscriptionTable::Matches matches;
    table.Match(topic, &matches);
    for (const auto* list : matches.plain) {
      found.push_back(table.text(table.filter(list->at(0).handle)));
    }
    for (const SharedGroup* group : matches.shared)
      found.push_back(group->text());
    const size_t visited =
        index.Match(topic, [&](std::string_view& line) { found_plain.push_back(line); });
    SKEIN_CHECK(visited <= index.footprint().trie.nodes);
    std::sort(found.begin(), found.end());
    std::sort(found_plain.begin(), found_plain.end());
    SKEIN_CHECK(found == expected);
    SKEIN_CHECK(found_plain == expected_plain);
  }
  for (const auto& [line, handle] : handles)
    table.Remove(handle);
  SKEIN_CHECK(table.filters() == 0 && table.footprint().index.entries == 0);
}

}  // namespace
}  // namespace skein::routing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skein::routing::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
