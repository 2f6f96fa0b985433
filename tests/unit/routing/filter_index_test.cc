// FilterIndex against the reference, under hostile filters, and after everything is gone.
#include "broker/routing/filter_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "broker/routing/topic.h"
#include "tests/unit/routing/random_topics.h"

namespace skein::routing {
namespace {

using Index = FilterIndex<std::string>;

std::vector<std::string> Match(Index* index, std::string_view topic) {
  std::vector<std::string> found;
  index->Match(topic, [&](std::string& value) { found.push_back(value); });
  std::sort(found.begin(), found.end());
  return found;
}

void ExpectNoMemory(const Index& index) {
  const FilterFootprint footprint = index.footprint();
  EXPECT_EQ(index.size(), 0u);
  EXPECT_EQ(footprint.entries, 0u);
  EXPECT_LE(footprint.slots, 64u * 31u);
  EXPECT_EQ(footprint.trie.nodes, 64u);  // the block of the root
  EXPECT_LE(footprint.trie.edges, 256u);
  EXPECT_EQ(footprint.trie.levels, 0u);
}

TEST(FilterIndexTest, FindsInsertsErases) {
  Index index;
  EXPECT_EQ(index.Find("a/b"), Index::kNone);
  const uint32_t exact = index.Insert("a/b", "exact");
  const uint32_t plus = index.Insert("a/+", "plus");
  const uint32_t multi = index.Insert("a/#", "multi");
  const uint32_t all = index.Insert("#", "all");
  EXPECT_EQ(index.Find("a/+"), plus);
  EXPECT_EQ(index.text(multi), "a/#");
  EXPECT_EQ(index[exact], "exact");
  EXPECT_EQ(Match(&index, "a/b"), (std::vector<std::string>{"all", "exact", "multi", "plus"}));
  EXPECT_EQ(Match(&index, "a"), (std::vector<std::string>{"all", "multi"}));
  EXPECT_EQ(Match(&index, "$a"), (std::vector<std::string>{}));
  index.Erase(all);
  index.Erase(plus);
  EXPECT_EQ(index.Find("a/+"), Index::kNone);
  EXPECT_EQ(Match(&index, "a/b"), (std::vector<std::string>{"exact", "multi"}));
  index.Erase(exact);
  index.Erase(multi);
  ExpectNoMemory(index);
}

TEST(FilterIndexTest, DoesNotEnterAnEmptyTrie) {
  Index index;
  index.Insert("a/b", "exact");
  EXPECT_EQ(index.Match("a/b", [](std::string&) {}), 0u);
  index.Insert("a/+", "plus");
  EXPECT_EQ(index.Match("a/b", [](std::string&) {}), 3u);  // root, a, +
}

TEST(FilterIndexTest, AgreesWithTheReference) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    RandomTopics random(seed);
    Index index;
    std::map<std::string, uint32_t> reference;
    for (int step = 0; step < 3'000; ++step) {
      const bool grow = (step / 600) % 2 == 0;
      const std::string filter = random.Filter();
      const auto known = reference.find(filter);
      ASSERT_EQ(index.Find(filter), known == reference.end() ? Index::kNone : known->second);
      if (known == reference.end()) {
        if (grow || random.Below(4) == 0) reference[filter] = index.Insert(filter, filter);
      } else if (!grow || random.Below(4) == 0) {
        index.Erase(known->second);
        reference.erase(known);
      }
      const std::string topic = random.Topic();
      std::vector<std::string> expected;
      for (const auto& [text, id] : reference) {
        if (TopicMatchesFilter(topic, text)) expected.push_back(text);
      }
      ASSERT_EQ(Match(&index, topic), expected) << "seed " << seed << " topic " << topic;
    }
    for (const auto& [text, id] : reference)
      index.Erase(id);
    ExpectNoMemory(index);
  }
}

TEST(FilterIndexTest, ReturnsMemory) {
  Index index;
  std::vector<uint32_t> ids;
  for (int i = 0; i < 20'000; ++i) {
    const std::string number = std::to_string(i);
    ids.push_back(index.Insert("fleet/" + number + "/state", number));
    ids.push_back(index.Insert("fleet/" + number + "/+", number));
    ids.push_back(index.Insert("site-" + number + "/#", number));
  }
  EXPECT_GE(index.footprint().trie.nodes, 60'000u);
  for (const uint32_t id : ids)
    index.Erase(id);
  ExpectNoMemory(index);
}

// All filters of `depth` levels of '+' or 'a' that end in `tail`: every '+' doubles the paths.
std::vector<std::string> Overlapping(int depth, const std::string& tail, size_t count) {
  std::vector<std::string> filters;
  for (size_t bits = 0; bits < count; ++bits) {
    std::string filter;
    for (int i = 0; i < depth; ++i)
      filter += (bits >> i & 1) != 0 ? "a/" : "+/";
    filters.push_back(filter + tail);
  }
  return filters;
}

TEST(FilterIndexTest, VisitsEachNodeOnceUnderOverlappingFilters) {
  for (const char* tail : {"#", "a", "never"}) {
    Index index;
    for (const std::string& filter : Overlapping(14, tail, 10'000))
      index.Insert(filter, filter);
    std::string topic = "a";
    for (int i = 0; i < 14; ++i)
      topic += "/a";
    size_t found = 0;
    const size_t visited = index.Match(topic, [&](std::string&) { ++found; });
    EXPECT_EQ(found, std::string(tail) == "never" ? 0u : 10'000u) << tail;
    EXPECT_LE(visited, index.footprint().trie.nodes) << tail;
    EXPECT_LE(visited, 4u * 10'000u) << tail;
  }
}

TEST(FilterIndexTest, ServesTheDeepestFilters) {
  constexpr int kDepth = 128;
  Index index;
  std::string plus = "+";
  std::string topic = "a";
  for (int i = 1; i < kDepth; ++i) {
    plus += "/+";
    topic += "/a";
  }
  ASSERT_EQ(ValidateTopicFilter(plus, kDepth), FilterError::kOk);
  index.Insert(plus, "plus");
  std::string multi;
  for (int i = 0; i < kDepth; ++i) {
    index.Insert(multi + "#", "multi");
    multi += "+/";
  }
  size_t found = 0;
  EXPECT_EQ(index.Match(topic, [&](std::string&) { ++found; }), kDepth + 1u);
  EXPECT_EQ(found, kDepth + 1u);
  // A topic deeper than any filter ends the walk where the filters end.
  const std::string deep = topic + std::string(30'000, '/');
  EXPECT_EQ(index.Match(deep, [](std::string&) {}), kDepth + 1u);
}

}  // namespace
}  // namespace skein::routing
