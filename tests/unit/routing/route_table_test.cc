// RouteTable: destinations once each, weighted turns, digests, random comparison.
#include "broker/routing/route_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/routing/topic.h"
#include "tests/unit/routing/random_topics.h"

namespace skein::routing {
namespace {

std::vector<Destination> Plain(RouteTable* table, std::string_view topic) {
  RouteTable::Matches matches;
  table->Match(topic, &matches);
  std::vector<Destination> result(matches.destinations.begin(), matches.destinations.end());
  std::sort(result.begin(), result.end());
  return result;
}

TEST(RouteTableTest, YieldsEachDestinationOnce) {
  RouteTable table;
  table.Set("a/b", 1, 1);
  table.Set("a/+", 1, 3);
  table.Set("#", 1, 1);
  table.Set("a/#", 2, 1);
  table.Set("b", 3, 1);
  EXPECT_EQ(Plain(&table, "a/b"), (std::vector<Destination>{1, 2}));
  EXPECT_EQ(Plain(&table, "b"), (std::vector<Destination>{1, 3}));
  EXPECT_EQ(table.size(), 5u);
  table.Set("#", 1, 0);
  EXPECT_EQ(Plain(&table, "b"), (std::vector<Destination>{3}));
  table.Set("unknown", 1, 0);
  EXPECT_EQ(table.size(), 4u);
}

TEST(RouteTableTest, SharesTakeTurnsByWeight) {
  RouteTable table;
  table.Set("$share/g/t", 1, 1);
  table.Set("$share/g/t", 2, 3);
  RouteTable::Matches matches;
  std::map<Destination, int> turns;
  for (int i = 0; i < 400; ++i) {
    table.Match("t", &matches);
    ASSERT_EQ(matches.shared.size(), 1u);
    ++turns[matches.shared[0]->Pick()];
  }
  EXPECT_EQ(matches.shared[0]->text, "$share/g/t");
  EXPECT_TRUE(matches.destinations.empty());
  EXPECT_EQ(turns, (std::map<Destination, int>{{1, 100}, {2, 300}}));
  table.Set("$share/g/t", 2, 0);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(matches.shared[0]->Pick(), 1u);
  table.Set("$share/g/t", 1, 0);
  table.Match("t", &matches);
  EXPECT_TRUE(matches.shared.empty());
  EXPECT_EQ(table.size(), 0u);
}

TEST(RouteTableTest, HugeWeightsDoNotOverflow) {
  RouteTable table;
  table.Set("$share/g/t", 1, UINT32_MAX);
  table.Set("$share/g/t", 2, UINT32_MAX);
  RouteTable::Matches matches;
  table.Match("t", &matches);
  ASSERT_EQ(matches.shared.size(), 1u);
  EXPECT_EQ(matches.shared[0]->Pick(), 1u);
}

TEST(RouteTableTest, PlainAndSharedAreIndependent) {
  RouteTable table;
  table.Set("t", 1, 1);
  table.Set("$share/g/t", 2, 1);
  RouteTable::Matches matches;
  table.Match("t", &matches);
  EXPECT_EQ(matches.destinations.size(), 1u);
  EXPECT_EQ(matches.shared.size(), 1u);
  table.Set("t", 1, 0);
  table.Match("t", &matches);
  EXPECT_EQ(matches.destinations.size(), 0u);
  EXPECT_EQ(matches.shared.size(), 1u);
}

TEST(RouteTableTest, DigestForgetsOrderAndSeesEveryDifference) {
  RouteTable one, two;
  one.Set("a", 1, 1);
  one.Set("$share/g/b/#", 1, 5);
  two.Set("c", 7, 9);
  two.Set("$share/g/b/#", 7, 4);
  two.Set("a", 7, 1);
  two.Set("a", 8, 1);
  EXPECT_NE(one.DigestOf(1), two.DigestOf(7));
  two.Set("c", 7, 0);
  EXPECT_NE(one.DigestOf(1).routes, two.DigestOf(7).routes) << "other weights";
  EXPECT_EQ(one.DigestOf(1).filters, two.DigestOf(7).filters);
  two.Set("$share/g/b/#", 7, 5);
  EXPECT_EQ(one.DigestOf(1), two.DigestOf(7));
  EXPECT_NE(one.DigestOf(1), two.DigestOf(8));
  two.Set("a", 7, 2);
  EXPECT_NE(one.DigestOf(1), two.DigestOf(7));
  one.WithdrawAll(1);
  EXPECT_EQ(one.DigestOf(1), RouteTable::Digest());
  EXPECT_EQ(one.size(), 0u);
}

TEST(RouteTableTest, DigestIsTheSameEverywhere) {
  RouteTable table;
  table.Set("a/b", 1, 2);
  EXPECT_EQ(table.DigestOf(1).routes, 0xC14E1583AB375FEFu);
  EXPECT_EQ(table.DigestOf(1).filters, 0x48F71E9475860604u);
  EXPECT_EQ(table.DigestOf(1).filters, RouteTable::FilterHash("a/b"));
}

TEST(RouteTableTest, AgreesWithTheReference) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    RandomTopics random(seed);
    RouteTable table;
    std::map<std::pair<std::string, Destination>, uint32_t> naive;
    for (int step = 0; step < 3'000; ++step) {
      const std::string filter = random.Below(3) == 0 ? random.SharedFilter() : random.Filter();
      const Destination destination = random.Below(5);
      const uint32_t weight = random.Below(3);
      table.Set(filter, destination, weight);
      naive.erase({filter, destination});
      if (weight > 0) naive[{filter, destination}] = weight;
      if (random.Below(300) == 0) {
        table.WithdrawAll(destination);
        std::erase_if(naive, [&](const auto& row) { return row.first.second == destination; });
      }
      const std::string topic = random.Topic();
      std::set<Destination> plain;
      std::map<std::string, uint32_t> shared;
      for (const auto& [key, value] : naive) {
        const ParsedFilter parsed = ParseFilter(key.first);
        if (!TopicMatchesFilter(topic, parsed.topic_filter)) continue;
        if (parsed.shared()) {
          shared[key.first] += value;
        } else {
          plain.insert(key.second);
        }
      }
      RouteTable::Matches matches;
      table.Match(topic, &matches);
      ASSERT_EQ(Plain(&table, topic), std::vector<Destination>(plain.begin(), plain.end()));
      std::map<std::string, uint32_t> got;
      for (const RouteTable::SharedRoute* route : matches.shared) {
        for (const RouteTable::Share& share : route->shares) {
          got[std::string(route->text)] += share.weight;
        }
      }
      ASSERT_EQ(got, shared) << "seed " << seed << " topic " << topic;
      ASSERT_EQ(table.size(), naive.size());
    }
    RouteTable rebuilt;
    for (const auto& [key, value] : naive)
      rebuilt.Set(key.first, key.second, value);
    for (Destination d = 0; d < 5; ++d) {
      EXPECT_EQ(rebuilt.DigestOf(d), table.DigestOf(d));
      for (const auto& [key, value] : naive) {
        if (key.second == d) table.Set(key.first, d, 0);
      }
      EXPECT_EQ(table.DigestOf(d), RouteTable::Digest());
    }
  }
}

}  // namespace
}  // namespace skein::routing
