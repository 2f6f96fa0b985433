// Nodes that are one broker: any client on any node. Each node has two shards: at=0 and at=1 are
// node 0, at=2 and at=3 node 1, at=4 and at=5 node 2.
#include <gtest/gtest.h>

#include "broker/shard/lifecycle.h"
#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

class ClusterTest : public ::testing::Test {
 protected:
  void Play(const std::string& script) { t_.Play(Script(script)); }

  Transcript t_{ThreeNodes()};
};

TEST_F(ClusterTest, AnyPublisherReachesAnySubscriber) {
  for (int from = 0; from < 6; ++from) {
    for (int to = 0; to < 6; ++to) {
      const std::string names = " at=" + std::to_string(to) + "\n";
      const std::string publisher = " at=" + std::to_string(from) + "\n";
      Play("s> connect" + names + "s< connack\ns> subscribe 1 t/+ q2\ns< suback 1 0x02\n" +
           "p> connect" + publisher + "p< connack\n" +
           "p> publish - t/0 zero\ns< publish t/0 zero\n" +
           "p> publish 1 t/1 one q1\ns< publish t/1 one q1 #1\np< puback 1\n" +
           "p> publish 2 t/2 two q2\ns< publish t/2 two q2 #2\np< pubrec 2\n" +
           "p> pubrel 2\np< pubcomp 2\n" + "s> disconnect\ns< closed\np> disconnect\np< closed\n");
    }
  }
}

TEST_F(ClusterTest, SubackWaitsUntilEveryNodeRoutes) {
  Play(R"(
    s> connect id=@s0 at=0
    s< connack
    p> connect id=@p2 at=4
    p< connack
    hold mail
    s> subscribe 1 t
    p> publish 1 t early q1
    p< puback 1 0x10
    release mail
    s< suback 1 0x00
    p> publish 2 t late q1
    s< publish t late
    p< puback 2
  )");
}

TEST_F(ClusterTest, AnAckWaitsForTheOtherNodesDisk) {
  Play(R"(
    s> connect id=@s1 keep expiry=100 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s drops
    hold disk
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t m q1
    disk 0
    disk 1
    release disk
    p< puback 1
    s> connect id=@s1 keep expiry=100 at=4
    s< connack present
    s< publish t m q1 #1
  )");
}

TEST_F(ClusterTest, ASessionIsTheSameFromEveryNode) {
  Play(R"(
    a> connect id=@a1 keep expiry=100 at=0
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    b> connect id=@a1 keep expiry=100 at=4
    a< disconnect 0x8e
    a< closed
    b< connack present
    p> connect id=@p2 at=2
    p< connack
    p> publish 1 t m q1
    b< publish t m q1 #1
    p< puback 1
    b> puback 1
  )");
}

TEST_F(ClusterTest, ATransientClientHasOneConnectionInTheCluster) {
  Play(R"(
    a> connect id=@a2 at=0
    a< connack
    b> connect id=@a2 at=3
    a< disconnect 0x8e
    a< closed
    b< connack
  )");
}

TEST_F(ClusterTest, NoLocalHoldsAcrossNodesAndOnlyForOneself) {
  Play(R"(
    a> connect id=@a0 at=0
    a< connack
    b> connect id=@b1 at=2
    b< connack
    a> subscribe 1 t nl
    a< suback 1 0x00
    b> subscribe 1 t nl
    b< suback 1 0x00
    a> publish - t from-a
    b< publish t from-a
    b> publish - t from-b
    a< publish t from-b
  )");
}

TEST_F(ClusterTest, ASharedGroupSpansNodes) {
  Play(R"(
    a> connect id=@a0 at=0
    a< connack
    a> subscribe 1 $share/g/t
    a< suback 1 0x00
    b> connect id=@b1 at=2
    b< connack
    b> subscribe 1 $share/g/t
    b< suback 1 0x00
    p> connect id=@p2 at=4
    p< connack
  )");
  int a = 0, b = 0;
  for (int i = 0; i < 10; ++i) {
    auto counts = t_.PlayAndCount("p> publish - t m");
    a += counts["a"];
    b += counts["b"];
    EXPECT_EQ(counts["a"] + counts["b"], 1) << "one member gets it";
  }
  EXPECT_EQ(a, 5);
  EXPECT_EQ(b, 5);
}

// A node dies before it has answered for what a group was sent there; another member is asked.
TEST_F(ClusterTest, AnAckWaitsForTheMemberThatGetsItInstead) {
  Play(R"(
    a> connect id=@a1 keep expiry=1000 at=2
    a< connack
    a> subscribe 1 $share/g/t q1
    a< suback 1 0x01
    a drops
    b> connect id=@b2 keep expiry=1000 at=4
    b< connack
    b> subscribe 1 $share/g/t q1
    b< suback 1 0x01
    b drops
    p> connect id=@p0 at=0
    p< connack
    hold disk
    p> publish 1 t one q1 + publish 2 t two q1
    crash 1
    disk 0
    disk 1
    disk 4
    p< puback 1
    p< puback 2
    release disk
    b> connect id=@b2 keep expiry=1000 at=4
    b< connack present
    b< publish t two q1 #1
    b< publish t one q1 #2
  )");
}

TEST_F(ClusterTest, ADeadNodeTakesItsRoutesAndLetsPublishersGo) {
  Play(R"(
    s> connect id=@s1 at=2
    s< connack
    s> subscribe 1 t
    s< suback 1 0x00
    p> connect id=@p0 at=0
    p< connack
    hold mail
    p> publish 1 t waiting q1
    crash 1
    p< puback 1
    release mail
    s< closed
    p> publish 2 t m q1
    p< puback 2 0x10
    q> connect id=@q1 keep expiry=10 at=4
    q< connack 0x88
    q< closed
    revive 1
    q> connect id=@q1 at=4
    q< connack
    q> subscribe 1 t
    q< suback 1 0x00
    p> publish 3 t again q1
    q< publish t again
    p< puback 3
  )");
}

TEST_F(ClusterTest, ANodeThatIsBackIsAwayUntilItsRoutesAreKnown) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    s> subscribe 2 left q1
    s< suback 2 0x01
    p> connect id=@p0 at=0
    p< connack
    s drops
    part 0 1
    hold mail
    join 0 1
    p> publish 1 t early q1
    p< puback 1
    release mail
    p> publish 2 t m q1
    p< puback 2
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack present
    s< publish t early q1 #1
    s< publish t m q1 #2
    s> puback 1
    s> puback 2
    s> unsubscribe 3 left
    s< unsuback 3 0x00
    s drops
    part 0 1
    p> publish 3 left m q1
    p< puback 3 0x10
    p> publish 4 t m q1
    p< puback 4
  )");
}

TEST_F(ClusterTest, ANodeThatComesBackKnowsAndIsKnown) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    r> connect id=@r0 at=0
    r< connack
    r> subscribe 1 u
    r< suback 1 0x00
    crash 1
    s< closed
    revive 1
    p> connect id=@p2 at=4
    p< connack
    p> publish 1 t m q1
    p< puback 1
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack present
    s< publish t m q1 #1
    s> puback 1
    s> publish 1 u n q1
    r< publish u n
    s< puback 1
  )");
}

TEST_F(ClusterTest, SubackDoesNotWaitForADeadNode) {
  Play(R"(
    s> connect id=@s0 at=0
    s< connack
    hold mail
    s> subscribe 1 t
    crash 2
    mail 0 1
    mail 1 0
    mail 0 2
    mail 2 0
    mail 0 3
    mail 3 0
    s< suback 1 0x00
    release mail
  )");
}

TEST_F(ClusterTest, ALinkThatWasCutIsMended) {
  Play(R"(
    s> connect id=@s0 at=0
    s< connack
    s> subscribe 1 t
    s< suback 1 0x00
    e> connect id=@e0 at=2
    e< connack
    p> connect id=@p1 at=2
    p< connack
    part 0 1
    e< closed
    p> publish 1 t lost q1
    p< puback 1 0x10
    s> subscribe 2 u
    s< suback 2 0x00
    join 0 1
    p> publish 2 t m q1
    s< publish t m
    p< puback 2
    p> publish 3 u n q1
    s< publish u n
    p< puback 3
  )");
}

TEST_F(ClusterTest, RetainedMessagesAreOnEveryNode) {
  Play(R"(
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t/a kept q1 retain
    p< puback 1 0x10
    p> publish 2 t/b gone q1 retain
    p< puback 2 0x10
    p> publish 3 t/b - q1 retain
    p< puback 3 0x10
    s> connect id=@s2 at=4
    s< connack
    s> subscribe 1 t/#
    s< suback 1 0x00
    s< publish t/a kept retain
    s> ping
    s< pingresp
  )");
}

TEST_F(ClusterTest, RetainedMessagesConvergeAfterAPartition) {
  Play(R"(
    p> connect id=@p0 at=0
    p< connack
    q> connect id=@q1 at=2
    q< connack
    p> publish 1 t/removed x q1 retain
    p< puback 1 0x10
    part 0 1
    part 0 2
    p> publish 2 t/both old q1 retain
    p< puback 2 0x10
    p> publish 3 t/removed - q1 retain
    p< puback 3 0x10
    p> publish 4 t/p only q1 retain
    p< puback 4 0x10
    wait 10
    q> publish 5 t/both new q1 retain
    q< puback 5 0x10
    join 0 1
    join 0 2
    a> connect id=@a0 at=0
    a< connack
    a> subscribe 1 t/#
    a< suback 1 0x00
    a< publish t/both new retain
    a< publish t/p only retain
    b> connect id=@b2 at=4
    b< connack
    b> subscribe 1 t/#
    b< suback 1 0x00
    b< publish t/both new retain
    b< publish t/p only retain
    b> ping
    b< pingresp
  )");
}

TEST_F(ClusterTest, ANodeThatWasAwayLearnsWhatWasRetainedAndRemoved) {
  Play(R"(
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t/removed x q1 retain
    p< puback 1 0x10
    crash 2
    p> publish 2 t/removed - q1 retain
    p< puback 2 0x10
    p> publish 3 t/new y q1 retain
    p< puback 3 0x10
    revive 2
    s> connect id=@s2 at=4
    s< connack
    s> subscribe 1 t/#
    s< suback 1 0x00
    s< publish t/new y retain
    s> ping
    s< pingresp
  )");
}

}  // namespace
}  // namespace skein::shard
