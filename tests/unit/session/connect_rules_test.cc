#include "broker/session/connect_rules.h"

#include "broker/session/session.h"
#include "gtest/gtest.h"

namespace skein::session {
namespace {

using mqtt::PropertyId;
using mqtt::ProtocolVersion;
using mqtt::ReasonCode;

mqtt::Connect Packet(ProtocolVersion version, bool clean_start, std::string_view client_id = "c") {
  mqtt::Connect connect;
  connect.version = version;
  connect.clean_start = clean_start;
  connect.client_id = client_id;
  return connect;
}

TEST(JudgeConnectTest, WhoMayComeWithoutAClientId) {
  struct Row {
    ProtocolVersion version;
    bool clean_start;
    bool allowed;
  };
  const Row rows[] = {
      {ProtocolVersion::k31, true, false}, {ProtocolVersion::k31, false, false},
      {ProtocolVersion::k311, true, true}, {ProtocolVersion::k311, false, false},
      {ProtocolVersion::k5, true, true},   {ProtocolVersion::k5, false, true},
  };
  for (const Row& row : rows) {
    const auto grant = JudgeConnect(Packet(row.version, row.clean_start, ""), Limits());
    const auto what = std::to_string(static_cast<int>(row.version)) + (row.clean_start ? "+" : "-");
    EXPECT_EQ(grant.reason,
              row.allowed ? ReasonCode::kSuccess : ReasonCode::kClientIdentifierNotValid)
        << what;
    if (row.allowed) {
      EXPECT_TRUE(grant.assign_client_id) << what;
    }
  }
}

TEST(JudgeConnectTest, ALongClientIdIsRefused) {
  Limits limits;
  limits.max_client_id_bytes = 3;
  EXPECT_EQ(JudgeConnect(Packet(ProtocolVersion::k5, true, "abc"), limits).reason,
            ReasonCode::kSuccess);
  EXPECT_EQ(JudgeConnect(Packet(ProtocolVersion::k5, true, "abcd"), limits).reason,
            ReasonCode::kClientIdentifierNotValid);
}

TEST(JudgeConnectTest, TheSessionExpiryFollowsVersionWishAndLimit) {
  Limits limits;
  EXPECT_EQ(JudgeConnect(Packet(ProtocolVersion::k311, true), limits).expiry_seconds, 0u);
  EXPECT_EQ(JudgeConnect(Packet(ProtocolVersion::k311, false), limits).expiry_seconds,
            kExpiryNever);
  auto wish = Packet(ProtocolVersion::k5, false);
  EXPECT_EQ(JudgeConnect(wish, limits).expiry_seconds, 0u);
  wish.properties.session_expiry_interval = 100;
  wish.properties.Mark(PropertyId::kSessionExpiryInterval);
  EXPECT_EQ(JudgeConnect(wish, limits).expiry_seconds, 100u);
  limits.max_session_expiry = 60;
  EXPECT_EQ(JudgeConnect(wish, limits).expiry_seconds, 60u);
  EXPECT_EQ(JudgeConnect(Packet(ProtocolVersion::k31, false), limits).expiry_seconds, 60u);
}

TEST(JudgeConnectTest, TheServerKeepAliveLowersAndReplacesNone) {
  struct Row {
    uint16_t client;
    uint16_t server;
    uint16_t v5;
    uint16_t v311;
  };
  const Row rows[] = {
      {0, 0, 0, 0}, {60, 0, 60, 60}, {60, 30, 30, 60}, {20, 30, 20, 20}, {0, 30, 30, 0}};
  for (const Row& row : rows) {
    Limits limits;
    limits.server_keep_alive = row.server;
    auto connect = Packet(ProtocolVersion::k5, true);
    connect.keep_alive = row.client;
    EXPECT_EQ(JudgeConnect(connect, limits).keep_alive, row.v5) << row.client << " " << row.server;
    connect.version = ProtocolVersion::k311;
    EXPECT_EQ(JudgeConnect(connect, limits).keep_alive, row.v311)
        << row.client << " " << row.server;
  }
}

TEST(JudgeConnectTest, TheSmallerWindowCounts) {
  Limits limits;
  limits.max_inflight = 50;
  auto connect = Packet(ProtocolVersion::k5, true);
  EXPECT_EQ(JudgeConnect(connect, limits).receive_maximum, 50);
  connect.properties.receive_maximum = 7;
  EXPECT_EQ(JudgeConnect(connect, limits).receive_maximum, 7);
}

TEST(MakeConnackTest, SaysOnlyWhatDiffersFromTheWish) {
  Limits limits;
  limits.server_keep_alive = 10;
  limits.max_session_expiry = 60;
  auto connect = Packet(ProtocolVersion::k5, false, "");
  connect.keep_alive = 20;
  connect.properties.session_expiry_interval = 100;
  connect.properties.Mark(PropertyId::kSessionExpiryInterval);
  const auto packet = MakeConnack(connect, JudgeConnect(connect, limits), limits, false, "given");
  EXPECT_EQ(packet.properties.server_keep_alive, 10);
  EXPECT_EQ(packet.properties.session_expiry_interval, 60u);
  EXPECT_EQ(packet.properties.assigned_client_identifier, "given");

  connect.keep_alive = 10;
  connect.properties.session_expiry_interval = 60;
  const auto same = MakeConnack(connect, JudgeConnect(connect, limits), limits, true, "");
  EXPECT_TRUE(same.session_present);
  EXPECT_FALSE(same.properties.Has(PropertyId::kServerKeepAlive));
  EXPECT_FALSE(same.properties.Has(PropertyId::kSessionExpiryInterval));
  EXPECT_FALSE(same.properties.Has(PropertyId::kAssignedClientIdentifier));
}

TEST(MakeConnackTest, SessionPresentIsUnknownTo31) {
  const auto connect = Packet(ProtocolVersion::k31, false);
  EXPECT_FALSE(MakeConnack(connect, {}, Limits(), true, "").session_present);
  EXPECT_TRUE(
      MakeConnack(Packet(ProtocolVersion::k311, false), {}, Limits(), true, "").session_present);
}

TEST(JudgeDisconnectExpiryTest, ZeroCannotBeRaised) {
  EXPECT_EQ(JudgeDisconnectExpiry(0, 0), ReasonCode::kSuccess);
  EXPECT_EQ(JudgeDisconnectExpiry(0, 1), ReasonCode::kProtocolError);
  EXPECT_EQ(JudgeDisconnectExpiry(5, 0), ReasonCode::kSuccess);
  EXPECT_EQ(JudgeDisconnectExpiry(5, 10), ReasonCode::kSuccess);
}

}  // namespace
}  // namespace skein::session
