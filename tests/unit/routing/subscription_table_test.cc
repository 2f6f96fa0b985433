// SubscriptionTable: handles, shared groups, versions, and random comparison with a naive table.
#include "broker/routing/subscription_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "broker/routing/topic.h"
#include "tests/unit/routing/random_topics.h"

namespace skein::routing {
namespace {

SubscriptionOptions Options(Qos qos, uint32_t identifier = 0) {
  SubscriptionOptions options;
  options.qos = qos;
  options.identifier = identifier;
  return options;
}

TEST(SubscriptionTableTest, KeepsOptions) {
  SubscriptionTable table;
  const SubscriptionOptions all = {Qos::kExactlyOnce, true, true, 2, 268'435'455};
  const SubscriptionHandle one = table.Add("a/b", 7, all);
  const SubscriptionHandle two = table.Add("a/b", 8, Options(Qos::kAtLeastOnce));
  EXPECT_EQ(table.options(one), all);
  EXPECT_EQ(table.options(two), Options(Qos::kAtLeastOnce));
  EXPECT_EQ(table.session(one), 7u);
  EXPECT_EQ(table.filter(one), table.Find("a/b"));
  EXPECT_EQ(table.text(table.filter(two)), "a/b");
  EXPECT_EQ(table.subscribers(table.filter(two)), 2u);
  const SubscriptionOptions changed = {Qos::kAtMostOnce, false, true, 1, 5};
  const uint64_t version = table.version();
  table.Update(one, changed);
  EXPECT_EQ(table.options(one), changed);
  EXPECT_EQ(table.options(two), Options(Qos::kAtLeastOnce));
  EXPECT_EQ(table.version(), version);

  SubscriptionTable::Matches matches;
  table.Match("a/b", &matches);
  ASSERT_EQ(matches.plain.size(), 1u);
  const Subscriber& subscriber = matches.plain[0]->at(0);
  EXPECT_EQ(subscriber.session, 7u);
  EXPECT_EQ(subscriber.handle, one);
  EXPECT_EQ(subscriber.identifier, 5u);
  EXPECT_EQ(subscriber.qos(), Qos::kAtMostOnce);
  EXPECT_FALSE(subscriber.no_local());
  EXPECT_TRUE(subscriber.retain_as_published());
}

TEST(SubscriptionTableTest, RemoveMovesTheLastOneIntoTheGap) {
  SubscriptionTable table;
  const SubscriptionHandle a = table.Add("t", 1, Options(Qos::kAtMostOnce, 1));
  const SubscriptionHandle b = table.Add("t", 2, Options(Qos::kAtMostOnce, 2));
  const SubscriptionHandle c = table.Add("t", 3, Options(Qos::kAtMostOnce, 3));
  table.Remove(a);
  EXPECT_EQ(table.session(b), 2u);
  EXPECT_EQ(table.session(c), 3u);
  EXPECT_EQ(table.options(c).identifier, 3u);
  table.Remove(c);
  EXPECT_EQ(table.session(b), 2u);
  table.Remove(b);
  EXPECT_EQ(table.Find("t"), kNoFilter);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.filters(), 0u);
}

TEST(SubscriptionTableTest, VersionMovesWithFiltersOnly) {
  SubscriptionTable table;
  const uint64_t empty = table.version();
  const SubscriptionHandle a = table.Add("t/#", 1, {});
  const uint64_t one = table.version();
  EXPECT_NE(one, empty);
  SubscriptionTable::Matches matches;
  table.Match("t/x", &matches);
  const SubscriptionHandle b = table.Add("t/#", 2, {});
  EXPECT_EQ(table.version(), one);
  EXPECT_EQ(matches.plain.at(0)->size(), 2u);
  table.Remove(a);
  EXPECT_EQ(table.version(), one);
  EXPECT_EQ(matches.plain.at(0)->size(), 1u);
  table.Remove(b);
  EXPECT_NE(table.version(), one);
}

TEST(SubscriptionTableTest, SharedGroupsAreIndependent) {
  SubscriptionTable table;
  const SubscriptionHandle plain = table.Add("t/+", 1, {});
  const SubscriptionHandle g1 = table.Add("$share/g/t/+", 1, {});
  const SubscriptionHandle g2 = table.Add("$share/g/t/+", 2, {});
  const SubscriptionHandle h = table.Add("$share/h/t/+", 2, {});
  EXPECT_EQ(table.filters(), 3u);
  EXPECT_EQ(table.size(), 4u);
  EXPECT_EQ(table.filter(g1), table.filter(g2));
  EXPECT_NE(table.filter(g1), table.filter(h));
  EXPECT_NE(table.filter(g1), table.filter(plain));
  EXPECT_EQ(table.text(table.filter(h)), "$share/h/t/+");
  EXPECT_EQ(table.subscribers(table.filter(g1)), 2u);

  SubscriptionTable::Matches matches;
  table.Match("t/x", &matches);
  EXPECT_EQ(matches.plain.size(), 1u);
  ASSERT_EQ(matches.shared.size(), 2u);
  for (const SharedGroup* group : matches.shared) {
    EXPECT_EQ(group->topic_filter(), "t/+");
    EXPECT_EQ(group->members.size(), group->share_name() == "g" ? 2u : 1u);
    EXPECT_EQ(table.text(group->id), "$share/" + std::string(group->share_name()) + "/t/+");
  }

  table.Remove(plain);
  EXPECT_EQ(table.Find("t/+"), kNoFilter);
  table.Match("t/x", &matches);
  EXPECT_EQ(matches.plain.size(), 0u);
  EXPECT_EQ(matches.shared.size(), 2u);
  table.Remove(g1);
  table.Remove(g2);
  EXPECT_EQ(table.Find("$share/g/t/+"), kNoFilter);
  EXPECT_NE(table.Find("$share/h/t/+"), kNoFilter);
  table.Add("t/+", 3, {});
  table.Remove(h);
  table.Match("t/x", &matches);
  EXPECT_EQ(matches.plain.size(), 1u);
  EXPECT_EQ(matches.shared.size(), 0u);
}

TEST(SubscriptionTableTest, ShareNameMayLookLikeAnything) {
  SubscriptionTable table;
  table.Add("$share/$share//finance", 1, {});
  SubscriptionTable::Matches matches;
  table.Match("/finance", &matches);
  ASSERT_EQ(matches.shared.size(), 1u);
  EXPECT_EQ(matches.shared[0]->share_name(), "$share");
  EXPECT_EQ(matches.shared[0]->topic_filter(), "/finance");
  table.Match("$share/$share//finance", &matches);
  EXPECT_EQ(matches.shared.size(), 0u);
}

// One step of the random test: what the table must hold, by filter and session.
struct Naive {
  struct Value {
    SubscriptionHandle handle;
    SubscriptionOptions options;
  };
  std::map<std::pair<std::string, SessionSlot>, Value> rows;

  using Row = std::tuple<std::string, SessionSlot, uint32_t>;
  std::vector<Row> Match(std::string_view topic) const {
    std::vector<Row> result;
    for (const auto& [key, value] : rows) {
      if (TopicMatchesFilter(topic, ParseFilter(key.first).topic_filter)) {
        result.emplace_back(key.first, key.second, value.options.identifier);
      }
    }
    return result;
  }
};

std::vector<Naive::Row> Match(SubscriptionTable* table, std::string_view topic) {
  SubscriptionTable::Matches matches;
  table->Match(topic, &matches);
  std::vector<Naive::Row> result;
  const auto add = [&](const std::vector<Subscriber>& list) {
    EXPECT_FALSE(list.empty());
    for (const Subscriber& s : list) {
      EXPECT_EQ(table->session(s.handle), s.session);
      const std::string_view text = table->text(table->filter(s.handle));
      result.emplace_back(text, s.session, s.identifier);
    }
  };
  for (const std::vector<Subscriber>* list : matches.plain)
    add(*list);
  for (const SharedGroup* group : matches.shared)
    add(group->members);
  std::sort(result.begin(), result.end());
  return result;
}

TEST(SubscriptionTableTest, AgreesWithTheReference) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    RandomTopics random(seed);
    SubscriptionTable table;
    Naive naive;
    for (int step = 0; step < 3'000; ++step) {
      const bool grow = (step / 600) % 2 == 0;
      const std::string filter = random.Below(3) == 0 ? random.SharedFilter() : random.Filter();
      const SessionSlot session = random.Below(6);
      const SubscriptionOptions options =
          Options(static_cast<Qos>(random.Below(3)), random.Below(9));
      const auto known = naive.rows.find({filter, session});
      if (known == naive.rows.end()) {
        naive.rows[{filter, session}] = {table.Add(filter, session, options), options};
      } else if (grow && random.Below(2) == 0) {
        table.Update(known->second.handle, options);
        known->second.options = options;
      }
      for (int i = grow ? 1 : 0; i < 2 && !naive.rows.empty(); ++i) {
        if (grow && random.Below(3) > 0) continue;
        auto victim = naive.rows.lower_bound({random.Filter(), 0});
        if (victim == naive.rows.end()) victim = naive.rows.begin();
        ASSERT_EQ(table.options(victim->second.handle), victim->second.options);
        table.Remove(victim->second.handle);
        naive.rows.erase(victim);
      }
      const std::string topic = random.Topic();
      ASSERT_EQ(Match(&table, topic), naive.Match(topic)) << "seed " << seed << " " << topic;
      ASSERT_EQ(table.size(), naive.rows.size());
    }
    for (const auto& [key, value] : naive.rows)
      table.Remove(value.handle);
    EXPECT_EQ(table.filters(), 0u);
    EXPECT_EQ(table.footprint().subscriptions, 0u);
    EXPECT_EQ(table.footprint().groups, 0u);
    EXPECT_EQ(table.footprint().index.entries, 0u);
  }
}

TEST(SubscriptionTableTest, ManySubscribersOfOneFilterComeAndGo) {
  constexpr uint32_t kSessions = 100'000;
  SubscriptionTable table;
  std::vector<SubscriptionHandle> handles;
  for (uint32_t i = 0; i < kSessions; ++i)
    handles.push_back(table.Add("all", i, {}));
  SubscriptionTable::Matches matches;
  table.Match("all", &matches);
  EXPECT_EQ(matches.plain.at(0)->size(), kSessions);
  for (uint32_t i = 0; i < kSessions - 1; ++i)
    table.Remove(handles[i]);
  EXPECT_EQ(matches.plain.at(0)->size(), 1u);
  EXPECT_EQ(matches.plain.at(0)->front().session, kSessions - 1);
  EXPECT_LE(matches.plain.at(0)->capacity(), 64u);
}

}  // namespace
}  // namespace skein::routing
