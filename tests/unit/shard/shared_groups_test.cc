// Shared groups: strategies over shards and nodes, and what becomes of the messages of a member
// that has gone.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

// Two members, a first; a gets what is published until b has come. rm: a's Receive Maximum.
std::string Members(const std::string& words, const std::string& published, int qos = 2) {
  const std::string q = std::to_string(qos);
  return "a> connect " + words + "\na< connack\na> subscribe 1 $share/g/t q" + q +
         "\na< suback 1 0x0" + q + "\np> connect\np< connack\n" + published +
         "b> connect\nb< connack\nb> subscribe 1 $share/g/t q" + q + "\nb< suback 1 0x0" + q + "\n";
}

TEST(RedispatchTest, WhatATransientMemberHadNotAcknowledgedGoesToAnotherOnce) {
  Transcript t;
  t.Play(Members("rm=2", R"(
    p> publish 1 t done q1 + publish 2 t sent q1 + publish 3 t waits q1
    a< publish t done q1 #1
    a< publish t sent q1 #2
    p< puback 1
    p< puback 2
    p< puback 3
    a> puback 1
    a< publish t waits q1 #3
    p> publish 4 t more q1
    p< puback 4
  )") + R"(
    a drops
    b< publish t sent q1 #1
    b< publish t waits q1 #2
    b< publish t more q1 #3
    b> puback 1 + puback 2 + puback 3
    b> ping
    b< pingresp
  )");
  EXPECT_EQ(t.node().stats().messages_redispatched.value(), 3u);
  EXPECT_EQ(t.node().Dropped(DropReason::kSessionEnded), 0u);
  EXPECT_EQ(t.node().core().state().budget.used, 0u);
}

TEST(RedispatchTest, AQos2MessageThatWasSentIsNotGivenAgain) {
  Transcript t;
  t.Play(Members("rm=2", R"(
    p> publish 1 t received q2 + publish 2 t sent q2 + publish 3 t waits q2
    a< publish t received q2 #1
    a< publish t sent q2 #2
    p< pubrec 1
    p< pubrec 2
    p< pubrec 3
    a> pubrec 1
    a< pubrel 1
  )") + R"(
    a drops
    b< publish t waits q2 #1
  )");
}

TEST(RedispatchTest, TheOwnSubscriptionsMessagesDieWithTheSession) {
  Transcript t;
  t.Play(Members("rm=1", R"(
    a> subscribe 2 own q1
    a< suback 2 0x01
    p> publish 1 own sent q1 + publish 2 own waits q1 + publish 3 t waits q1
    a< publish own sent q1 #1
    p< puback 1
    p< puback 2
    p< puback 3
  )") + R"(
    a drops
    b< publish t waits q1 #1
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kSessionEnded), 1u);
}

TEST(RedispatchTest, WithoutAnotherMemberTheyAreDroppedAndCounted) {
  Transcript t;
  t.Play(R"(
    a> connect rm=1
    a< connack
    a> subscribe 1 $share/g/t q1
    a< suback 1 0x01
    p> connect
    p< connack
    p> publish 1 t sent q1 + publish 2 t waits q1
    a< publish t sent q1 #1
    p< puback 1
    p< puback 2
    a drops
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kSessionEnded), 2u);
  EXPECT_EQ(t.node().core().state().budget.used, 0u);
}

TEST(RedispatchTest, WhoUnsubscribesCompletesWhatItWasSentAndGivesTheRestAway) {
  Transcript t;
  t.Play(Members("rm=1", R"(
    p> publish 1 t sent q1 + publish 2 t waits q1
    a< publish t sent q1 #1
    p< puback 1
    p< puback 2
  )") + R"(
    a> unsubscribe 2 $share/g/t
    a< unsuback 2 0x00
    b< publish t waits q1 #1
    a drops
    b< publish t sent q1 #2
  )");
}

TEST(RedispatchTest, TheLastOneToUnsubscribeIsSentWhatWaits) {
  Transcript t;
  t.Play(R"(
    a> connect rm=1
    a< connack
    a> subscribe 1 $share/g/t q1
    a< suback 1 0x01
    p> connect
    p< connack
    p> publish 1 t sent q1 + publish 2 t waits q1
    a< publish t sent q1 #1
    p< puback 1
    p< puback 2
    a> unsubscribe 2 $share/g/t
    a< unsuback 2 0x00
    a> puback 1
    a< publish t waits q1 #2
  )");
}

// Of a durable member.
const char kLasting[] = R"(
    p> publish 1 t sent q1 + publish 2 t begun q2 + publish 3 t waits q2
    a< publish t sent q1 #1
    a< publish t begun q2 #2
    p< puback 1
    p< pubrec 2
    p< pubrec 3
    p> pubrel 2 + pubrel 3
    p< pubcomp 2
    p< pubcomp 3
)";

TEST(RedispatchTest, ADurableMemberThatIsAwayKeepsItsMessages) {
  Transcript t;
  t.Play(Members("keep expiry=100 rm=2", kLasting) + R"(
    a drops
    wait 50000
    a> connect keep expiry=100 rm=3
    a< connack present
    a< publish t sent q1 #1 dup
    a< publish t begun q2 #2 dup
    a< publish t waits q2 #3
  )");
}

TEST(RedispatchTest, WhenADurableMembersSessionExpiresOthersHaveItsMessages) {
  Transcript t;
  t.Play(Members("keep expiry=100 rm=2", kLasting) + R"(
    a drops
    wait 101000
    b< publish t sent q1 #1
    b< publish t waits q2 #2
    b> puback 1 + pubrec 2
    b< pubrel 2
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kSessionEnded), 1u) << "what was sent with QoS 2";
  t.Play("crash");
  EXPECT_EQ(t.node().session("a"), nullptr);
  EXPECT_TRUE(t.node().core().state().sessions.size() == 0);
}

TEST(RedispatchTest, ACleanStartGivesTheMessagesOfTheSessionBeforeAway) {
  Transcript t;
  t.Play(Members("keep expiry=100 rm=2", kLasting) + R"(
    a drops
    a> connect expiry=100
    a< connack
    b< publish t sent q1 #1
    b< publish t waits q2 #2
    b> puback 1 + pubrec 2
    b< pubrel 2
    crash
    a> connect keep expiry=100
    a< connack present
  )");
}

TEST(RedispatchTest, ADurableSessionThatIsEndedByItsClientGivesThemAway) {
  Transcript t;
  t.Play(Members("keep expiry=100 rm=2", kLasting) + R"(
    a> disconnect expiry=0
    a< closed
    b< publish t sent q1 #1
    b< publish t waits q2 #2
  )");
}

TEST(RedispatchTest, ACrashInTheMiddleLosesNothingAndBringsNoSessionBack) {
  Transcript t;
  t.Play(Members("keep expiry=100 rm=1", R"(
    p> publish 1 t one q1 + publish 2 t two q1
    a< publish t one q1 #1
    p< puback 1
    p< puback 2
  )",
                 1) +
         R"(
    c> connect keep expiry=1000
    c< connack
    c> subscribe 1 $share/g/t q1
    c< suback 1 0x01
    c drops
    b drops
    a drops
    hold disk
    a> connect expiry=100
    disk
    a< connack
    crash
    release disk
  )");
  // The queue is found without a session; the one that has come since is another.
  t.Play(R"(
    a> connect keep expiry=100
    a< connack present
    c> connect keep expiry=1000
    c< connack present
    c< publish t one q1 #1
    c< publish t two q1 #2
    c> puback 1 + puback 2
    crash
    c> connect keep expiry=1000
    c< connack present
  )");
}

TEST(RedispatchTest, TheGroupIsRememberedOverARestart) {
  Transcript t;
  t.Play(Members("keep expiry=100 rm=1", R"(
    p> publish 1 t one q1 + publish 2 t two q1
    a< publish t one q1 #1
    p< puback 1
    p< puback 2
  )",
                 1) +
         R"(
    crash
    b> connect
    b< connack
    b> subscribe 1 $share/g/t q1
    b< suback 1 0x01
    wait 101000
    b< publish t one q1 #1
    b< publish t two q1 #2
  )");
}

TEST(RedispatchTest, AMessageThatExpiresOnTheWayIsDropped) {
  Transcript t;
  t.Play(Members("keep expiry=100 rm=1", R"(
    p> publish 1 t short q1 expiry=10 + publish 2 t long q1
    a< publish t short q1 #1 expiry=10
    p< puback 1
    p< puback 2
  )",
                 1) +
         R"(
    a drops
    wait 101000
    b< publish t long q1 #1
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kExpired), 1u);
}

TEST(RedispatchTest, MoreThanFitOnePageAndMoreThanAreGivenAtATime) {
  NodeOptions options;
  options.limits.queue_page_messages = 7;
  Transcript t(options);
  t.Play(Members("keep expiry=100", "", 1));
  t.Play("b drops\na drops");
  for (int i = 1; i <= 600; ++i) {
    const std::string id = std::to_string(i);
    t.Play("p> publish " + id + " t m" + id + " q1\np< puback " + id);
  }
  t.Play("b> connect rm=1000\nb< connack\nb> subscribe 1 $share/g/t q1\nb< suback 1 0x01");
  int got = t.PlayAndCount("wait 101000")["b"];
  for (int acknowledged = 0; acknowledged < got;) {
    std::string acks;
    while (acknowledged < got)
      acks += (acks.empty() ? "" : " + ") + ("puback " + std::to_string(++acknowledged));
    got += t.PlayAndCount("b> " + acks)["b"];
  }
  EXPECT_EQ(got, 600);
  EXPECT_EQ(t.node().stats().messages_redispatched.value(), 600u);
  EXPECT_EQ(t.node().session("a"), nullptr);
}

class ClusterSharedTest : public ::testing::Test {
 protected:
  void Play(const std::string& script) { t_.Play(Script(script)); }
  // A member of $share/g/t/# on that node.
  void Join(const std::string& name, NodeNumber node, const std::string& words = "") {
    const std::string shard = std::to_string(node * 2);
    Play(name + "> connect id=@" + name + std::to_string(node) + " at=" + shard + " " + words +
         "\n" + name + "< connack\n" + name + "> subscribe 1 $share/g/t/# q1\n" + name +
         "< suback 1 0x01");
  }
  void Publisher(const std::string& name, NodeNumber node) {
    const std::string shard = std::to_string(node * 2);
    Play(name + "> connect id=@" + name + std::to_string(node) + " at=" + shard + "\n" + name +
         "< connack");
  }
  // Who gets a QoS 0 message.
  std::string Receiver(const std::string& publisher, const std::string& topic) {
    const auto counts = t_.PlayAndCount(publisher + "> publish - " + topic + " m");
    EXPECT_EQ(counts.size(), 1u) << topic;
    return counts.empty() ? "" : counts.begin()->first;
  }
  static NodeOptions With(ShareStrategy strategy) {
    NodeOptions options = ThreeNodes();
    options.shares.usual = strategy;
    return options;
  }

  Transcript t_{ThreeNodes()};
};

TEST_F(ClusterSharedTest, WhatAMemberHadGoesToAnotherNode) {
  Join("a", 0, "rm=1");
  Publisher("p", 2);
  Play(R"(
    p> publish 1 t/x sent q1 + publish 2 t/x waits q1
    a< publish t/x sent q1 #1
    p< puback 1
    p< puback 2
  )");
  Join("b", 1);
  Play(R"(
    a drops
    b< publish t/x sent q1 #1
    b< publish t/x waits q1 #2
  )");
}

TEST_F(ClusterSharedTest, AMessageIsKeptUntilAnotherNodesDiskHasIt) {
  Join("a", 0, "keep expiry=100 rm=1");
  Publisher("p", 2);
  Play(R"(
    p> publish 1 t/x sent q1 + publish 2 t/x waits q1
    a< publish t/x sent q1 #1
    p< puback 1
    p< puback 2
    a drops
  )");
  Join("b", 1, "keep expiry=1000");
  Join("c", 2, "keep expiry=1000");
  Play(R"(
    b drops
    c drops
    hold disk
    wait 101000
    disk 0
    disk 1
    crash 1
    release disk
  )");
  const auto counts = t_.PlayAndCount(Script("c> connect id=@c2 keep expiry=1000 at=4"));
  EXPECT_EQ(counts.at("c"), 3) << "CONNACK and both messages, whichever b was to have";
}

TEST_F(ClusterSharedTest, WhatOnlyAMemberOfADeadNodeMayHaveWaitsForIt) {
  Join("a", 0, "keep expiry=100 rm=1");
  Publisher("p", 2);
  Play(R"(
    p> publish 1 t/x sent q1 + publish 2 t/x waits q1
    a< publish t/x sent q1 #1
    p< puback 1
    p< puback 2
    a drops
  )");
  Join("b", 1, "keep expiry=1000");
  Play(R"(
    b drops
    crash 1
    wait 101000
    revive 1
    b> connect id=@b1 keep expiry=1000 at=2
    b< connack present
    b< publish t/x sent q1 #1
    b< publish t/x waits q1 #2
  )");
}

TEST_F(ClusterSharedTest, NothingIsChosenThatIsGone) {
  Join("a", 0);
  Join("b", 1);
  Join("c", 2);
  Publisher("p", 0);
  std::set<std::string> all;
  for (int i = 0; i < 6; ++i)
    all.insert(Receiver("p", "t/x"));
  EXPECT_EQ(all.size(), 3u);
  Play("c drops");
  for (int i = 0; i < 6; ++i)
    EXPECT_NE(Receiver("p", "t/x"), "c");
  Play("crash 1\nb< closed");
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(Receiver("p", "t/x"), "a");
  Play(
      "a> unsubscribe 2 $share/g/t/#\na< unsuback 2 0x00\np> publish 1 t/x m q1\np< puback 1 0x10");
}

TEST_F(ClusterSharedTest, LocalFirstStaysOnTheNodeAsLongAsItCan) {
  Transcript t(With(ShareStrategy::kLocalFirst));
  t.Play(Script(R"(
    a> connect id=@a0 at=0
    a< connack
    a> subscribe 1 $share/g/t
    a< suback 1 0x00
    b> connect id=@b1 at=2
    b< connack
    b> subscribe 1 $share/g/t
    b< suback 1 0x00
    p> connect id=@p1 at=4
    p< connack
  )"));
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(t.PlayAndCount("p> publish - t m").count("b"), 1u);
  t.Play("b drops");
  EXPECT_EQ(t.PlayAndCount("p> publish - t m").count("a"), 1u);
}

TEST_F(ClusterSharedTest, ATopicHasOneMemberFromWhateverNodeItIsPublished) {
  Transcript t(With(ShareStrategy::kHashTopic));
  const auto play = [&t](const std::string& script) { t.Play(Script(script)); };
  for (int i = 0; i < 6; ++i) {
    const std::string name = "m" + std::to_string(i), node = std::to_string(i % 3);
    play(name + "> connect id=@" + name + "-" + node + " at=" + std::to_string(i) + "\n" + name +
         "< connack\n" + name + "> subscribe 1 $share/g/t/+\n" + name + "< suback 1 0x00");
  }
  for (const char* node : {"0", "1", "2"})
    play(std::string("p") + node + "> connect id=@p" + node + " at=0\np" + node + "< connack");
  std::map<std::string, std::string> of_topic;
  std::map<std::string, int> topics;
  for (int i = 0; i < 60; ++i) {
    const std::string topic = "t/" + std::to_string(i);
    for (const char* node : {"0", "1", "2"}) {
      const auto counts = t.PlayAndCount(std::string("p") + node + "> publish - " + topic + " m");
      ASSERT_EQ(counts.size(), 1u);
      const std::string& member = counts.begin()->first;
      EXPECT_EQ(of_topic.emplace(topic, member).first->second, member) << topic;
    }
    ++topics[of_topic[topic]];
  }
  EXPECT_EQ(topics.size(), 6u) << "all have some";
  t.Play("m2 drops");
  int moved = 0;
  for (const auto& [topic, member] : of_topic) {
    const std::string now = t.PlayAndCount("p0> publish - " + topic + " m").begin()->first;
    EXPECT_NE(now, "m2");
    if (now != member && member != "m2") ++moved;
  }
  EXPECT_LE(moved, 12) << "few of those that others had";
}

TEST_F(ClusterSharedTest, AGroupIsRememberedWhenItsPartitionMoves) {
  Join("a", 0, "keep expiry=100 rm=1");
  Publisher("p", 2);
  Play(R"(
    p> publish 1 t/x sent q1 + publish 2 t/x waits q1
    a< publish t/x sent q1 #1
    p< puback 1
    p< puback 2
    a drops
  )");
  Play("give " + IdOf(0, "a") + " 1");
  Join("b", 2);
  Play(R"(
    wait 101000
    b< publish t/x sent q1 #1
    b< publish t/x waits q1 #2
  )");
}

}  // namespace
}  // namespace skein::shard
