// Digests of routes and of retained messages: what is lost on the way is found and repaired, and
// nothing is found when nothing was lost. Places as in cluster_test.cc.
#include <gtest/gtest.h>

#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

constexpr TimeMs kInterval = 10'000;

NodeOptions WithDigests() {
  NodeOptions options = ThreeNodes();
  options.digest_interval_ms = kInterval;
  return options;
}

class DigestTest : public ::testing::Test {
 protected:
  void Play(const std::string& script) { t_.Play(Script(script)); }
  Node& node() { return t_.node(); }

  // The shard of node 0 that has the session of @NAME0.
  ShardId Home(const std::string& name) {
    return static_cast<ShardId>(PartitionOf(IdOf(0, name), 256) % 2);
  }
  // Loses the first mail of the kind from a node to a shard.
  template <typename T>
  void LoseOne(NodeNumber from, ShardId to) {
    node().on_mail = [this, from, to, lost = false](ShardId sender, ShardId receiver,
                                                    Mail* mail) mutable {
      if (lost || sender / 2 != from || receiver != to || !std::holds_alternative<T>(*mail))
        return true;
      lost = true;
      ++lost_;
      return false;
    };
  }
  template <typename T>
  void Count(ShardId from, ShardId to) {
    node().on_mail = [this, from, to](ShardId sender, ShardId receiver, Mail* mail) {
      if (sender == from && receiver == to && std::holds_alternative<T>(*mail)) ++counted_;
      return true;
    };
  }
  void ExpectDivergence(uint64_t routes, uint64_t retained) {
    uint64_t of_routes = 0, of_retained = 0;
    for (ShardId shard = 0; shard < node().shards(); ++shard) {
      of_routes += node().stats(shard).route_divergence.value();
      of_retained += node().stats(shard).retained_divergence.value();
    }
    EXPECT_EQ(of_routes, routes);
    EXPECT_EQ(of_retained, retained);
  }
  void ExpectSameRoutes() { EXPECT_EQ(node().CompareRoutes(), std::vector<std::string>()); }

  Transcript t_{WithDigests()};
  int lost_ = 0;
  int counted_ = 0;
};

TEST_F(DigestTest, NothingIsFoundWhereNothingWasLost) {
  Play(R"(
    s> connect id=@s0 keep expiry=1000 at=0
    s< connack
    s> subscribe 1 t/+ q1
    s< suback 1 0x01
    s> subscribe 2 v q1
    s< suback 2 0x01
    s> unsubscribe 3 v
    s< unsuback 3 0x00
    u> connect id=@u1 at=4
    u< connack
    u> subscribe 1 $share/g/t/+
    u< suback 1 0x00
    p> connect id=@p1 at=2
    p< connack
    p> publish 1 r/a kept q1 retain
    p< puback 1 0x10
    p> publish 2 r/b gone q1 retain
    p< puback 2 0x10
    wait 10000
    p> publish 3 r/b - q1 retain
    p< puback 3 0x10
    u> unsubscribe 2 $share/g/t/+
    u< unsuback 2 0x00
    wait 10000
    s drops
  )");
  const auto partition = static_cast<session::PartitionId>(PartitionOf(IdOf(0, "s"), 256));
  node().Give(partition, 1);
  node().Settle();
  ASSERT_EQ(node().OwnerOf(partition), 1);
  Play(
      "wait 10000\npart 0 2\np> publish 4 r/c new q1 retain\np< puback 4 0x10\nwait 10000\n"
      "join 0 2\nwait 10000\ncrash 2\nu< closed\nwait 10000\nrevive 2\nwait 30000");
  ExpectSameRoutes();
  ExpectDivergence(0, 0);
}

TEST_F(DigestTest, WhoHearsOfANewOwnerFirstFindsNothing) {
  Play(
      "s> connect id=@s0 keep expiry=1000 at=0\ns< connack\ns> subscribe 1 t q1\n"
      "s< suback 1 0x01\ns drops");
  const auto partition = static_cast<session::PartitionId>(PartitionOf(IdOf(0, "s"), 256));
  node().table_runs = false;
  node().Give(partition, 1);
  node().Settle();
  node().Decide();
  for (const NodeNumber hears : {2, 0, 1}) {
    node().Hear(hears);
    node().Settle();
    node().Advance(kInterval);
  }
  ASSERT_TRUE(node().core(2).state().IsMine(partition));
  node().Advance(kInterval);
  ExpectSameRoutes();
  ExpectDivergence(0, 0);
}

TEST_F(DigestTest, ALostRouteIsFoundAndItsSubackWaits) {
  Play("s> connect id=@s0 at=0\ns< connack\np> connect id=@p2 at=4\np< connack");
  const ShardId publisher = static_cast<ShardId>(4 + PartitionOf(IdOf(2, "p"), 256) % 2);
  LoseOne<RouteChange>(0, publisher);
  Play("s> subscribe 1 t\np> publish 1 t early q1\np< puback 1 0x10");
  EXPECT_EQ(lost_, 1);
  Play("wait 1000");
  EXPECT_EQ(node().stats(Home("s")).route_lag.value(), 1) << "the shard that lost it";
  Play("wait 8999\nwait 1000\ns< suback 1 0x00\np> publish 2 t m q1\ns< publish t m\np< puback 2");
  ExpectSameRoutes();
  ExpectDivergence(1, 0);
  Play("wait 1000");
  EXPECT_EQ(node().stats(Home("s")).route_lag.value(), 0);
}

TEST_F(DigestTest, AGapInTheSequenceIsMendedAtOnce) {
  Play("s> connect id=@s0 at=0\ns< connack");
  LoseOne<RouteChange>(0, 4);
  Play("s> subscribe 1 t\ns> subscribe 2 u\ns< suback 1 0x00\ns< suback 2 0x00");
  EXPECT_EQ(lost_, 1);
  ExpectSameRoutes();
  ExpectDivergence(1, 0);
}

TEST_F(DigestTest, ARepairThatIsLostIsAskedForAgain) {
  Play("s> connect id=@s0 at=0\ns< connack");
  LoseOne<RouteChange>(0, 4);
  Play("s> subscribe 1 t");
  LoseOne<RouteAsk>(2, Home("s"));
  Play("wait 10000");
  EXPECT_EQ(lost_, 2);
  LoseOne<RouteReady>(0, 4);
  Play("wait 10000\nwait 20000\nwait 10000\nwait 10000\nwait 10000\ns< suback 1 0x00");
  EXPECT_EQ(lost_, 3);
  ExpectSameRoutes();
  ExpectDivergence(1, 0);
}

TEST_F(DigestTest, AGhostRouteGoes) {
  const uint64_t told = node().core(0).state().route_sequence;
  node().Bring(0, 4, RouteChange{told, 1, "ghost"});
  node().Bring(0, 1, RouteChange{told, 2, "$share/g/ghost"});
  EXPECT_EQ(node().CompareRoutes().size(), 2u);
  node().Advance(kInterval);
  ExpectSameRoutes();
  ExpectDivergence(2, 0);
}

TEST_F(DigestTest, AWeightIsPartOfARoute) {
  Play(R"(
    s> connect id=@s0 at=0
    s< connack
    s> subscribe 1 $share/g/t
    s< suback 1 0x00
  )");
  const ShardId home = Home("s");
  node().Bring(home, 4, RouteChange{node().core(home).state().route_sequence, 7, "$share/g/t"});
  node().Advance(kInterval);
  ExpectSameRoutes();
  ExpectDivergence(1, 0);
}

TEST_F(DigestTest, ALostDurableRouteIsFound) {
  Play("s> connect id=@s0 keep expiry=1000 at=0\ns< connack");
  LoseOne<DurableRoute>(0, 4);
  Play("s> subscribe 1 t q1\ns< suback 1 0x01");
  EXPECT_EQ(lost_, 1);
  ExpectSameRoutes();
  ExpectDivergence(1, 0);
  // The same where the sequence tells nothing.
  const ShardId home = Home("s");
  const auto partition = static_cast<session::PartitionId>(PartitionOf(IdOf(0, "s"), 256));
  const uint64_t told = node().core(home).state().route_sequence;
  node().Bring(home, 2, DurableRoute{told, partition, false, "t"});
  node().Bring(home, 3, DurableRoute{told, partition, true, "ghost"});
  node().Bring(home, static_cast<ShardId>(1 - home), DurableRoute{told, partition, true, "ghost"});
  EXPECT_EQ(node().CompareRoutes().size(), 3u);
  node().Advance(kInterval);
  ExpectSameRoutes();
  ExpectDivergence(4, 0);
}

TEST_F(DigestTest, ARepairHidesNoSubscriber) {
  Play(R"(
    s> connect id=@s0 at=0
    s< connack
    s> subscribe 1 t
    s< suback 1 0x00
    p> connect id=@p2 at=4
    p< connack
  )");
  const ShardId home = Home("s");
  const ShardId publisher = static_cast<ShardId>(4 + PartitionOf(IdOf(2, "p"), 256) % 2);
  node().Bring(home, publisher, RouteChange{node().core(home).state().route_sequence, 1, "ghost"});
  bool begun = false;
  node().on_mail = [&](ShardId from, ShardId to, Mail* mail) {
    if (from == home && to == publisher) begun |= std::holds_alternative<RouteReset>(*mail);
    return true;
  };
  Play("hold mail\nwait 10000");
  node().DeliverMail(home, publisher);
  node().Step();
  node().DeliverMail(publisher, home);
  node().Step();
  for (int i = 0; i < 10 && !begun; ++i)
    node().DeliverMail(home, publisher, 1);
  ASSERT_TRUE(begun);
  EXPECT_TRUE(node().core(publisher).state().places[2 + home].mending);
  Play("p> publish 1 t m q1\nrelease mail\ns< publish t m\np< puback 1");
  ExpectSameRoutes();
  ExpectDivergence(1, 0);
}

// --- retained messages

TEST_F(DigestTest, ALostRetainedMessageIsFound) {
  Play("p> connect id=@p0 at=0\np< connack");
  const ShardId home = Home("p");
  LoseOne<RetainedChange>(0, static_cast<ShardId>(4 + home));
  Play("p> publish 1 r kept q1 retain\np< puback 1 0x10");
  EXPECT_EQ(lost_, 1);
  EXPECT_EQ(node().Retains(2, "r"), std::nullopt);
  Play("wait 10000");
  EXPECT_EQ(node().Retains(2, "r"), std::nullopt) << "it may still be on its way";
  Play("wait 10000");
  EXPECT_EQ(node().Retains(2, "r"), "kept");
  Play("wait 10000\nwait 10000\nwait 10000");
  ExpectDivergence(0, 1);
}

TEST_F(DigestTest, ALostRemovalIsFound) {
  Play("p> connect id=@p0 at=0\np< connack\np> publish 1 r kept q1 retain\np< puback 1 0x10");
  LoseOne<RetainedChange>(0, static_cast<ShardId>(4 + Home("p")));
  Play("p> publish 2 r - q1 retain\np< puback 2 0x10");
  EXPECT_EQ(node().Retains(2, "r"), "kept");
  Play("wait 10000\nwait 10000");
  for (NodeNumber each = 0; each < 3; ++each)
    EXPECT_EQ(node().Retains(each, "r"), std::nullopt);
  ExpectDivergence(0, 1);
}

TEST_F(DigestTest, WhatMayStillBeOnItsWayIsNotCounted) {
  Play("p> connect id=@p0 at=0\np< connack");
  node().on_mail = [](ShardId, ShardId to, Mail* mail) {
    const auto* change = std::get_if<RetainedChange>(mail);
    return change == nullptr || to < 4 || change->repair;
  };
  const auto bucket = [](const std::string& topic) {
    return routing::RetainedBucket(routing::EncodeRetainedKey(topic));
  };
  std::string same = "r0";
  for (int i = 1; bucket(same) != bucket("r"); ++i)
    same = "r" + std::to_string(i);
  Play("p> publish - r old retain\nwait 10000\nwait 9999\np> publish - " + same +
       " young retain\nwait 1");
  EXPECT_EQ(node().Retains(2, "r"), "old");
  EXPECT_EQ(node().Retains(2, same), "young");
  ExpectDivergence(0, 1);
}

TEST_F(DigestTest, AfterAnAbsenceOnlyWhatDiffersIsSent) {
  Play("p> connect id=@p0 at=0\np< connack");
  for (int i = 0; i < 1'000; ++i)
    Play("p> publish - r/" + std::to_string(i) + " old retain");
  Count<RetainedChange>(0, 4);
  Play("crash 2\nrevive 2");
  EXPECT_EQ(counted_, 0) << "nothing has changed";
  Play(
      "crash 2\np> publish - r/1 new retain\np> publish - r/2 - retain\n"
      "p> publish - r/new new retain\nrevive 2");
  EXPECT_EQ(node().Retains(2, "r/1"), "new");
  EXPECT_EQ(node().Retains(2, "r/2"), std::nullopt);
  EXPECT_EQ(node().Retains(2, "r/new"), "new");
  EXPECT_GE(counted_, 3);
  EXPECT_LE(counted_, 50) << "three buckets of about four messages";
  Play("wait 10000\nwait 10000\nwait 10000");
  ExpectDivergence(0, 0);
}

// Its clock is a little ahead.
TEST_F(DigestTest, ARemovalThatOneNodeHasForgottenIsNoDifference) {
  Play("p> connect id=@p0 at=0\np< connack\np> publish - r kept retain\np> publish - r - retain");
  const TimeMs forgotten = node().now() + TimeMs{24} * 3600 * 1000;
  Count<RetainedChange>(0, 4);
  node().Advance(forgotten - 1'000 - node().now());
  node().retained(2).Sweep(forgotten + 1'000, 10);
  EXPECT_TRUE(node().retained(2).Removed(RetainedBuckets().set()).empty());
  EXPECT_FALSE(node().retained(0).Removed(RetainedBuckets().set()).empty());
  for (int i = 0; i < 6; ++i)
    node().Advance(kInterval);
  EXPECT_EQ(counted_, 0);
  ExpectDivergence(0, 0);
}

TEST(RetainedDigestTest, ADifferenceThatStaysIsSentEverLessOften) {
  NodeOptions options = WithDigests();
  options.limits.max_retained_messages = 1;
  Node node(options);
  for (const NodeNumber each : {0, 2}) {
    mqtt::Message::Init init;
    const std::string topic = "of/" + std::to_string(each);
    init.topic = topic;
    init.payload = "x";
    init.received_at = node.now();
    mqtt::MessagePtr message = mqtt::Message::Make(init);
    node.retained(each).PutLatest(&message);
  }
  int sent = 0;
  node.on_mail = [&](ShardId from, ShardId to, Mail* mail) {
    sent += from == 0 && to == 4 && std::holds_alternative<RetainedChange>(*mail) ? 1 : 0;
    return true;
  };
  for (int i = 0; i < 64; ++i)
    node.Advance(kInterval);
  EXPECT_EQ(sent, 6) << "at the 2nd, 4th ... 64th time";
  for (int i = 0; i < 128; ++i)
    node.Advance(kInterval);
  EXPECT_EQ(sent, 8);
}

}  // namespace
}  // namespace skein::shard
