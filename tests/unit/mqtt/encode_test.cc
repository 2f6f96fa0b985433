#include "broker/mqtt/encode.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/client_packets.h"
#include "tests/support/server_packets.h"

namespace skein::mqtt {
namespace {

using testing_support::FromHex;
using testing_support::PropertyBlock;
using testing_support::ReadServerPackets;
using testing_support::ServerPacket;

constexpr ProtocolVersion kV31 = ProtocolVersion::k31;
constexpr ProtocolVersion kV311 = ProtocolVersion::k311;
constexpr ProtocolVersion kV5 = ProtocolVersion::k5;

ServerPacket ReadOne(const std::string& bytes, ProtocolVersion version) {
  const auto packets = ReadServerPackets(bytes, version);
  EXPECT_TRUE(packets && packets->size() == 1) << testing::PrintToString(bytes);
  return packets && !packets->empty() ? packets->front() : ServerPacket{};
}

std::string ConnackBytes(const Connack& packet, ProtocolVersion version) {
  std::string bytes;
  EncodeConnack(packet, version, &bytes);
  return bytes;
}

TEST(EncodeTest, ConnackOfOlderVersions) {
  Connack packet;
  packet.session_present = true;
  EXPECT_EQ(ConnackBytes(packet, kV311), FromHex("20 02 01 00"));
  EXPECT_EQ(ConnackBytes(packet, kV31), FromHex("20 02 00 00"));
  packet.reason = ReasonCode::kNotAuthorized;
  EXPECT_EQ(ConnackBytes(packet, kV311), FromHex("20 02 00 05"));
  packet.reason = ReasonCode::kUnsupportedProtocolVersion;
  EXPECT_EQ(ConnackBytes(packet, kV311), FromHex("20 02 00 01"));
}

TEST(EncodeTest, ConnackOfFive) {
  Connack packet;
  EXPECT_EQ(ConnackBytes(packet, kV5), FromHex("20 03 00 00 00"));
  packet.session_present = true;
  EXPECT_EQ(ConnackBytes(packet, kV5), FromHex("20 03 01 00 00"));
  packet.reason = ReasonCode::kServerBusy;
  EXPECT_EQ(ConnackBytes(packet, kV5), FromHex("20 03 00 89 00"));
}

TEST(EncodeTest, ConnackSendsMarkedPropertiesOnly) {
  const std::string user = PropertyBlock().User("k", "1").User("k", "2").bytes();
  Connack packet;
  Properties& p = packet.properties;
  p.raw = user;
  p.session_expiry_interval = 60;
  p.assigned_client_identifier = "assigned";
  p.server_keep_alive = 30;
  p.receive_maximum = 100;
  p.topic_alias_maximum = 32;
  p.maximum_qos = 1;
  p.retain_available = 0;
  p.maximum_packet_size = 1 << 20;
  p.reason_string = "not marked";
  for (const PropertyId id :
       {PropertyId::kSessionExpiryInterval, PropertyId::kAssignedClientIdentifier,
        PropertyId::kServerKeepAlive, PropertyId::kReceiveMaximum, PropertyId::kTopicAliasMaximum,
        PropertyId::kMaximumQos, PropertyId::kRetainAvailable, PropertyId::kMaximumPacketSize,
        PropertyId::kUserProperty}) {
    p.Mark(id);
  }
  const ServerPacket seen = ReadOne(ConnackBytes(packet, kV5), kV5);
  EXPECT_EQ(seen.properties.size(), 10u);
  EXPECT_EQ(seen.Find(PropertyId::kSessionExpiryInterval)->number, 60u);
  EXPECT_EQ(seen.Find(PropertyId::kAssignedClientIdentifier)->text, "assigned");
  EXPECT_EQ(seen.Find(PropertyId::kServerKeepAlive)->number, 30u);
  EXPECT_EQ(seen.Find(PropertyId::kReceiveMaximum)->number, 100u);
  EXPECT_EQ(seen.Find(PropertyId::kTopicAliasMaximum)->number, 32u);
  EXPECT_EQ(seen.Find(PropertyId::kMaximumQos)->number, 1u);
  EXPECT_EQ(seen.Find(PropertyId::kRetainAvailable)->number, 0u);
  EXPECT_EQ(seen.Find(PropertyId::kMaximumPacketSize)->number, 1u << 20);
  EXPECT_EQ(seen.Find(PropertyId::kReasonString), nullptr);
  EXPECT_EQ(seen.Find(PropertyId::kUserProperty)->value, "1");
}

TEST(EncodeTest, SubackAndUnsuback) {
  const std::vector<ReasonCode> reasons = {ReasonCode::kSuccess, ReasonCode::kGrantedQos2,
                                           ReasonCode::kTopicFilterInvalid};
  ReasonList list{0x0102, reasons, ""};
  std::string bytes;
  EncodeSuback(list, kV311, &bytes);
  EXPECT_EQ(bytes, FromHex("90 05 0102 00 02 80"));
  bytes.clear();
  EncodeSuback(list, kV5, &bytes);
  EXPECT_EQ(bytes, FromHex("90 06 0102 00 00 02 8f"));
  bytes.clear();
  EncodeUnsuback(list, kV31, &bytes);
  EXPECT_EQ(bytes, FromHex("b0 02 0102"));
  bytes.clear();
  list.reason_string = "why";
  EncodeUnsuback(list, kV5, &bytes);
  EXPECT_EQ(bytes, FromHex("b0 0c 0102 06 1f 0003 776879 00 02 8f"));
}

TEST(EncodeTest, ListsLongerThanOneLengthByte) {
  const std::vector<ReasonCode> reasons(20'000, ReasonCode::kGrantedQos1);
  std::string bytes;
  EncodeSuback({1, reasons, ""}, kV5, &bytes);
  EXPECT_EQ(ReadOne(bytes, kV5).reasons.size(), 20'000u);
}

TEST(EncodeTest, DisconnectAndAuth) {
  std::string bytes;
  EncodeDisconnect({}, &bytes);
  EXPECT_EQ(bytes, FromHex("e0 00"));
  bytes.clear();
  EncodeDisconnect({ReasonCode::kSessionTakenOver, {}}, &bytes);
  EXPECT_EQ(bytes, FromHex("e0 02 8e 00"));
  bytes.clear();
  Disconnect moved{ReasonCode::kUseAnotherServer, {}};
  moved.properties.server_reference = "other:1883";
  moved.properties.Mark(PropertyId::kServerReference);
  EncodeDisconnect(moved, &bytes);
  EXPECT_EQ(ReadOne(bytes, kV5).Find(PropertyId::kServerReference)->text, "other:1883");
  bytes.clear();
  Auth auth{ReasonCode::kContinueAuthentication, {}};
  auth.properties.authentication_method = "M";
  auth.properties.Mark(PropertyId::kAuthenticationMethod);
  EncodeAuth(auth, &bytes);
  EXPECT_EQ(bytes, FromHex("f0 06 18 04 15 0001 4d"));
  EXPECT_EQ(kPingresp, FromHex("d0 00"));
}

std::string AckBytes(PacketType type, PacketId id, ReasonCode reason, ProtocolVersion version) {
  char bytes[kMaxAckSize];
  return {bytes, EncodeAck(type, id, reason, version, bytes)};
}

TEST(EncodeTest, Acks) {
  EXPECT_EQ(AckBytes(PacketType::kPuback, 1, ReasonCode::kSuccess, kV5), FromHex("40 02 0001"));
  EXPECT_EQ(AckBytes(PacketType::kPubrec, 0xFFFE, ReasonCode::kSuccess, kV31),
            FromHex("50 02 fffe"));
  EXPECT_EQ(AckBytes(PacketType::kPubrel, 2, ReasonCode::kSuccess, kV311), FromHex("62 02 0002"));
  EXPECT_EQ(AckBytes(PacketType::kPubcomp, 3, ReasonCode::kPacketIdentifierNotFound, kV5),
            FromHex("70 03 0003 92"));
  EXPECT_EQ(AckBytes(PacketType::kPuback, 3, ReasonCode::kQuotaExceeded, kV311),
            FromHex("40 02 0003"));
  std::string bytes;
  EncodeAckWithReasonString({PacketType::kPubrel, 7, ReasonCode::kPacketIdentifierNotFound, "no"},
                            &bytes);
  EXPECT_EQ(bytes, FromHex("62 09 0007 92 05 1f 0002 6e6f"));
}

}  // namespace
}  // namespace skein::mqtt
