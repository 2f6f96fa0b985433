#include <gtest/gtest.h>

#include <string>

#include "broker/mqtt/codec.h"
#include "tests/support/client_packets.h"
#include "tests/support/decode_any.h"

namespace skein::mqtt {
namespace {

using namespace testing_support;  // NOLINT(google-build-using-namespace)

constexpr ProtocolVersion kAllVersions[] = {ProtocolVersion::k31, ProtocolVersion::k311,
                                            ProtocolVersion::k5};

void Decode(const std::string& bytes, ProtocolVersion version, AnyPacket* packet) {
  const auto error = DecodeBytes(bytes, version, packet);
  ASSERT_FALSE(error) << error->rule;
}

ConnectOptions FullConnect(ProtocolVersion version) {
  ConnectOptions options;
  options.version = version;
  options.clean_start = false;
  options.keep_alive = 300;
  options.client_id = "client";
  options.user_name = "user";
  options.password = std::string("p\0w", 3);
  options.will = WillOptions{"will/topic", "bye", Qos::kExactlyOnce, true, ""};
  return options;
}

TEST(DecodeValuesTest, ConnectInEveryVersion) {
  for (const ProtocolVersion version : kAllVersions) {
    AnyPacket packet;
    const std::string bytes = EncodeConnect(FullConnect(version));
    Decode(bytes, version, &packet);
    const Connect& connect = packet.connect;
    EXPECT_EQ(connect.version, version);
    EXPECT_FALSE(connect.clean_start);
    EXPECT_EQ(connect.keep_alive, 300);
    EXPECT_EQ(connect.client_id, "client");
    EXPECT_EQ(connect.user_name, "user");
    EXPECT_EQ(connect.password, std::string_view("p\0w", 3));
    ASSERT_TRUE(connect.will);
    EXPECT_EQ(connect.will->topic, "will/topic");
    EXPECT_EQ(connect.will->payload, "bye");
    EXPECT_EQ(connect.will->qos, Qos::kExactlyOnce);
    EXPECT_TRUE(connect.will->retain);
    EXPECT_EQ(connect.properties.receive_maximum, 65535);
  }
}

TEST(DecodeValuesTest, ConnectPropertiesAndTheirDefaults) {
  ConnectOptions options = FullConnect(ProtocolVersion::k5);
  options.properties = PropertyBlock()
                           .FourByte(PropertyId::kSessionExpiryInterval, 0xFFFFFFFF)
                           .TwoByte(PropertyId::kReceiveMaximum, 20)
                           .FourByte(PropertyId::kMaximumPacketSize, 70'000)
                           .TwoByte(PropertyId::kTopicAliasMaximum, 9)
                           .Byte(PropertyId::kRequestResponseInformation, 1)
                           .Byte(PropertyId::kRequestProblemInformation, 0)
                           .Text(PropertyId::kAuthenticationMethod, "SCRAM")
                           .Text(PropertyId::kAuthenticationData, "data")
                           .bytes();
  options.will->properties = PropertyBlock().FourByte(PropertyId::kWillDelayInterval, 7).bytes();
  AnyPacket packet;
  std::string bytes = EncodeConnect(options);
  Decode(bytes, ProtocolVersion::k5, &packet);
  const Properties& properties = packet.connect.properties;
  EXPECT_EQ(properties.session_expiry_interval, 0xFFFFFFFF);
  EXPECT_EQ(properties.receive_maximum, 20);
  EXPECT_EQ(properties.maximum_packet_size, 70'000u);
  EXPECT_EQ(properties.topic_alias_maximum, 9);
  EXPECT_EQ(properties.request_response_information, 1);
  EXPECT_EQ(properties.request_problem_information, 0);
  EXPECT_EQ(properties.authentication_method, "SCRAM");
  EXPECT_EQ(properties.authentication_data, "data");
  EXPECT_EQ(packet.connect.will->properties.will_delay_interval, 7u);
  EXPECT_EQ(properties.raw, options.properties);

  bytes = EncodeConnect({});
  Decode(bytes, ProtocolVersion::k5, &packet);
  EXPECT_EQ(properties.present, 0u);
  EXPECT_EQ(properties.receive_maximum, 65535);
  EXPECT_EQ(properties.request_problem_information, 1);
  EXPECT_TRUE(properties.raw.empty());
  EXPECT_FALSE(packet.connect.will);
}

TEST(DecodeValuesTest, ConnectOfOldWithoutItsCredentials) {
  AnyPacket packet;
  Decode(FromHex("100f00064d514973647003c2003c000163"), ProtocolVersion::k31, &packet);
  EXPECT_FALSE(packet.connect.user_name);
  EXPECT_FALSE(packet.connect.password);
}

TEST(DecodeValuesTest, PublishInEveryVersionAndQos) {
  for (const ProtocolVersion version : kAllVersions) {
    for (const Qos qos : {Qos::kAtMostOnce, Qos::kAtLeastOnce, Qos::kExactlyOnce}) {
      PublishOptions options;
      options.version = version;
      options.topic = "a/b/c";
      options.payload = std::string("\0payload\xFF", 9);
      options.qos = qos;
      options.retain = true;
      options.dup = qos != Qos::kAtMostOnce;
      options.packet_id = 0x1234;
      const std::string bytes = EncodePublish(options);
      AnyPacket packet;
      Decode(bytes, version, &packet);
      EXPECT_EQ(packet.publish.topic, "a/b/c");
      EXPECT_EQ(packet.publish.topic_levels, 3);
      EXPECT_EQ(packet.publish.payload, options.payload);
      EXPECT_EQ(packet.publish.payload.end(), std::string_view(bytes).end());
      EXPECT_EQ(packet.publish.qos, qos);
      EXPECT_EQ(packet.publish.dup, options.dup);
      EXPECT_TRUE(packet.publish.retain);
      EXPECT_EQ(packet.publish.packet_id, qos == Qos::kAtMostOnce ? 0 : 0x1234);
    }
  }
}

TEST(DecodeValuesTest, NothingStaysInAReusedPublish) {
  PublishOptions options;
  options.topic = "t";
  options.qos = Qos::kAtLeastOnce;
  options.packet_id = 5;
  const std::string plain = EncodePublish(options);
  options.properties = PropertyBlock()
                           .Byte(PropertyId::kPayloadFormatIndicator, 1)
                           .FourByte(PropertyId::kMessageExpiryInterval, 3)
                           .TwoByte(PropertyId::kTopicAlias, 4)
                           .Text(PropertyId::kResponseTopic, "r")
                           .User("k", "v")
                           .bytes();
  const std::string rich = EncodePublish(options);
  options.version = ProtocolVersion::k311;
  options.properties = "";
  const std::string old = EncodePublish(options);
  // One that fails behind its first property, too.
  const std::string bad = FromHex("30 09 0001 61 05 23 0003 23 00");

  const auto expect_clean = [](const Properties& properties) {
    const Properties fresh;
    EXPECT_EQ(properties.present, 0u);
    EXPECT_EQ(properties.raw, "");
    EXPECT_EQ(properties.topic_alias, 0);
    EXPECT_EQ(properties.message_expiry_interval, 0u);
    EXPECT_EQ(properties.payload_format_indicator, 0);
    EXPECT_EQ(properties.user_property_count, 0u);
    EXPECT_EQ(properties.response_topic, fresh.response_topic);
  };
  AnyPacket packet;
  Decode(rich, ProtocolVersion::k5, &packet);
  EXPECT_EQ(packet.publish.properties.topic_alias, 4);
  EXPECT_EQ(packet.publish.properties.user_property_count, 1u);
  Decode(plain, ProtocolVersion::k5, &packet);
  expect_clean(packet.publish.properties);
  Decode(rich, ProtocolVersion::k5, &packet);
  Decode(old, ProtocolVersion::k311, &packet);
  expect_clean(packet.publish.properties);
  EXPECT_TRUE(DecodeBytes(bad, ProtocolVersion::k5, &packet));
  Decode(plain, ProtocolVersion::k5, &packet);
  expect_clean(packet.publish.properties);
}

TEST(DecodeValuesTest, PacketIdIsZeroBehindOneOfQos1) {
  AnyPacket packet;
  const std::string first = FromHex("32 05 0001 61 0007");
  const std::string second = FromHex("30 03 0001 61");
  Decode(first, ProtocolVersion::k311, &packet);
  EXPECT_EQ(packet.publish.packet_id, 7);
  Decode(second, ProtocolVersion::k311, &packet);
  EXPECT_EQ(packet.publish.packet_id, 0);
}

TEST(DecodeValuesTest, TopicOfTheGreatestLength) {
  PublishOptions options;
  options.version = ProtocolVersion::k311;
  options.topic = std::string(65'535, '/');
  AnyPacket packet;
  const std::string bytes = EncodePublish(options);
  Decode(bytes, ProtocolVersion::k311, &packet);
  EXPECT_EQ(packet.publish.topic.size(), 65'535u);
  EXPECT_EQ(packet.publish.topic_levels, UINT16_MAX);  // 65,536 do not fit
}

TEST(DecodeValuesTest, SubscribeOptions) {
  const std::string bytes = EncodeSubscribe(
      ProtocolVersion::k5, 9,
      {{"a/#", Qos::kExactlyOnce, true, true, 2}, {"b", Qos::kAtLeastOnce, false, false, 1}},
      PropertyBlock().Varint(PropertyId::kSubscriptionIdentifier, kMaxVarint).bytes());
  AnyPacket packet;
  packet.subscribe.entries.resize(7);
  Decode(bytes, ProtocolVersion::k5, &packet);
  const Subscribe& subscribe = packet.subscribe;
  EXPECT_EQ(subscribe.packet_id, 9);
  EXPECT_EQ(subscribe.properties.subscription_identifier, kMaxVarint);
  ASSERT_EQ(subscribe.entries.size(), 2u);
  EXPECT_EQ(subscribe.entries[0].filter, "a/#");
  EXPECT_EQ(subscribe.entries[0].qos, Qos::kExactlyOnce);
  EXPECT_TRUE(subscribe.entries[0].no_local && subscribe.entries[0].retain_as_published);
  EXPECT_EQ(subscribe.entries[0].retain_handling, 2);
  EXPECT_EQ(subscribe.entries[1].filter, "b");
  EXPECT_EQ(subscribe.entries[1].qos, Qos::kAtLeastOnce);
  EXPECT_FALSE(subscribe.entries[1].no_local || subscribe.entries[1].retain_as_published);
  EXPECT_EQ(subscribe.entries[1].retain_handling, 1);
}

TEST(DecodeValuesTest, UnsubscribeFilters) {
  for (const ProtocolVersion version : kAllVersions) {
    AnyPacket packet;
    const std::string bytes = EncodeUnsubscribe(version, 77, {"a", "b/+", "c", "d", "e", "f"});
    Decode(bytes, version, &packet);
    EXPECT_EQ(packet.unsubscribe.packet_id, 77);
    ASSERT_EQ(packet.unsubscribe.filters.size(), 6u);
    EXPECT_EQ(packet.unsubscribe.filters[1], "b/+");
    EXPECT_EQ(packet.unsubscribe.filters[5], "f");
  }
}

TEST(DecodeValuesTest, AcksDisconnectAndAuth) {
  const std::string why = PropertyBlock().Text(PropertyId::kReasonString, "why").bytes();
  AnyPacket packet;
  std::string bytes = EncodeClientAck(PacketType::kPubrec, 0xABCD, ReasonCode::kQuotaExceeded, why);
  Decode(bytes, ProtocolVersion::k5, &packet);
  EXPECT_EQ(packet.ack.type, PacketType::kPubrec);
  EXPECT_EQ(packet.ack.packet_id, 0xABCD);
  EXPECT_EQ(packet.ack.reason, ReasonCode::kQuotaExceeded);
  EXPECT_EQ(packet.ack.reason_string, "why");
  bytes = EncodeClientAck(PacketType::kPubrel, 2);
  Decode(bytes, ProtocolVersion::k5, &packet);
  EXPECT_EQ(packet.ack.type, PacketType::kPubrel);
  EXPECT_EQ(packet.ack.reason, ReasonCode::kSuccess);
  EXPECT_EQ(packet.ack.reason_string, "");

  bytes = EncodeClientDisconnect(
      ProtocolVersion::k5, ReasonCode::kDisconnectWithWill,
      PropertyBlock().FourByte(PropertyId::kSessionExpiryInterval, 8).bytes());
  Decode(bytes, ProtocolVersion::k5, &packet);
  EXPECT_EQ(packet.disconnect.reason, ReasonCode::kDisconnectWithWill);
  EXPECT_EQ(packet.disconnect.properties.session_expiry_interval, 8u);
  bytes = EncodeClientDisconnect(ProtocolVersion::k5);
  Decode(bytes, ProtocolVersion::k5, &packet);
  EXPECT_EQ(packet.disconnect.reason, ReasonCode::kSuccess);
  EXPECT_FALSE(packet.disconnect.properties.Has(PropertyId::kSessionExpiryInterval));

  bytes = EncodeClientAuth(ReasonCode::kReAuthenticate,
                           PropertyBlock().Text(PropertyId::kAuthenticationMethod, "M").bytes());
  Decode(bytes, ProtocolVersion::k5, &packet);
  EXPECT_EQ(packet.auth.reason, ReasonCode::kReAuthenticate);
  EXPECT_EQ(packet.auth.properties.authentication_method, "M");
}

}  // namespace
}  // namespace skein::mqtt
