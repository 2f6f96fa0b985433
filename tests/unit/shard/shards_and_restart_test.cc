// Several shards: routes, forwarded publishes, shared groups; and what a restart finds.
#include <gtest/gtest.h>

#include <map>

#include "broker/shard/lifecycle.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

NodeOptions Two() {
  NodeOptions options;
  options.shards = 2;
  return options;
}

// A client id that the shard owns.
std::string IdOn(ShardId shard, const std::string& prefix = "c") {
  for (int i = 0;; ++i) {
    const std::string id = prefix + std::to_string(i);
    if (PartitionOf(id, 256) % 2 == shard) return id;
  }
}

TEST(ShardsTest, AConnectionMovesToTheOwnerOfItsClientId) {
  Transcript t(Two());
  t.Play("a> connect at=0 id=" + IdOn(1) + "\na< connack\na> ping\na< pingresp");
  EXPECT_EQ(t.node().core(0).state().sessions.size(), 0u);
  EXPECT_EQ(t.node().core(1).state().sessions.size(), 1u);
}

TEST(ShardsTest, SubackWaitsUntilTheOtherShardKnows) {
  Transcript t(Two());
  t.Play("a> connect at=0 id=" + IdOn(0) + "\na< connack");
  t.Play(R"(
    hold mail
    a> subscribe 1 t q1
    mail 0 1
    mail 1 0
    a< suback 1 0x01
  )");
}

TEST(ShardsTest, PubackWaitsForTheOtherShardsDisk) {
  Transcript t(Two());
  t.Play("a> connect at=1 keep expiry=100 id=" + IdOn(1) + "\na< connack");
  t.Play("p> connect at=0 id=" + IdOn(0) + "\np< connack");
  t.Play(R"(
    a> subscribe 1 t q1
    a< suback 1 0x01
    hold disk
    p> publish 1 t one q1
    a< publish t one q1 #1
    disk 0
    disk 1
    p< puback 1
  )");
}

TEST(ShardsTest, ASharedMessageGoesToOneMemberOfAllShards) {
  Transcript t(Two());
  const std::map<std::string, std::string> members = {
      {"a", IdOn(0, "a")}, {"b", IdOn(1, "b")}, {"c", IdOn(1, "c")}};
  for (const auto& [name, id] : members) {
    t.Play(name + "> connect id=" + id + "\n" + name + "< connack\n" + name +
           "> subscribe 1 $share/g/t\n" + name + "< suback 1 0x00");
  }
  t.Play("p> connect id=" + IdOn(0, "p") + "\np< connack");
  std::map<std::string, int> got;
  for (int i = 0; i < 30; ++i) {
    const auto counts = t.PlayAndCount("p> publish - t " + std::to_string(i));
    ASSERT_EQ(counts.size(), 1u);
    ASSERT_EQ(counts.begin()->second, 1);
    ++got[counts.begin()->first];
  }
  EXPECT_EQ(got["a"], 10);
  EXPECT_EQ(got["b"], 10);
  EXPECT_EQ(got["c"], 10);
}

TEST(ShardsTest, ASharedMessageFollowsTheMembersWhenTheLastOneOfAShardLeft) {
  Transcript t(Two());
  t.Play("a> connect at=1 id=" + IdOn(1, "a") + "\na< connack");
  t.Play("b> connect at=0 id=" + IdOn(0, "b") + "\nb< connack");
  t.Play("p> connect at=0 id=" + IdOn(0, "p") + "\np< connack");
  t.Play(R"(
    a> subscribe 1 $share/g/t q1
    a< suback 1 0x01
    b> subscribe 1 $share/g/t q1
    b< suback 1 0x01
    hold mail
    a drops
    p> publish 1 t one q1 + publish 2 t two q1
    b< publish t two q1 #1
    mail 0 1
    mail 1 0
    b< publish t one q1 #2
    mail 0 1
    mail 1 0
    p< puback 1
    p< puback 2
  )");
}

TEST(ShardsTest, UnsubackOfASharedSubscriptionWaitsUntilTheOtherShardKnows) {
  Transcript t(Two());
  t.Play("a> connect at=0 id=" + IdOn(0) + "\na< connack");
  t.Play(R"(
    a> subscribe 1 $share/g/t q1
    a< suback 1 0x01
    hold mail
    a> unsubscribe 2 $share/g/t
    mail 0 1
    mail 1 0
    a< unsuback 2 0x00
  )");
}

TEST(SharedTest, ConnectedMembersComeFirstAndOfflineOnesKeepWhatNobodyElseTakes) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    a> subscribe 1 $share/g/t q1
    a< suback 1 0x01
    b> connect keep expiry=100
    b< connack
    b> subscribe 1 $share/g/t q1
    b< suback 1 0x01
    b drops
    p> connect
    p< connack
    p> publish 1 t one q1 + publish 2 t two q1
    a< publish t one q1 #1
    a< publish t two q1 #2
    p< puback 1
    p< puback 2
    a> puback 1 + puback 2
    a drops
    p> publish 3 t three q1 + publish 4 t four q1
    p< puback 3
    p< puback 4
  )");
  EXPECT_EQ(t.node().session("a")->stored.messages, 1u);
  EXPECT_EQ(t.node().session("b")->stored.messages, 1u);
}

TEST(RestartTest, EverythingOfADurableSessionIsFoundAgain) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100 rm=2
    a< connack
    a> subscribe 1 t q2 id=5
    a< suback 1 0x02
    p> connect keep expiry=100
    p< connack
    p> publish 1 t one q2 + publish 2 t two q1 + publish 3 t three q1
    a< publish t one q2 #1 id=5
    a< publish t two q1 #2 id=5
    p< pubrec 1
    p< puback 2
    p< puback 3
    a> pubrec 1
    a< pubrel 1
    crash
    a> connect keep expiry=100 rm=2
    a< connack present
    a< pubrel 1
    a< publish t two q1 #2 dup id=5
    a> pubcomp 1
    a< publish t three q1 #3 id=5
    p> connect keep expiry=100
    p< connack present
    p> publish 1 t one q2 dup
    p< pubrec 1
    p> pubrel 1
    p< pubcomp 1
    a> puback 2 + puback 3
    p> publish 4 t four q1
    a< publish t four q1 #4 id=5
    p< puback 4
  )");
}

TEST(RestartTest, TransientSessionsAreGoneAndSoIsWhatWasNotAcknowledged) {
  Transcript t;
  t.Play(R"(
    a> connect
    a< connack
    b> connect keep expiry=100
    b< connack
    hold disk
    b> subscribe 1 t q1
    crash
    release disk
    a> connect keep expiry=100
    a< connack
    b> connect keep expiry=100
    b< connack present
    b> unsubscribe 1 t
    b< unsuback 1 0x11
  )");
}

TEST(RestartTest, WillsOfDeadConnectionsAndDelayedOnesAreKept) {
  Transcript t;
  t.Play(R"(
    w> connect keep expiry=1000
    w< connack
    w> subscribe 1 will/# q1
    w< suback 1 0x01
    a> connect keep expiry=1000 will=will/a:gone willqos=1
    a< connack
    b> connect keep expiry=1000 will=will/b:gone willqos=1 willdelay=10
    b< connack
    b drops
    w drops
    crash
    w> connect keep expiry=1000
    w< connack present
    w< publish will/a gone q1 #1
    wait 11000
    w< publish will/b gone q1 #2
  )");
}

}  // namespace
}  // namespace skein::shard
