// The finer points of takeover, wills and expiry: what waits, what is late, what is cut.
#include <gtest/gtest.h>

#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

constexpr const char* kWatcher = R"(
    w> connect
    w< connack
    w> subscribe 1 w/#
    w< suback 1 0x00
)";

TEST(TakeoverTest, TheNewConnectionWaitsForTheEndOfTheOldSession) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    hold disk
    b> connect id=a
    a< disconnect 0x8e
    a< closed
    disk
    b< connack
  )");
}

TEST(TakeoverTest, TheOldConnectionsRepliesDieWithIt) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    hold disk
    a> subscribe 1 t q1
    b> connect id=a keep expiry=100
    a< disconnect 0x8e
    a< closed
    disk
    b< connack present
    p> connect
    p< connack
    p> publish 1 t m q1
    b< publish t m q1 #1
    disk
    p< puback 1
  )");
}

TEST(TakeoverTest, WillsOnTakeover) {
  Transcript t;
  t.Play(kWatcher);
  t.Play(R"(
    a> connect id=x keep expiry=100 will=w/now:gone
    a< connack
    b> connect id=x keep expiry=100 will=w/later:gone willdelay=5
    a< disconnect 0x8e
    a< closed
    w< publish w/now gone
    b< connack present
    c> connect id=x keep expiry=100 will=w/clean:gone willdelay=5
    b< disconnect 0x8e
    b< closed
    c< connack present
    d> connect id=x
    c< disconnect 0x8e
    c< closed
    w< publish w/clean gone
    d< connack
    wait 10000
  )");
}

TEST(WillTest, ComesAfterItsDelay) {
  Transcript t;
  t.Play(kWatcher);
  t.Play(R"(
    a> connect keep expiry=100 will=w/a:gone willdelay=5
    a< connack
    a drops
    wait 4999
    wait 65
    w< publish w/a gone
    wait 200000
  )");
  EXPECT_EQ(t.node().stats().wills_sent.value(), 1u);
  EXPECT_EQ(t.node().stats().sessions.value(), 1);
}

TEST(WillTest, DisconnectDecides) {
  Transcript t;
  t.Play(kWatcher);
  t.Play(R"(
    a> connect will=w/a:gone
    a< connack
    a> disconnect
    a< closed
    a> connect will=w/a:gone
    a< connack
    a> disconnect 0x04
    w< publish w/a gone
    a< closed
    b> connect v311 will=w/b:gone
    b< connack
    b> disconnect
    b< closed
    b> connect v311 will=w/b:gone
    b< connack
    b drops
    w< publish w/b gone
    c> connect will=w/c:gone
    c< connack
    c> raw f100
    w< publish w/c gone
    c< disconnect 0x81
    c< closed
  )");
}

// The delay has run out, but the clock has not been looked at when the client returns.
TEST(WillTest, IsSentWhenTheClientReturnsTooLate) {
  Transcript t;
  t.Play(kWatcher);
  t.Play(R"(
    a> connect keep expiry=100 will=w/a:gone willdelay=5
    a< connack
    a drops
    sneak 5000
    a> connect keep expiry=100
    w< publish w/a gone
    a< connack present
  )");
}

TEST(ExpiryTest, EndsTheSession) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=10
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    a drops
    wait 9999
    p> connect
    p< connack
    p> publish 1 t m q1
    p< puback 1
    wait 66
    p> publish 2 t m q1
    p< puback 2 0x10
    a> connect keep expiry=10
    a< connack
  )");
  EXPECT_EQ(t.node().Dropped(DropReason::kSessionEnded), 1u);
}

TEST(ExpiryTest, AReturnAfterTheDeadlineFindsNothing) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=10
    a< connack
    a drops
    sneak 10000
    a> connect keep expiry=10
    a< connack
  )");
}

TEST(ExpiryTest, IsCutToTheLimitAndSaid) {
  NodeOptions options;
  options.limits.max_session_expiry = 20;
  options.limits.server_keep_alive = 30;
  Transcript t(options);
  t.Play(R"(
    a> connect keep expiry=100 keepalive=60
    a< connack expiry=20 keepalive=30
    a drops
    wait 20100
    a> connect keep expiry=20 keepalive=10
    a< connack
  )");
}

TEST(LimitsTest, MaxSessions) {
  NodeOptions options;
  options.limits.max_sessions = 1;
  Transcript t(options);
  t.Play(R"(
    a> connect keep expiry=100
    a< connack
    b> connect
    b< connack 0x97
    b< closed
    c> connect v311
    c< connack 0x03
    c< closed
    a drops
    a> connect keep expiry=100
    a< connack present
  )");
}

TEST(CloseAllTest, TellsEveryoneAndSendsTheWills) {
  Transcript t;
  t.Play(kWatcher);
  t.Play(R"(
    d> connect keep expiry=100
    d< connack
    d> subscribe 1 w/# q1
    d< suback 1 0x01
    d drops
    a> connect will=w/a:gone willqos=1
    a< connack
    b> connect v311
    b< connack
    stop
    a< disconnect 0x8b
    a< closed
    b< closed
    w< disconnect 0x8b
    w< closed
    d> connect keep expiry=100
    d< connack present
    d< publish w/a gone q1 #1
  )");
}

}  // namespace
}  // namespace skein::shard
