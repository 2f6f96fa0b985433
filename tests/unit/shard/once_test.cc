// A QoS 2 message between nodes: it may be sent more than once, and arrives once. See three_nodes.h
// for the cast.
#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

class OnceTest : public ::testing::Test {
 protected:
  void Play(const std::string& script) { t_.Play(Script(script)); }

  Transcript t_{ThreeNodes()};
};

TEST_F(OnceTest, TheFirstCopyOfAQos2MessageMayComeSecond) {
  std::optional<Mail> first;
  std::pair<ShardId, ShardId> way;
  t_.node().on_mail = [&](ShardId from, ShardId to, Mail* mail) {
    if (first.has_value() || !std::holds_alternative<ForwardedPublish>(*mail)) return true;
    EXPECT_FALSE(std::get<ForwardedPublish>(*mail).repeated);
    way = {from, to};
    first = std::move(*mail);
    return false;
  };
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack
    p> publish 1 t m q2
    part 0 1
    p< pubrec 1
    join 0 1
    s< publish t m q2 #1
  )");
  ASSERT_TRUE(first.has_value());
  t_.node().Bring(way.first, way.second, std::move(*first));
  Play(R"(
    p> pubrel 1
    p< pubcomp 1
  )");
}

// [MQTT-4.3.3-10]: each PUBLISH has its PUBREC, also while the first one's waits.
TEST_F(OnceTest, WhatComesAgainWhileItsAnswerWaitsIsAnsweredAsOften) {
  Play(R"(
    s> connect id=@s1 keep expiry=100 at=2
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    p> connect id=@p0 at=0
    p< connack
    hold disk
    p> publish 7 t m q2 + publish 7 t m q2 dup + publish 7 t m q2
    release disk
    s< publish t m q2 #1
    p< pubrec 7
    p< pubrec 7
    p< pubrec 7
    p> pubrel 7
    p< pubcomp 7
  )");
}

TEST_F(OnceTest, WhatComesAgainWhileItsAnswerWaitsIsRefusedAsOften) {
  Play(R"(
    s> connect id=@s1 keep expiry=100 at=2
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    s drops
    p> connect id=@p0 at=0
    p< connack
  )");
  t_.node().SetFull(true, 2);
  t_.node().SetFull(true, 3);
  Play(R"(
    hold mail
    p> publish 7 t m q2 + publish 7 t m q2 dup
    release mail
    p< pubrec 7 0x97
    p< pubrec 7 0x97
  )");
  t_.node().SetFull(false, 2);
  t_.node().SetFull(false, 3);
  Play(R"(
    p> publish 7 t m q2
    p< pubrec 7
    s> connect id=@s1 keep expiry=100 at=2
    s< connack present
    s< publish t m q2 #1
  )");
}

// That it was taken is recorded before all who want it have answered, and so is no sign that they
// have it: not those of the same shard, nor of the next one.
TEST_F(OnceTest, WhoWasRefusedAQos2MessageGetsItWhenItComesAgainAfterARestart) {
  const auto at_shard = [](ShardId shard, std::string id) {
    while (PartitionOf(id, 256) % 3 != 0 || PartitionOf(id, 256) % 2 != shard)
      id += "x";
    return id + " keep expiry=1000 at=0\n";
  };
  const std::string same = at_shard(0, "same");
  const std::string next = at_shard(1, "next");
  const std::string publisher = at_shard(0, "publisher");
  Play("same> connect id=" + same + R"(
    same< connack
    same> subscribe 1 t q2
    same< suback 1 0x02
    same drops
    next> connect id=)" +
       next + R"(
    next< connack
    next> subscribe 1 t q2
    next< suback 1 0x02
    next drops
    far> connect id=@far1 keep expiry=1000 at=2
    far< connack
    far> subscribe 1 t q2
    far< suback 1 0x02
    p> connect id=)" +
       publisher + R"(
    p< connack
  )");
  t_.node().SetFull(true, 0);
  t_.node().SetFull(true, 1);
  t_.node().on_mail = [](ShardId, ShardId to, Mail* mail) {  // the far one does not answer
    return to < 2 || !std::holds_alternative<ForwardedPublish>(*mail);
  };
  Play(R"(
    p> publish 1 t m q2
    crash 0
    p< closed
  )");
  t_.node().on_mail = nullptr;
  t_.node().SetFull(false, 0);
  t_.node().SetFull(false, 1);
  Play(R"(
    revive 0
    p> connect id=)" +
       publisher + R"(
    p< connack present
    p> publish 1 t m q2 dup
    far< publish t m q2 #1
    p< pubrec 1
    same> connect id=)" +
       same + R"(
    same< connack present
    same< publish t m q2 #1
    next> connect id=)" +
       next + R"(
    next< connack present
    next< publish t m q2 #1
  )");
}

// And who was given it is not given it again.
TEST_F(OnceTest, WhoHasAQos2MessageIsNotGivenItAgainAfterARestart) {
  Play(R"(
    s> connect id=@s0 keep expiry=1000 at=0
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    o> connect id=@other0 keep expiry=1000 at=0
    o< connack
    o> subscribe 1 t q2
    o< suback 1 0x02
    far> connect id=@far1 keep expiry=1000 at=2
    far< connack
    far> subscribe 1 t q2
    far< suback 1 0x02
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack
  )");
  t_.node().on_mail = [](ShardId, ShardId to, Mail* mail) {
    return to < 2 || !std::holds_alternative<ForwardedPublish>(*mail);
  };
  Play(R"(
    p> publish 1 t m q2
    s< publish t m q2 #1
    o< publish t m q2 #1
    crash 0
    s< closed
    o< closed
    p< closed
  )");
  t_.node().on_mail = nullptr;
  Play(R"(
    revive 0
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack present
    p> publish 1 t m q2 dup
    far< publish t m q2 #1
    p< pubrec 1
    s> connect id=@s0 keep expiry=1000 at=0
    s< connack present
    s< publish t m q2 #1 dup
    o> connect id=@other0 keep expiry=1000 at=0
    o< connack present
    o< publish t m q2 #1 dup
  )");
}

}  // namespace
}  // namespace skein::shard
