// Partitions that move between nodes. See three_nodes.h for the cast.
#include <gtest/gtest.h>

#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

class MoveTest : public ::testing::Test {
 protected:
  void Play(const std::string& script) { t_.Play(Script(script)); }
  NodeNumber OwnerOf(const std::string& id) { return t_.node().OwnerOf(PartitionOf(id, 256)); }
  session::Session* Find(const std::string& id, NodeNumber node) {
    for (ShardId shard = 0; shard < 2; ++shard) {
      const auto index = static_cast<ShardId>(node * 2 + shard);
      session::Session* const found = t_.node().core(index).state().sessions.Find(id);
      if (found != nullptr) return found;
    }
    return nullptr;
  }

  Transcript t_{ThreeNodes()};
};

TEST_F(MoveTest, ASessionMovesWithItsQueueAndSubscriptions) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack
    s> subscribe 1 t/+ q2 id=7
    s< suback 1 0x02
    p> connect id=@p0 at=2
    p< connack
    s drops
    p> publish 1 t/a one q1
    p< puback 1
    p> publish 2 t/b two q2
    p< pubrec 2
    p> pubrel 2
    p< pubcomp 2
    give @s1 2
    p> publish 3 t/c three q1
    p< puback 3
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack present
    s< publish t/a one q1 #1 id=7
    s< publish t/b two q2 #2 id=7
    s< publish t/c three q1 #3 id=7
    p> publish 4 t/d four q1
    s< publish t/d four q1 #4 id=7
    p< puback 4
    s> unsubscribe 2 t/+
    s< unsuback 2 0x00
    p> publish 5 t/d five q1
    p< puback 5 0x10
  )");
  EXPECT_EQ(OwnerOf(IdOf(1, "s")), 2);
  EXPECT_EQ(Find(IdOf(1, "s"), 1), nullptr);
  EXPECT_NE(Find(IdOf(1, "s"), 2), nullptr);
}

TEST_F(MoveTest, ASubscriptionStaysAsOldAsItIs) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    o> connect id=@o1 keep expiry=1000 at=2
    o< connack
    o> subscribe 1 t q1
    o< suback 1 0x01
    p> connect id=@p0 at=0
    p< connack
    part 0 1
    p> publish 1 t m q1
    p< puback 1
    crash 0
    p< closed
    wait 1000
    s> unsubscribe 2 t
    s< unsuback 2 0x00
    s> subscribe 3 t q1
    s< suback 3 0x01
    s drops
    o drops
    wait 1000
    give @s1 2
    give @o1 2
    revive 0
    join 0 1
    o> connect id=@o1 keep expiry=1000 at=4
    o< connack present
    o< publish t m q1 #1
    s> connect id=@s1 keep expiry=1000 at=4
    s< connack present
  )");
}

TEST_F(MoveTest, WhatIsUnderWayKeepsItsPacketIds) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    p> connect id=@p0 at=2
    p< connack
    p> publish 1 t one q2
    s< publish t one q2 #1
    p< pubrec 1
    p> publish 2 t two q2
    s< publish t two q2 #2
    p< pubrec 2
    s> pubrec 1
    s< pubrel 1
    s> publish 9 mine x q2
    s< pubrec 9 0x10
    give @s1 0
    s< disconnect 0x9c
    s< closed
    s> connect id=@s1 keep expiry=1000 at=4
    s< connack present
    s< pubrel 1
    s< publish t two q2 #2 dup
    s> publish 9 mine x q2 dup
    s< pubrec 9
    s> pubcomp 1
    s> pubrec 2
    s< pubrel 2
    s> pubcomp 2
    s> pubrel 9
    s< pubcomp 9
    p> pubrel 1
    p< pubcomp 1
    p> pubrel 2
    p< pubcomp 2
  )");
}

TEST_F(MoveTest, PublishersWaitWhileItMovesAndOrderHolds) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    o> connect id=@o0 at=0
    o< connack
    o> subscribe 1 #
    o< suback 1 0x00
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t before q1
    s< publish t before q1 #1
    o< publish t before
    p< puback 1
    s> puback 1
    s drops
    hold table
    give @s1 2
    p> publish 2 t during q1
    p> publish 3 t too q1
    p> publish 4 other free q1
    o< publish other free
    release table
    o< publish t during
    o< publish t too
    p< puback 2
    p< puback 3
    p< puback 4
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack present
    s< publish t during q1 #1
    s< publish t too q1 #2
  )");
}

// Its session was copied with the name of the message: two nodes could send it.
TEST_F(MoveTest, AHeldMessageGoesOutWhenItIsKnownWhereItsPublisherIs) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    s drops
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack
    hold table
    give @s1 2
    p> publish 1 t m q2
    p> publish 2 t n q1
    give @p0 1
    p< disconnect 0x9c
    p< closed
  )");
  t_.node().Decide();
  t_.node().Hear(2);
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=4
    s< connack present
  )");
  t_.node().Hear(1);
  t_.node().Hear(0);
  Play(R"(
    release table
    p> connect id=@p0 keep expiry=1000 at=2
    p< connack present
    p> publish 1 t m q2 dup
    s< publish t m q2 #1
    p< pubrec 1
    p> publish 2 t n q1 dup
    s< publish t n q1 #2
    p< puback 2
    p> pubrel 1
    p< pubcomp 1
  )");
}

TEST_F(MoveTest, AHeldMessageOfAPublisherThatStaysGoesOut) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    s drops
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack
    hold table
    give @s1 2
    p> publish 1 t m q2
    hold disk
    give @p0 1
    p< disconnect 0x9c
    p< closed
  )");
  t_.node().Decide();
  t_.node().Hear(2);
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=4
    crash 1
    release disk
    s< connack present
    s< publish t m q2 #1
    release table
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack present
    p> publish 1 t m q2 dup
    p< pubrec 1
    p> pubrel 1
    p< pubcomp 1
  )");
}

TEST_F(MoveTest, AConnectWaitsForTheSession) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s drops
    hold table
    give @s1 2
    s> connect id=@s1 keep expiry=1000 at=0
    release table
    s< connack present
    hold table
    give @s1 1
    s< disconnect 0x9c
    s< closed
    s> connect id=@s1 keep expiry=1000 at=5
    release table
    s< connack present
  )");
}

TEST_F(MoveTest, TheGiverDiesBeforeItIsDecided) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s drops
    p> connect id=@p0 at=0
    p< connack
    hold mail
    give @s1 2
    p> publish 1 t early q1
    crash 1
    p< puback 1
    release mail
    revive 1
    p> publish 2 t later q1
    p< puback 2
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack present
    s< publish t early q1 #1
    s< publish t later q1 #2
  )");
  EXPECT_EQ(OwnerOf(IdOf(1, "s")), 1);
}

TEST_F(MoveTest, TheGiverDiesWhenItIsDecided) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s drops
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t one q1
    p< puback 1
    hold table
    give @s1 2
    crash 1
    p> publish 2 t kept q1
    p< puback 2
    release table
    p> publish 3 t two q1
    p< puback 3
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack present
    s< publish t one q1 #1
    s< publish t kept q1 #2
    s< publish t two q1 #3
    revive 1
    p> publish 4 t three q1
    s< publish t three q1 #4
    p< puback 4
  )");
  EXPECT_EQ(OwnerOf(IdOf(1, "s")), 2);
}

TEST_F(MoveTest, TheTakerDiesAndNothingIsLost) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s drops
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t one q1
    p< puback 1
    hold disk
    give @s1 2
    p> publish 2 t two q1
    crash 2
    release disk
    p< puback 2
    revive 2
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack present
    s< publish t one q1 #1
    s< publish t two q1 #2
  )");
  EXPECT_EQ(OwnerOf(IdOf(1, "s")), 1);
}

TEST_F(MoveTest, TheTakerComesBackToFindThatItOwnsThePartition) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s drops
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t one q1
    p< puback 1
    hold table
    give @s1 2
    crash 2
    revive 2
    release table
    p> publish 2 t two q1
    p< puback 2
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack present
    s< publish t one q1 #1
    s< publish t two q1 #2
  )");
  EXPECT_EQ(OwnerOf(IdOf(1, "s")), 2);
}

TEST_F(MoveTest, AWillMovesAndFiresOnce) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 will=w/gone:will willdelay=10 at=2
    s< connack
    o> connect id=@o0 at=0
    o< connack
    o> subscribe 1 w/#
    o< suback 1 0x00
    s drops
    give @s1 2
    give @s1 0
    wait 11000
    o< publish w/gone will
    crash 1
    crash 2
    wait 11000
  )");
}

TEST_F(MoveTest, ThereAndBackManyTimes) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s drops
    p> connect id=@p0 at=0
    p< connack
  )");
  for (int i = 1; i <= 12; ++i) {
    Play("give @s1 " + std::to_string(i % 3) + "\np> publish " + std::to_string(i) + " t m" +
         std::to_string(i) + " q1\np< puback " + std::to_string(i) + "\n");
    if (i % 4 == 0)
      Play("crash " + std::to_string(i % 3) + "\n" + (i % 3 == 0 ? "p< closed\n" : "") + "revive " +
           std::to_string(i % 3) + "\n" +
           (i % 3 == 0 ? "p> connect id=@p0 at=0\np< connack\n" : ""));
  }
  std::string end = "s> connect id=@s1 keep expiry=1000 at=5\ns< connack present\n";
  for (int i = 1; i <= 12; ++i)
    end += "s< publish t m" + std::to_string(i) + " q1 #" + std::to_string(i) + "\n";
  Play(end);
}

TEST_F(MoveTest, ATransientClientIsServedWhileItsOwnerIsAway) {
  Play(R"(
    s> connect id=@s1 at=0
    s< connack
    s drops
    crash 1
    s> connect id=@s1 at=0
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    p> connect id=@p2 at=4
    p< connack
    p> publish 1 t m q1
    s< publish t m q1 #1
    p< puback 1
    d> connect id=@s1 keep expiry=100 at=4
    d< connack 0x88
    d< closed
    revive 1
    s< disconnect 0x9c
    s< closed
  )");
}

TEST_F(MoveTest, APartitionIsTakenAwayUnderItsClients) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    take @s1 2
    s< disconnect 0x9c
    s< closed
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack
  )");
  EXPECT_EQ(Find(IdOf(1, "s"), 1), nullptr);
  EXPECT_NE(Find(IdOf(1, "s"), 2), nullptr);
}

// It ends with its connection, and is freed.
TEST_F(MoveTest, APartitionIsTakenAwayUnderATransientClient) {
  Play(R"(
    s> connect id=@s1 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    take @s1 2
    s< disconnect 0x9c
    s< closed
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t m q1
    p< puback 1 0x10
  )");
  EXPECT_EQ(Find(IdOf(1, "s"), 1), nullptr);
}

}  // namespace
}  // namespace skein::shard
