// The counting parser finds the same packets whatever way the bytes are cut.

#include "cmd/skeinmq-bench/parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cmd/skeinmq-bench/wire.h"

namespace skein::bench {
namespace {

using namespace std::string_literals;

struct Seen {
  std::vector<Delivery> publishes;
  std::vector<std::string> packets;  // type and body

  void OnPublish(const Delivery& delivery) { publishes.push_back(delivery); }
  void OnPacket(uint8_t type, std::string_view body) {
    packets.push_back(std::to_string(type) + ":" + std::string(body));
  }
};

// Feeds `stream` in pieces of `step` bytes, the way a connection does.
bool FeedInPieces(Parser& parser, std::string_view stream, size_t step, Seen& seen) {
  for (size_t at = 0; at < stream.size(); at += step) {
    std::string bytes = parser.carry();
    bytes += stream.substr(at, step);
    if (!parser.Feed(bytes, seen)) return false;
  }
  return true;
}

std::string TwoPublishesAndAcks(Version version) {
  std::string stream;
  AppendAck(stream, kPuback, 0x1234);
  PublishImage(version, "a/b", 1, 300)
      .AppendTo(stream, 7, {.publisher = 3, .sequence = 9, .sent_ns = 11});
  AppendAck(stream, kPubrel, 2);
  PublishImage(version, "t", 0, 0)
      .AppendTo(stream, 0, {.publisher = 4, .sequence = 10, .sent_ns = 12});
  return stream;
}

class ParserCutTest : public testing::TestWithParam<Version> {};

TEST_P(ParserCutTest, EveryPieceSizeGivesTheSame) {
  const std::string stream = TwoPublishesAndAcks(GetParam());
  for (size_t step = 1; step <= stream.size(); ++step) {
    Parser parser(GetParam());
    Seen seen;
    ASSERT_TRUE(FeedInPieces(parser, stream, step, seen)) << step;
    ASSERT_EQ(seen.publishes.size(), 2u) << step;
    EXPECT_EQ(seen.publishes[0].qos, 1);
    EXPECT_EQ(seen.publishes[0].packet_id, 7);
    EXPECT_EQ(seen.publishes[0].payload_bytes, 300u);
    EXPECT_EQ(seen.publishes[0].stamp.magic, Stamp::kMagic);
    EXPECT_EQ(seen.publishes[0].stamp.sequence, 9u);
    EXPECT_EQ(seen.publishes[1].qos, 0);
    EXPECT_EQ(seen.publishes[1].stamp.publisher, 4);
    EXPECT_EQ(seen.publishes[1].stamp.sent_ns, 12u);
    EXPECT_EQ(seen.packets, (std::vector<std::string>{"4:\x12\x34"s, "6:\0\x02"s})) << step;
    EXPECT_TRUE(parser.carry().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, ParserCutTest, testing::Values(Version::kV311, Version::kV5));

TEST(ParserTest, PublishIsReportedWithItsLastByte) {
  std::string stream;
  PublishImage(Version::kV311, "t", 0, 1000).AppendTo(stream, 0, {});
  Parser parser;
  Seen seen;
  ASSERT_TRUE(parser.Feed(stream.substr(0, stream.size() - 1), seen));
  EXPECT_TRUE(seen.publishes.empty());
  EXPECT_TRUE(parser.carry().empty());
  ASSERT_TRUE(parser.Feed(stream.substr(stream.size() - 1), seen));
  EXPECT_EQ(seen.publishes.size(), 1u);
}

TEST(ParserTest, ShortPayloadHasNoStamp) {
  Parser parser;
  Seen seen;
  ASSERT_TRUE(parser.Feed("\x30\x05\0\x01tHi"s, seen));
  ASSERT_EQ(seen.publishes.size(), 1u);
  EXPECT_EQ(seen.publishes[0].payload_bytes, 2u);
  EXPECT_EQ(seen.publishes[0].stamp.magic, 0);
}

TEST(ParserTest, PropertiesAreSkipped) {
  // Topic "t", properties: message expiry interval 60.
  std::string body = "\0\x01t\x05\x02\0\0\0\x3c"s + std::string(kStampBytes, 'y');
  std::string stream = "\x31"s + static_cast<char>(body.size()) + body;
  Parser parser(Version::kV5);
  Seen seen;
  ASSERT_TRUE(parser.Feed(stream, seen));
  ASSERT_EQ(seen.publishes.size(), 1u);
  EXPECT_TRUE(seen.publishes[0].retain);
  EXPECT_EQ(seen.publishes[0].payload_bytes, kStampBytes);
  EXPECT_EQ(seen.publishes[0].stamp.magic, 0x7979);
}

TEST(ParserTest, RefusesMalformedPackets) {
  const std::string malformed[] = {
      "\x30\xff\xff\xff\xff\x01"s,  // remaining length of five bytes
      "\x36\x05\0\x01t\0\x01"s,     // QoS 3
      "\x32\x05\0\x01t\0\0"s,       // packet id 0
      "\x30\x03\0\x09t"s,           // topic longer than the packet
      "\x32\x03\0\x01t"s,           // no packet id
      "\x20\xff\xff\xff\x7f"s,      // CONNACK of 256 MiB
  };
  for (const std::string& bytes : malformed) {
    Parser parser;
    Seen seen;
    EXPECT_FALSE(parser.Feed(bytes, seen)) << testing::PrintToString(bytes);
    EXPECT_TRUE(seen.publishes.empty());
  }
}

}  // namespace
}  // namespace skein::bench
