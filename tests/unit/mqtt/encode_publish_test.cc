#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/mqtt/encode.h"
#include "tests/support/client_packets.h"
#include "tests/support/server_packets.h"

namespace skein::mqtt {
namespace {

using testing_support::FromHex;
using testing_support::PropertyBlock;
using testing_support::ReadServerPackets;
using testing_support::ServerPacket;

MessagePtr MakeMessage(std::string_view topic, std::string_view payload,
                       std::string_view properties = {}) {
  Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.properties = properties;
  return Message::Make(init);
}

std::string Encode(const Message& message, const PublishShape& shape) {
  const PublishSize size = MeasurePublish(message, shape);
  std::string bytes(size.head, '?');
  EncodePublishHead(message, shape, size, bytes.data());
  bytes.append(message.payload());
  EXPECT_EQ(bytes.size(), size.total);
  return bytes;
}

ServerPacket ReadOne(const std::string& bytes, ProtocolVersion version) {
  const auto packets = ReadServerPackets(bytes, version);
  EXPECT_TRUE(packets && packets->size() == 1);
  return packets && !packets->empty() ? packets->front() : ServerPacket{};
}

TEST(EncodePublishTest, Bytes) {
  const MessagePtr message = MakeMessage("a/b", "hi");
  PublishShape shape;
  EXPECT_EQ(Encode(*message, shape), FromHex("30 07 0003 612f62 6869"));
  shape.qos = Qos::kAtLeastOnce;
  shape.packet_id = 0x0A0B;
  shape.dup = true;
  shape.retain = true;
  EXPECT_EQ(Encode(*message, shape), FromHex("3b 09 0003 612f62 0a0b 6869"));
  shape.version = ProtocolVersion::k5;
  EXPECT_EQ(Encode(*message, shape), FromHex("3b 0a 0003 612f62 0a0b 00 6869"));
}

TEST(EncodePublishTest, PropertiesOfTheServerAndOfThePublisher) {
  const std::string forwarded =
      PropertyBlock().User("a", "1").Text(PropertyId::kContentType, "text").bytes();
  const MessagePtr message = MakeMessage("t", "payload", forwarded);
  const std::vector<uint32_t> ids = {1, 127, 128, 16'384, 2'097'152, kMaxVarint};
  PublishShape shape;
  shape.version = ProtocolVersion::k5;
  shape.expiry_left = 90;
  shape.topic_alias = 3;
  shape.subscription_identifiers = ids;
  const ServerPacket seen = ReadOne(Encode(*message, shape), ProtocolVersion::k5);
  EXPECT_EQ(seen.topic, "t");
  EXPECT_EQ(seen.payload, "payload");
  EXPECT_EQ(seen.Numbers(PropertyId::kSubscriptionIdentifier), ids);
  EXPECT_EQ(seen.Find(PropertyId::kMessageExpiryInterval)->number, 90u);
  EXPECT_EQ(seen.Find(PropertyId::kTopicAlias)->number, 3u);
  EXPECT_EQ(seen.Find(PropertyId::kUserProperty)->value, "1");
  EXPECT_EQ(seen.Find(PropertyId::kContentType)->text, "text");
  EXPECT_EQ(seen.properties.size(), ids.size() + 4);
}

TEST(EncodePublishTest, PropertiesAreForVersionFive) {
  const MessagePtr message = MakeMessage("t", "p", PropertyBlock().User("a", "1").bytes());
  PublishShape shape;
  shape.version = ProtocolVersion::k31;
  EXPECT_EQ(Encode(*message, shape), FromHex("30 04 0001 74 70"));
}

TEST(EncodePublishTest, AliasAlone) {
  const MessagePtr message = MakeMessage("long/topic", "p");
  PublishShape shape;
  shape.version = ProtocolVersion::k5;
  shape.topic_alias = 0x0102;
  shape.send_topic = false;
  EXPECT_EQ(Encode(*message, shape), FromHex("30 07 0000 03 23 0102 70"));
}

TEST(EncodePublishTest, LengthsAtEveryBorder) {
  for (const size_t payload : {0u, 120u, 121u, 122u, 123u, 124u, 16'370u, 16'376u, 16'377u, 16'378u,
                               16'379u, 16'380u, 2'097'144u, 2'097'145u, 2'097'146u, 2'097'147u}) {
    for (const ProtocolVersion version : {ProtocolVersion::k311, ProtocolVersion::k5}) {
      const MessagePtr message = MakeMessage("abc", std::string(payload, 'x'));
      PublishShape shape;
      shape.version = version;
      const ServerPacket seen = ReadOne(Encode(*message, shape), version);
      EXPECT_EQ(seen.payload.size(), payload);
    }
  }
  for (const size_t length :
       {118u, 120u, 121u, 122u, 123u, 124u, 125u, 16'374u, 16'376u, 16'377u, 16'378u, 16'379u}) {
    const MessagePtr message =
        MakeMessage("abc", "x", PropertyBlock().User("k", std::string(length, 'v')).bytes());
    PublishShape shape;
    shape.version = ProtocolVersion::k5;
    const ServerPacket seen = ReadOne(Encode(*message, shape), ProtocolVersion::k5);
    EXPECT_EQ(seen.Find(PropertyId::kUserProperty)->value.size(), length);
  }
}

TEST(PublishImageTest, PatchedCopiesEqualDirectEncoding) {
  const MessagePtr small = MakeMessage("a/b/c", "payload", PropertyBlock().User("k", "v").bytes());
  const MessagePtr large = MakeMessage("a/b/c", std::string(20'000, 'L'));
  PublishImage image;
  EXPECT_FALSE(image.built());
  for (const MessagePtr& message : {small, large}) {
    for (const ProtocolVersion version :
         {ProtocolVersion::k31, ProtocolVersion::k311, ProtocolVersion::k5}) {
      for (const Qos qos : {Qos::kAtMostOnce, Qos::kAtLeastOnce, Qos::kExactlyOnce}) {
        for (const bool with_payload : {true, false}) {
          PublishShape shape;
          shape.version = version;
          shape.qos = qos == Qos::kAtMostOnce ? qos : Qos::kAtLeastOnce;
          shape.expiry_left = version == ProtocolVersion::k5 ? 5 : Message::kNoExpiry;
          image.Reset();
          image.Build(*message, shape, with_payload);
          ASSERT_TRUE(image.built());
          shape.qos = qos;
          shape.packet_id = qos == Qos::kAtMostOnce ? 0 : 0xBEEF;
          shape.dup = qos == Qos::kExactlyOnce;
          shape.retain = true;
          std::string bytes(image.size(), '?');
          image.CopyTo(bytes.data(), shape.dup, shape.qos, shape.retain, shape.packet_id);
          if (!with_payload) bytes.append(message->payload());
          EXPECT_EQ(bytes, Encode(*message, shape));
        }
      }
    }
  }
}

}  // namespace
}  // namespace skein::mqtt
