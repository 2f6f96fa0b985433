#include "broker/metrics/sys_report.h"

#include <gtest/gtest.h>

#include <map>

namespace skein::metrics {
namespace {

constexpr TimeMs kStart = 1'000'000;
constexpr TimeMs kMinute = 60'000;

std::map<std::string, std::string> Map(const SysReport::Values& values) {
  std::map<std::string, std::string> map;
  for (const auto& [name, value] : values)
    EXPECT_TRUE(map.emplace(name, value).second) << name << " twice";
  return map;
}

TEST(SysReportTest, FiguresUnderTheNamesOfMosquitto) {
  SysReport report("n1", "0.1.0", kStart);
  SysFigures figures;
  figures.now = kStart + 90'000;
  figures.census.durable = {2, 3, 10};
  figures.census.transient = {4, 0, 20};
  figures.totals.packets_in.Add(0x34, 5);
  figures.totals.Drop(DropReason::kNoSubscriber, 100);
  figures.totals.Drop(DropReason::kQueueFull, 6);
  figures.retained_messages = 7;
  auto values = Map(report.ValuesOf(figures));
  EXPECT_EQ(values["version"], "skeinmq version 0.1.0");
  EXPECT_EQ(values["uptime"], "90 seconds");
  EXPECT_EQ(values["clients/connected"], "6");
  EXPECT_EQ(values["clients/disconnected"], "3");
  EXPECT_EQ(values["clients/total"], "9");
  EXPECT_EQ(values["clients/maximum"], "6");
  EXPECT_EQ(values["subscriptions/count"], "30");
  EXPECT_EQ(values["publish/messages/received"], "5");
  EXPECT_EQ(values["publish/messages/dropped"], "6") << "nobody wanted the others";
  EXPECT_EQ(values["retained messages/count"], "7");
  figures.census.durable.connected = 0;
  EXPECT_EQ(Map(report.ValuesOf(figures))["clients/maximum"], "6");
}

TEST(SysReportTest, LoadAveragesComeToTheRateAndForgetIt) {
  SysReport report("n1", "0.1.0", kStart);
  SysFigures figures;
  figures.now = kStart;
  std::map<std::string, std::string> values;
  for (int i = 0; i < 6 * 120; ++i) {  // two hours at 100 messages a minute
    figures.now += kMinute / 6;
    if (i % 6 == 5) figures.totals.packets_in.Add(0x30, 40);
    if (i % 6 != 5) figures.totals.packets_in.Add(0x30, 12);
    values = Map(report.ValuesOf(figures));
  }
  const auto load = [&](const char* span) {
    return std::stod(values[std::string("load/publish/received/") + span]);
  };
  EXPECT_NEAR(load("1min"), 100, 30);
  EXPECT_NEAR(load("15min"), 100, 3);
  figures.now += kMinute;
  values = Map(report.ValuesOf(figures));
  EXPECT_LT(load("1min"), 50);
  EXPECT_GT(load("15min"), 90);
}

TEST(SysReportTest, EachIsSaidForTheNodeAndForAll) {
  SysReport report("n1", "0.1.0", kStart);
  SysFigures figures;
  figures.now = kStart + 1'000;
  const auto messages = report.Make(figures, 10'000);
  std::map<std::string, const shard::OwnMessage*> by_topic;
  for (const auto& each : messages)
    by_topic.emplace(each.message->topic(), &each);
  EXPECT_EQ(by_topic.size(), messages.size());
  const shard::OwnMessage* const own = by_topic.at("$SYS/broker/uptime");
  const shard::OwnMessage* const all = by_topic.at("$SYS/brokers/n1/uptime");
  EXPECT_FALSE(own->everywhere);
  EXPECT_TRUE(all->everywhere);
  EXPECT_FALSE(all->message->retain());
  EXPECT_TRUE(all->kept->retain());
  EXPECT_EQ(all->kept->payload(), "1 seconds");
  EXPECT_FALSE(all->kept->expired(figures.now + 30'000));
  EXPECT_TRUE(all->kept->expired(figures.now + 32'000));
}

}  // namespace
}  // namespace skein::metrics
