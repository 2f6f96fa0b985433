#include "broker/base/stats.h"

#include <map>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace skein {
namespace {

std::map<std::string, int64_t> Visited(const ShardStats& stats) {
  std::map<std::string, int64_t> values;
  stats.Visit([&values](const Stat& stat) {
    std::string key(stat.name);
    if (!stat.label.empty()) {
      key += "{" + std::string(stat.label) + "=" + std::string(stat.label_value) + "}";
    }
    EXPECT_TRUE(values.emplace(key, stat.value).second) << key << " twice";
    static const std::set<std::string_view> gauges = {"sessions", "subscriptions", "route_lag",
                                                      "outbox_messages", "outbox_bytes"};
    EXPECT_EQ(stat.gauge, gauges.contains(stat.name)) << key;
  });
  return values;
}

TEST(StatsTest, StartsAtZeroWithoutDecodeErrors) {
  const ShardStats stats;
  for (const auto& [key, value] : Visited(stats)) {
    EXPECT_EQ(value, 0) << key;
    EXPECT_FALSE(key.starts_with("refusals")) << key;
  }
}

TEST(StatsTest, VisitShowsWhatWasCounted) {
  ShardStats stats;
  stats.connections_accepted.Add();
  stats.bytes_in.Add(1'000);
  stats.packets_in[3].Add(5);
  stats.packets_out[15].Add();
  stats.publishes_out[2].Add(4);
  stats.Drop(DropReason::kOutputFull);
  stats.Drop(DropReason::kSessionEnded, 7);
  stats.sessions.Add(3);
  stats.sessions.Add(-1);
  stats.subscriptions.Set(11);
  stats.refusals[0x82].Add(2);

  auto values = Visited(stats);
  EXPECT_EQ(values["connections_accepted"], 1);
  EXPECT_EQ(values["bytes_in"], 1'000);
  EXPECT_EQ(values["packets_in{type=publish}"], 5);
  EXPECT_EQ(values["packets_out{type=auth}"], 1);
  EXPECT_EQ(values["publishes_out{qos=2}"], 4);
  EXPECT_EQ(values["messages_dropped{reason=output_full}"], 1);
  EXPECT_EQ(values["messages_dropped{reason=session_ended}"], 7);
  EXPECT_EQ(values["sessions"], 2);
  EXPECT_EQ(values["subscriptions"], 11);
  EXPECT_EQ(values["refusals{code=0x82}"], 2);
}

TEST(StatsTest, EveryDropReasonHasItsName) {
  EXPECT_EQ(static_cast<size_t>(DropReason::kOutboxFull) + 1, kDropReasons);
  const std::set<std::string_view> names(kDropReasonNames.begin(), kDropReasonNames.end());
  EXPECT_EQ(names.size(), kDropReasons);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace skein
