// RetainedScan against the reference, and how few keys it touches.
#include "broker/routing/retained_scan.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "broker/routing/topic.h"
#include "tests/unit/routing/random_topics.h"

namespace skein::routing {
namespace {

using Keys = std::set<std::string>;

struct Result {
  std::vector<std::string> topics;
  size_t seeks = 0;     // the first one included
  size_t examined = 0;  // keys looked at
};

Result Scan(const Keys& keys, std::string_view filter) {
  const RetainedScan scan(filter);
  Result result;
  std::string seek_to;
  ++result.seeks;
  auto key = keys.lower_bound(scan.first_key());
  while (key != keys.end()) {
    ++result.examined;
    const RetainedScan::Step step = scan.Check(*key, &seek_to);
    if (step == RetainedScan::Step::kDone) break;
    if (step == RetainedScan::Step::kMatch) {
      result.topics.push_back(DecodeRetainedKey(*key));
      ++key;
      continue;
    }
    EXPECT_GT(seek_to, *key) << "a seek must go forward";
    if (seek_to <= *key) break;
    ++result.seeks;
    key = keys.lower_bound(seek_to);
  }
  return result;
}

Keys MakeKeys(const std::vector<std::string>& topics) {
  Keys keys;
  for (const std::string& topic : topics)
    keys.insert(EncodeRetainedKey(topic));
  return keys;
}

TEST(RetainedScanTest, KeysKeepSubtreesTogether) {
  const Keys keys = MakeKeys({"a!b", "a/b", "a", "a/b/c", "a b", "a//", "a/"});
  std::vector<std::string> order;
  for (const std::string& key : keys)
    order.push_back(DecodeRetainedKey(key));
  EXPECT_EQ(order, (std::vector<std::string>{"a", "a/", "a//", "a/b", "a/b/c", "a b", "a!b"}));
}

TEST(RetainedScanTest, AnswersByHand) {
  const Keys keys = MakeKeys({"$SYS/x", "/", "a", "a/", "a/b", "a/b/c", "a/c", "a!", "b", "b/c"});
  using Topics = std::vector<std::string>;
  EXPECT_EQ(Scan(keys, "a").topics, (Topics{"a"}));
  EXPECT_EQ(Scan(keys, "a/+").topics, (Topics{"a/", "a/b", "a/c"}));
  EXPECT_EQ(Scan(keys, "a/#").topics, (Topics{"a", "a/", "a/b", "a/b/c", "a/c"}));
  EXPECT_EQ(Scan(keys, "+/c").topics, (Topics{"a/c", "b/c"}));
  EXPECT_EQ(Scan(keys, "+").topics, (Topics{"a", "a!", "b"}));
  EXPECT_EQ(Scan(keys, "+/").topics, (Topics{"/", "a/"}));
  EXPECT_EQ(Scan(keys, "$SYS/#").topics, (Topics{"$SYS/x"}));
  EXPECT_EQ(Scan(keys, "#").topics.size(), 9u);
  EXPECT_EQ(Scan(keys, "none").topics, (Topics{}));
}

TEST(RetainedScanTest, AgreesWithTheReference) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RandomTopics random(seed);
    std::vector<std::string> topics;
    for (uint32_t i = 0; i < 20 * seed; ++i)
      topics.push_back(random.Topic());
    const Keys keys = MakeKeys(topics);
    for (int i = 0; i < 400; ++i) {
      const std::string filter = random.Filter();
      std::vector<std::string> expected;
      for (const std::string& key : keys) {
        const std::string topic = DecodeRetainedKey(key);
        if (TopicMatchesFilter(topic, filter)) expected.push_back(topic);
      }
      const Result result = Scan(keys, filter);
      ASSERT_EQ(result.topics, expected) << "seed " << seed << " filter " << filter;
      ASSERT_LE(result.seeks, result.examined + 1);
    }
  }
}

TEST(RetainedScanTest, ASeekLeadsPastWhatCannotMatch) {
  std::vector<std::string> topics;
  for (int i = 0; i < 50'000; ++i) {
    topics.push_back("A/" + std::to_string(i) + "/b");
    topics.push_back("z/" + std::to_string(i) + "/b");
  }
  for (int device = 0; device < 10; ++device) {
    for (int i = 0; i < 1'000; ++i) {
      topics.push_back("a/" + std::to_string(device) + "/x/" + std::to_string(i));
      topics.push_back("a/" + std::to_string(device) + "/y/" + std::to_string(i));
    }
    topics.push_back("a/" + std::to_string(device) + "/b");
    topics.push_back("$d/" + std::to_string(device));
  }
  const Keys keys = MakeKeys(topics);

  const Result exact = Scan(keys, "a/3/b");
  EXPECT_EQ(exact.topics.size(), 1u);
  EXPECT_EQ(exact.seeks, 1u);
  EXPECT_EQ(Scan(keys, "a/3/missing").seeks, 1u);

  const Result plus = Scan(keys, "a/+/b");
  EXPECT_EQ(plus.topics.size(), 10u);
  EXPECT_LE(plus.seeks, 2u * 10 + 2);
  EXPECT_LE(plus.examined, 3u * 10 + 2);

  const Result subtree = Scan(keys, "a/3/x/#");
  EXPECT_EQ(subtree.topics.size(), 1'000u);
  EXPECT_EQ(subtree.seeks, 1u);
  EXPECT_EQ(subtree.examined, 1'001u);

  const Result top = Scan(keys, "+/3/b");
  EXPECT_EQ(top.topics.size(), 3u);
  EXPECT_LE(top.seeks, 10u);

  const Result none = Scan(keys, "+");
  EXPECT_EQ(none.topics.size(), 0u);
  EXPECT_LE(none.seeks, 6u);
}

TEST(RetainedScanTest, ASeekAimsAtTheWholeRestOfTheFilter) {
  const Result result = Scan(MakeKeys({"a/b", "a/m/a", "a/m/b", "a/m/x"}), "+/m/x");
  EXPECT_EQ(result.topics, (std::vector<std::string>{"a/m/x"}));
  EXPECT_EQ(result.seeks, 2u);
  EXPECT_EQ(result.examined, 2u);
}

TEST(RetainedScanTest, DeepTopicsAreLinear) {
  const std::string deep(65'535, '/');
  const Keys keys = MakeKeys({deep, "a" + deep.substr(1)});
  EXPECT_EQ(Scan(keys, "#").topics.size(), 2u);
  EXPECT_EQ(Scan(keys, "+/#").topics.size(), 2u);
  EXPECT_EQ(Scan(keys, "a/#").topics.size(), 1u);
  std::string plus = "+";
  for (int i = 1; i < 128; ++i)
    plus += "/+";
  const Result result = Scan(keys, plus);
  EXPECT_EQ(result.topics.size(), 0u);
  EXPECT_LE(result.seeks, 3u);
}

}  // namespace
}  // namespace skein::routing
