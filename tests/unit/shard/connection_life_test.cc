// How connections and sessions begin, change hands and end.
#include <gtest/gtest.h>

#include "tests/unit/shard/transcript.h"

namespace skein::shard {
namespace {

TEST(TakeoverTest, TheOlderConnectionIsToldAndTheSessionGoesOn) {
  Transcript t;
  t.Play(R"(
    a> connect id=x keep expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    b> connect id=x keep expiry=100
    a< disconnect 0x8e
    a< closed
    b< connack present
    p> connect
    p< connack
    p> publish 1 t hello q1
    b< publish t hello q1 #1
    p< puback 1
  )");
}

TEST(TakeoverTest, AnOldClientIsOnlyClosed) {
  Transcript t;
  t.Play(R"(
    a> connect v311 id=x
    a< connack
    b> connect v311 id=x
    a< closed
    b< connack
  )");
  EXPECT_EQ(t.node().core().state().sessions.size(), 1u);
}

TEST(TakeoverTest, ACleanStartThrowsTheOldStateAway) {
  Transcript t;
  t.Play(R"(
    a> connect id=x keep expiry=100
    a< connack
    a> subscribe 1 t q1
    a< suback 1 0x01
    b> connect id=x expiry=100
    a< disconnect 0x8e
    a< closed
    b< connack
    p> connect
    p< connack
    p> publish 1 t hello q1
    p< puback 1 0x10
  )");
}

TEST(WillTest, FiresWhenTheNetworkGoesAndNotAfterDisconnect) {
  Transcript t;
  t.Play(R"(
    w> connect
    w< connack
    w> subscribe 1 will/# q1
    w< suback 1 0x01
    a> connect will=will/a:gone willqos=1
    a< connack
    a drops
    w< publish will/a gone q1 #1
    w> puback 1
    b> connect will=will/b:gone
    b< connack
    b> disconnect
    b< closed
    c> connect will=will/c:gone
    c< connack
    c> disconnect 0x04
    w< publish will/c gone
    c< closed
  )");
}

TEST(WillTest, ADelayIsCancelledByTheClientsReturn) {
  Transcript t;
  t.Play(R"(
    w> connect
    w< connack
    w> subscribe 1 will
    w< suback 1 0x00
    a> connect keep expiry=100 will=will:gone willdelay=10
    a< connack
    a drops
    wait 9000
    a> connect keep expiry=100 will=will:gone willdelay=10
    a< connack present
    wait 20000
    a drops
    wait 9000
    wait 1200
    w< publish will gone
  )");
}

TEST(WillTest, FiresWithTheEndOfTheSessionIfThatIsEarlier) {
  Transcript t;
  t.Play(R"(
    w> connect
    w< connack
    w> subscribe 1 will
    w< suback 1 0x00
    a> connect keep expiry=5 will=will:gone willdelay=60
    a< connack
    a drops
    wait 4900
    wait 200
    w< publish will gone
    b> connect keep expiry=500 will=will:two willdelay=60
    b< connack
    b drops
    b> connect
    w< publish will two
    b< connack
  )");
}

TEST(ExpiryTest, ASessionEndsWithItsIntervalAndDisconnectMayChangeIt) {
  Transcript t;
  t.Play(R"(
    a> connect keep expiry=10
    a< connack
    a drops
    wait 9900
    a> connect keep expiry=10
    a< connack present
    a> disconnect 0x00 expiry=2
    a< closed
    wait 2100
    a> connect keep expiry=10
    a< connack
    a> disconnect 0x00 expiry=0
    a< closed
    a> connect keep
    a< connack
    a> disconnect 0x00 expiry=5
    a< disconnect 0x82
    a< closed
  )");
}

TEST(KeepAliveTest, OneAndAHalfTimesThenTheServerHangsUp) {
  Transcript t;
  t.Play(R"(
    a> connect keepalive=10
    a< connack
    wait 14000
    a> ping
    a< pingresp
    wait 14900
    wait 300
    a< disconnect 0x8d
    a< closed
  )");
  EXPECT_EQ(t.node().stats().keep_alive_timeouts.value(), 1u);
}

TEST(KeepAliveTest, AConnectionThatNeverSaysConnectIsClosed) {
  Transcript t;
  const int silent = t.node().Open();
  t.node().Feed(silent, std::string_view("\x10\x20\x00", 3));
  t.node().Advance(9'000);
  EXPECT_TRUE(t.node().link(silent).connected);
  t.node().Advance(4'000);
  EXPECT_FALSE(t.node().link(silent).connected);
  EXPECT_EQ(t.node().stats().connect_timeouts.value(), 1u);
}

TEST(LimitsTest, SessionsAreBounded) {
  NodeOptions options;
  options.limits.max_sessions = 1;
  Transcript t(options);
  t.Play(R"(
    a> connect
    a< connack
    b> connect
    b< connack 0x97
    b< closed
    a> disconnect
    a< closed
    b> connect
    b< connack
  )");
}

TEST(ShutdownTest, EverybodyIsToldWhy) {
  Transcript t;
  t.Play(R"(
    a> connect
    a< connack
    b> connect v311
    b< connack
    stop
    a< disconnect 0x8b
    a< closed
    b< closed
  )");
}

TEST(AuthenticationTest, AConversationAndItsVerdicts) {
  Transcript t;
  t.Play(R"(
    a> connect method=M data=one
    a< auth 0x18 method=M data=again
    a> auth 0x18 method=M data=ok
    a< connack method=M data=bye
    b> connect method=M data=one
    b< auth 0x18 method=M data=again
    b> auth 0x18 method=M data=no
    b< connack 0x87
    b< closed
    c> connect method=X
    c< connack 0x8c
    c< closed
    d> connect method=M data=one
    d< auth 0x18 method=M data=again
    d> publish - t early
    d< closed
  )");
}

TEST(AuthenticationTest, ALateVerdictHoldsEverythingBack) {
  Transcript t;
  t.Play(R"(
    a> connect user=later + subscribe 1 t
    answer allow
    a< connack
    a< suback 1 0x00
    b> connect user=later
    answer deny
    b< connack 0x8a
    b< closed
    c> connect user=bad
    c< connack 0x86
    c< closed
  )");
}

TEST(AuthenticationTest, AgainWhileConnected) {
  Transcript t;
  t.Play(R"(
    a> connect method=M data=ok
    a< connack method=M data=bye
    a> auth 0x19 method=M data=one
    a< auth 0x18 method=M data=again
    a> auth 0x18 method=M data=ok
    a< auth method=M data=bye
    a> auth 0x19 method=other data=ok
    a< disconnect 0x82
    a< closed
    b> connect method=M data=ok
    b< connack method=M data=bye
    b> auth 0x19 method=M data=no
    b< disconnect 0x87
    b< closed
  )");
}

}  // namespace
}  // namespace skein::shard
