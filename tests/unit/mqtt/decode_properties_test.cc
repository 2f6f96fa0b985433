#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "broker/mqtt/codec.h"
#include "tests/support/client_packets.h"
#include "tests/support/decode_any.h"

namespace skein::mqtt {
namespace {

using namespace testing_support;  // NOLINT(google-build-using-namespace)

void Decode(const std::string& bytes, ProtocolVersion version, AnyPacket* packet) {
  const auto error = DecodeBytes(bytes, version, packet);
  ASSERT_FALSE(error) << error->rule;
}

TEST(DecodePropertiesTest, UserPropertiesInOrderWithRepeatedKeys) {
  PublishOptions options;
  options.topic = "t";
  options.properties = PropertyBlock()
                           .User("a", "1")
                           .Text(PropertyId::kContentType, "text")
                           .User("a", "2")
                           .User("", "")
                           .Byte(PropertyId::kPayloadFormatIndicator, 1)
                           .bytes();
  const std::string bytes = EncodePublish(options);
  AnyPacket packet;
  Decode(bytes, ProtocolVersion::k5, &packet);
  std::vector<std::pair<std::string, std::string>> seen;
  ForEachUserProperty(
      packet.publish.properties,
      [&seen](std::string_view key, std::string_view value) { seen.emplace_back(key, value); });
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"a", "1"}, {"a", "2"}, {"", ""}};
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(packet.publish.properties.user_property_count, 3u);
}

// What is forwarded of a PUBLISH with these properties.
std::string Forwarded(const std::string& properties, bool* copied) {
  PublishOptions options;
  options.topic = "t";
  options.properties = properties;
  const std::string bytes = EncodePublish(options);
  AnyPacket packet;
  EXPECT_FALSE(DecodeBytes(bytes, ProtocolVersion::k5, &packet));
  std::string scratch = "left over";
  const std::string_view kept = ForwardableProperties(packet.publish.properties, &scratch);
  *copied = kept.data() == scratch.data();
  return std::string(kept);
}

TEST(DecodePropertiesTest, ForwardableProperties) {
  const std::string user = PropertyBlock().User("a", "1").bytes();
  const std::string type = PropertyBlock().Text(PropertyId::kContentType, "text").bytes();
  const std::string rest = PropertyBlock()
                               .Byte(PropertyId::kPayloadFormatIndicator, 1)
                               .Text(PropertyId::kResponseTopic, "r")
                               .Text(PropertyId::kCorrelationData, "c")
                               .bytes();
  const std::string alias = PropertyBlock().TwoByte(PropertyId::kTopicAlias, 1).bytes();
  const std::string expiry =
      PropertyBlock().FourByte(PropertyId::kMessageExpiryInterval, 1).bytes();
  bool copied = false;
  EXPECT_EQ(Forwarded("", &copied), "");
  EXPECT_EQ(Forwarded(alias, &copied), "");
  EXPECT_EQ(Forwarded(user + type + rest, &copied), user + type + rest);
  EXPECT_FALSE(copied);
  EXPECT_EQ(Forwarded(alias + user + type + expiry, &copied), user + type);
  EXPECT_FALSE(copied);
  EXPECT_EQ(Forwarded(user + alias + type + expiry + rest, &copied), user + type + rest);
  EXPECT_TRUE(copied);
}

TEST(DecodePropertiesTest, ForwardablePropertiesOfAWill) {
  const std::string user = PropertyBlock().User("a", "1").bytes();
  ConnectOptions options;
  options.will = WillOptions{"will/topic", "bye", Qos::kAtMostOnce, false, ""};
  options.will->properties = PropertyBlock()
                                 .FourByte(PropertyId::kWillDelayInterval, 7)
                                 .FourByte(PropertyId::kMessageExpiryInterval, 8)
                                 .bytes() +
                             user;
  const std::string bytes = EncodeConnect(options);
  AnyPacket packet;
  Decode(bytes, ProtocolVersion::k5, &packet);
  std::string scratch;
  EXPECT_EQ(ForwardableProperties(packet.connect.will->properties, &scratch), user);
}

}  // namespace
}  // namespace skein::mqtt
