#include "broker/metrics/broker_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace skein::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class BrokerMetricsTest : public testing::Test {
 protected:
  BrokerMetricsTest() {
    shard_.listeners.resize(1);
    figures_.listeners = {"front"};
    figures_.shards = {&shard_};
    figures_.peers = {"a", "b"};
    figures_.now = 10'000;
  }
  std::string Text() {
    figures_.totals = ShardStats();
    figures_.totals.Merge(shard_);
    Sheet sheet;
    AddBroker(figures_, &sheet);
    return TextOf(sheet.Take());
  }

  ShardStats shard_;
  BrokerFigures figures_;
};

TEST_F(BrokerMetricsTest, ShowsWhatWasCounted) {
  shard_.packets_in.Add(0x32);     // QoS 1
  shard_.packets_in.Add(0x3b, 2);  // and with DUP and RETAIN
  shard_.packets_out.Add(0x30, 4);
  shard_.listeners[0].connected[2].Add(5);
  shard_.listeners[0].shed.Add(ShedReason::kMaxHandshakes);
  shard_.listeners[0].authentications.Add(AuthResult::kBanned, 6);
  shard_.Drop(DropReason::kQueueFull, 7);
  shard_.Hit(LimitHit::kMaxInflight);
  shard_.refusals[0x97].Add(8);
  shard_.publish_allowed[0].Add(9);
  shard_.outbox_since.Set(4'000);
  figures_.census.durable.offline = 11;
  figures_.census.queued_since = 8'500;
  figures_.census.routes = {{0, 12}, {1, 13}, {7, 14}};
  figures_.census.lag = {{1, 15}};
  const std::string text = Text();
  for (const char* line : {
           "skeinmq_messages_total{direction=\"in\",qos=\"1\"} 3",
           "skeinmq_packets_total{direction=\"out\",packet=\"PUBLISH\"} 4",
           "skeinmq_connections{listener=\"front\",protocol_version=\"5.0\"} 5",
           "skeinmq_connections_refused_total{listener=\"front\",reason=\"max_handshakes\"} 1",
           "skeinmq_authentications_total{listener=\"front\",result=\"banned\"} 6",
           "skeinmq_messages_dropped_total{reason=\"queue_full\"} 7",
           "skeinmq_limit_hits_total{limit=\"max_inflight\"} 1",
           "skeinmq_refusals_total{code=\"0x97\"} 8",
           "skeinmq_authorizations_total{action=\"publish\",result=\"deny\"} 9",
           "skeinmq_outbox_oldest_age_seconds 6",
           "skeinmq_sessions{kind=\"durable\",state=\"offline\"} 11",
           "skeinmq_queue_oldest_age_seconds 1.5",
           "skeinmq_routes{peer=\"self\"} 12",
           "skeinmq_routes{peer=\"b\"} 13",
           "skeinmq_feed_lag_changes{peer=\"b\"} 15",
       }) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
  EXPECT_THAT(text, Not(HasSubstr(" 14\n"))) << "a node that nobody knows has no label";
  EXPECT_THAT(text, Not(HasSubstr("code=\"0x00\"")));
}

TEST_F(BrokerMetricsTest, HistogramsAreCumulativeAndInSeconds) {
  shard_.publish_ack[1].Observe(20, 2);
  shard_.publish_ack[1].Observe(3'000);
  shard_.publish_ack[1].Observe(uint64_t{1} << 40);
  const std::string text = Text();
  const std::string name = "skeinmq_publish_ack_seconds_bucket{qos=\"1\",le=";
  EXPECT_THAT(text, HasSubstr(name + "\"1.6e-05\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(name + "\"3.2e-05\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "\"0.004096\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("skeinmq_publish_ack_seconds_count{qos=\"1\"} 4\n"));
}

TEST_F(BrokerMetricsTest, EveryFamilyIsThereOnceWhateverHappened) {
  std::istringstream lines(Text());
  std::set<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    EXPECT_TRUE(names.insert(line).second) << line;
  }
  EXPECT_GT(names.size(), 35u);
}

}  // namespace
}  // namespace skein::metrics
