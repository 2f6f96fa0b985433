// What is published to durable sessions of a node that is away. See three_nodes.h for the cast.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

class OutboxTest : public ::testing::Test {
 protected:
  void Play(const std::string& script) { t_.Play(Script(script)); }

  Transcript t_{ThreeNodes()};
};

TEST_F(OutboxTest, AMessageForADurableSessionOfADeadNodeIsKeptForIt) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t/+ q1
    s< suback 1 0x01
    o> connect id=@o0 at=0
    o< connack
    o> subscribe 1 t/+ q1
    o< suback 1 0x01
    p> connect id=@p2 at=4
    p< connack
    crash 1
    s< closed
    p> publish 1 t/x m q1
    o< publish t/x m q1 #1
    p< puback 1
    p> publish 2 other m q1
    p< puback 2 0x10
    p> publish - t/y m
    o< publish t/y m
    revive 1
    p> publish 3 t/x again q1
    o< publish t/x again q1 #2
    p< puback 3
    s> connect id=@s1 keep expiry=1000 at=0
    s< connack present
    s< publish t/x m q1 #1
    s< publish t/x again q1 #2
    s> unsubscribe 2 t/+
    s< unsuback 2 0x00
    s> puback 1
    s> puback 2
    crash 1
    s< closed
    p> publish 4 t/x m q1
    o< publish t/x m q1 #3
    p< puback 4
  )");
}

TEST_F(OutboxTest, WhatIsKeptForADeadNodeOutlivesWhoKeepsIt) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q2
    s< suback 1 0x02
    s drops
    p> connect id=@p0 at=0
    p< connack
    crash 1
    p> publish 1 t one q1
    p< puback 1
    p> publish 2 t two q2
    p< pubrec 2
    crash 0
    p< closed
    revive 0
    revive 1
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 t three q1
    p< puback 1
    s> connect id=@s1 keep expiry=1000 at=4
    s< connack present
    s< publish t one q1 #1
    s< publish t two q2 #2
    s< publish t three q1 #3
  )");
}

TEST_F(OutboxTest, WhatWasKeptIsNotForWhoSubscribedSince) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    o> connect id=@o1 keep expiry=1000 at=2
    o< connack
    o> subscribe 1 t/+ q1
    o< suback 1 0x01
    o> subscribe 2 +/x q1
    o< suback 2 0x01
    p> connect id=@p0 at=0
    p< connack
    part 0 1
    p> publish 1 t one q1
    p< puback 1
    p> publish 2 t/x one q1
    p< puback 2
    wait 1000
    s> unsubscribe 2 t
    s< unsuback 2 0x00
    s> subscribe 3 t q1
    s< suback 3 0x01
    o> disconnect
    o< closed
    o> connect id=@o1 expiry=1000 at=2
    o< connack
    o> subscribe 4 t/+ q1
    o< suback 4 0x01
    o> subscribe 5 +/x q1
    o< suback 5 0x01
    p> publish 3 t two q1
    p< puback 3
    p> publish 4 t/x two q1
    p< puback 4
    join 0 1
    s< publish t two q1 #1
    o< publish t/x two q1 #1
  )");
}

TEST_F(OutboxTest, HowOldASubscriptionIsOutlivesRestartsAndChangesOfItsOptions) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    p> connect id=@p0 at=0
    p< connack
    part 0 1
    p> publish 1 t one q1
    p< puback 1
    wait 1000
    s> subscribe 2 t q2
    s< suback 2 0x02
    s drops
    crash 1
    revive 1
    join 0 1
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack present
    s< publish t one q1 #1
  )");
}

TEST_F(OutboxTest, WhatComesWhileTheOutboxIsEmptiedGoesBehindIt) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    p> connect id=@p0 at=0
    p< connack
    part 0 1
    s drops
    p> publish 1 t one q1
    p< puback 1
    hold disk
    join 0 1
    p> publish 2 t two q1
    release disk
    p< puback 2
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack present
    s< publish t one q1 #1
    s< publish t two q1 #2
  )");
}

TEST_F(OutboxTest, APublisherThatGoesBackToItsNodeGoesBehindWhatItSentMeanwhile) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    crash 1
    s< closed
    p> connect id=@p1 at=0
    p< connack
    p> publish 1 t one q1
    p< puback 1
  )");
  // What was kept is slower than the client.
  struct Late {
    ShardId from = 0;
    ShardId to = 0;
    Mail mail;
  };
  std::vector<Late> late;
  t_.node().on_mail = [&](ShardId from, ShardId to, Mail* mail) {
    const auto* publish = std::get_if<ForwardedPublish>(mail);
    if (publish == nullptr || publish->scope.only == DeliveryScope::kAll) return true;
    late.push_back({from, to, std::move(*mail)});
    return false;
  };
  Play(R"(
    revive 1
    p< disconnect 0x9c
    p< closed
    p> connect id=@p1 at=2
    p< connack
    p> publish 1 t two q1
    p< puback 1
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack present
  )");
  t_.node().on_mail = nullptr;
  ASSERT_EQ(late.size(), 1u);
  t_.node().Bring(late[0].from, late[0].to, std::move(late[0].mail));
  Play(R"(
    p> publish 1 t three q1
    p< puback 1
    s< publish t one q1 #1
    s< publish t two q1 #2
    s< publish t three q1 #3
  )");
}

TEST_F(OutboxTest, WhatAPublisherSendsFromItsNewNodeGoesBehindWhatTheOldOneKeeps) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 t q1
    s< suback 1 0x01
    crash 1
    s< closed
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack
    p> publish 1 t one q1
    p< puback 1
    give @p0 2
    p< disconnect 0x9c
    p< closed
    p> connect id=@p0 keep expiry=1000 at=4
    p< connack present
    p> publish 1 t two q1
    p< puback 1
  )");
  // What the old node keeps is slower.
  std::vector<std::pair<ShardId, Mail>> late;
  t_.node().on_mail = [&](ShardId from, ShardId, Mail* mail) {
    if (from >= 2 || !std::holds_alternative<ForwardedPublish>(*mail)) return true;
    late.emplace_back(from, std::move(*mail));
    return false;
  };
  Play(R"(
    revive 1
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack present
    p> publish 2 t three q1
    p< puback 2
  )");
  t_.node().on_mail = nullptr;
  ASSERT_EQ(late.size(), 1u);
  const auto to = static_cast<ShardId>(2 + PartitionOf(IdOf(1, "s"), 256) % 2);
  t_.node().Bring(late[0].first, to, std::move(late[0].second));
  Play(R"(
    p> publish 3 t four q1
    p< puback 3
    s< publish t one q1 #1
    s< publish t two q1 #2
    s< publish t three q1 #3
    s< publish t four q1 #4
  )");
}

TEST_F(OutboxTest, NodesThatKeepForEachOthersPublishersDoNotWaitForEachOther) {
  Play(R"(
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack
    s> subscribe 1 a q1
    s< suback 1 0x01
    s> subscribe 2 b q1
    s< suback 2 0x01
    crash 1
    s< closed
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack
    p> publish 1 a one q1
    p< puback 1
    o> connect id=@o2 keep expiry=1000 at=4
    o< connack
    o> publish 1 b eins q1
    o< puback 1
    give @p0 2
    p< disconnect 0x9c
    p< closed
    give @o2 0
    o< disconnect 0x9c
    o< closed
    p> connect id=@p0 keep expiry=1000 at=4
    p< connack present
    p> publish 2 a two q1
    p< puback 2
    o> connect id=@o2 keep expiry=1000 at=0
    o< connack present
    o> publish 2 b zwei q1
    o< puback 2
    give @p0 0
    p< disconnect 0x9c
    p< closed
    p> connect id=@p0 keep expiry=1000 at=0
    p< connack present
    p> publish 3 a three q1
    p< puback 3
    revive 1
    s> connect id=@s1 keep expiry=1000 at=2
    s< connack present
    s< publish a one q1 #1
    s< publish b eins q1 #2
    s< publish b zwei q1 #3
    s< publish a two q1 #4
    s< publish a three q1 #5
  )");
}

}  // namespace
}  // namespace skein::shard
