// What the broker says about itself: who gets it, and what is kept of it.
#include <gtest/gtest.h>

#include "broker/shard/client_events.h"
#include "tests/unit/shard/three_nodes.h"
#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

OwnMessage Own(const std::string& topic, const std::string& payload, bool everywhere, TimeMs now) {
  mqtt::Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.received_at = now;
  OwnMessage own;
  own.message = mqtt::Message::Make(init);
  init.retain = true;
  init.expiry_seconds = 30;
  own.kept = mqtt::Message::Make(init);
  own.everywhere = everywhere;
  return own;
}

class OwnMessagesTest : public testing::Test {
 protected:
  void Say(const std::string& topic, const std::string& payload, bool everywhere) {
    t_.node().core(0).PublishOwn(Own(topic, payload, everywhere, t_.node().now()));
    t_.node().Settle();
  }
  void Play(const std::string& script) { t_.Play(Script(script)); }

  Transcript t_{ThreeNodes()};
};

TEST_F(OwnMessagesTest, ANodeSpeaksOfItselfToItsOwnAndOfTheNodesToAll) {
  Play(R"(
    here> connect id=@h0 at=1
    here< connack
    here> subscribe 1 $SYS/#
    here< suback 1 0x00
    there> connect id=@t2 at=4
    there< connack
    there> subscribe 1 $SYS/#
    there< suback 1 0x00
    all> connect id=@a2 at=4
    all< connack
    all> subscribe 1 #
    all< suback 1 0x00
  )");
  Say("$SYS/broker/uptime", "5", false);
  Say("$SYS/brokers/n0/uptime", "5", true);
  Play(R"(
    step
    here< publish $SYS/broker/uptime 5
    here< publish $SYS/brokers/n0/uptime 5
    there< publish $SYS/brokers/n0/uptime 5
  )");
}

TEST_F(OwnMessagesTest, WhoComesLaterIsSentTheLast) {
  Say("$SYS/broker/uptime", "1", false);
  Say("$SYS/broker/uptime", "2", false);
  Say("$SYS/brokers/n0/uptime", "2", true);
  Play(R"(
    here> connect v311 id=@h0 at=1
    here< connack
    here> subscribe 1 $SYS/broker/+
    here< suback 1 0x00
    here< publish $SYS/broker/uptime 2 retain
    there> connect v311 id=@t2 at=4
    there< connack
    there> subscribe 1 $SYS/#
    there< suback 1 0x00
    there< publish $SYS/brokers/n0/uptime 2 retain
    all> connect v311 id=@a0 at=0
    all< connack
    all> subscribe 1 #
    all< suback 1 0x00
    here> disconnect
    here< closed
    wait 31000
    there> subscribe 2 $SYS/#
    there< suback 2 0x00
  )");
  for (NodeNumber node = 0; node < 3; ++node)
    EXPECT_EQ(t_.node().retained(node).stats().messages, 0u) << "they are no retained messages";
}

TEST_F(OwnMessagesTest, NoClientSpeaksForTheBroker) {
  Play(R"(
    p> connect id=@p0 at=0
    p< connack
    p> publish 1 $SYS/broker/uptime lie q1 retain
    p< puback 1 0x87
    s> connect id=@s0 at=0
    s< connack
    s> subscribe 1 $SYS/#
    s< suback 1 0x00
  )");
}

TEST(SysTopicsTest, IsBounded) {
  SysTopics topics;
  const auto set = [&](size_t number, TimeMs now) {
    return topics.Set(Own("$SYS/t/" + std::to_string(number), "x", false, now).kept, now);
  };
  for (size_t i = 0; i < SysTopics::kMaxTopics; ++i)
    EXPECT_TRUE(set(i, 0));
  EXPECT_FALSE(set(SysTopics::kMaxTopics, 0));
  EXPECT_TRUE(set(7, 0)) << "it is known";
  EXPECT_TRUE(set(SysTopics::kMaxTopics, 31'000)) << "those before have ended";
  EXPECT_EQ(topics.size(), 1u);
}

TEST(ClientEventsTest, AClientIdBecomesOneLevel) {
  EXPECT_EQ(ClientEvents::LevelOf("plain-Id.1"), "plain-Id.1");
  EXPECT_EQ(ClientEvents::LevelOf("a/b+c#d%\x01"), "a%2Fb%2Bc%23d%25%01");
  EXPECT_EQ(ClientEvents::LevelOf("\xC3\xA9"), "\xC3\xA9");
}

TEST(ClientEventsTest, TellsWhoComesAndGoes) {
  NodeOptions options;
  options.client_events = true;
  Transcript t(options);
  t.Play(R"(
    s> connect id=s
    s< connack
    s> subscribe 1 $SYS/brokers/+/clients/#
    s< suback 1 0x00
    c> connect v311 id=a/b user=root keepalive=30
    c< connack
    s< publish $SYS/brokers/n0/clients/a%2Fb/connected bytes:173
    c> disconnect
    c< closed
    s< publish $SYS/brokers/n0/clients/a%2Fb/disconnected bytes:99
  )");
}

}  // namespace
}  // namespace skein::shard
