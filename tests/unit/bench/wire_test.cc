// The bytes the generator sends, and its reading of CONNACK and SUBACK.

#include "cmd/skeinmq-bench/wire.h"

#include <gtest/gtest.h>

#include <string>

namespace skein::bench {
namespace {

using namespace std::string_literals;

TEST(WireTest, Connect) {
  EXPECT_EQ(EncodeConnect(Version::kV311, "ab", 60),
            "\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02"s + "ab");
  EXPECT_EQ(EncodeConnect(Version::kV5, "ab", 60),
            "\x10\x0f\0\x04MQTT\x05\x02\0\x3c\0\0\x02"s + "ab");
}

TEST(WireTest, Subscribe) {
  EXPECT_EQ(EncodeSubscribe(Version::kV311, 1, "t", 2), "\x82\x06\0\x01\0\x01t\x02"s);
  EXPECT_EQ(EncodeSubscribe(Version::kV5, 1, "t", 2), "\x82\x07\0\x01\0\0\x01t\x02"s);
}

TEST(WireTest, Acks) {
  std::string out;
  AppendAck(out, kPuback, 0x0102);
  AppendAck(out, kPubrel, 0xffff);
  EXPECT_EQ(out, "\x40\x02\x01\x02\x62\x02\xff\xff"s);
}

TEST(WireTest, PublishImageIsPatched) {
  const PublishImage image(Version::kV5, "t", 1, 0);
  std::string out = "before";
  const Stamp stamp{.publisher = 1, .sequence = 2, .sent_ns = 3};
  image.AppendTo(out, 0x0506, stamp);
  EXPECT_EQ(out.substr(6, 8), "\x32\x16\0\x01t\x05\x06\0"s);
  EXPECT_EQ(out.substr(14), std::string(reinterpret_cast<const char*>(&stamp), sizeof stamp));
}

TEST(WireTest, PublishImageOfLongPayload) {
  const PublishImage image(Version::kV311, "t", 0, 200);
  std::string out;
  image.AppendTo(out, 0, {});
  EXPECT_EQ(out.size(), 2u + 1u + 3u + 200u);
  EXPECT_EQ(out.substr(0, 6), "\x30\xcb\x01\0\x01t"s);
}

TEST(WireTest, Connack) {
  const auto old = DecodeConnack(Version::kV311, "\0\x05"s);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->reason, 5);
  // Assigned client id "x", receive maximum 20, a user property, maximum QoS 1.
  const auto connack =
      DecodeConnack(Version::kV5, "\0\0\x10\x12\0\x01x\x21\0\x14\x26\0\x01\x61\0\x01\x62\x24\x01"s);
  ASSERT_TRUE(connack);
  EXPECT_EQ(connack->receive_maximum, 20);
  EXPECT_EQ(connack->maximum_qos, 1);
  EXPECT_FALSE(DecodeConnack(Version::kV5, "\0\0"s));                // no property length
  EXPECT_FALSE(DecodeConnack(Version::kV5, "\0\0\x03\x12\0\x05"s));  // cut off
  EXPECT_FALSE(DecodeConnack(Version::kV5, "\0\0\x01\x7f"s));        // unknown property
}

TEST(WireTest, Suback) {
  const auto suback = DecodeSuback(Version::kV5, "\0\x07\0\x01"s);
  ASSERT_TRUE(suback);
  EXPECT_EQ(suback->packet_id, 7);
  EXPECT_EQ(suback->code, 1);
  EXPECT_FALSE(DecodeSuback(Version::kV311, "\0\x07"s));
  EXPECT_FALSE(DecodeSuback(Version::kV311, "\0\x07\0\0"s));
}

}  // namespace
}  // namespace skein::bench
