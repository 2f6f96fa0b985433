#include <gtest/gtest.h>

#include <string>

#include "broker/mqtt/codec.h"
#include "tests/support/client_packets.h"

namespace skein::mqtt {
namespace {

using testing_support::EncodeRaw;
using testing_support::FromHex;

TEST(FrameTest, SaysHowManyBytesHelp) {
  EXPECT_EQ(NextFrame("", 1000).needed, 2u);
  EXPECT_EQ(NextFrame(FromHex("30"), 1000).needed, 2u);
  EXPECT_EQ(NextFrame(FromHex("30 80"), 1000).needed, 3u);
  EXPECT_EQ(NextFrame(FromHex("30 80 80"), 1000).needed, 4u);
  EXPECT_EQ(NextFrame(FromHex("30 80 80 80"), UINT32_MAX).needed, 5u);
  EXPECT_EQ(NextFrame(FromHex("30 05"), 1000).needed, 7u);
  EXPECT_EQ(NextFrame(FromHex("30 80 01 00"), 1000).needed, 131u);
  EXPECT_EQ(NextFrame(FromHex("30 ff ff ff 7f"), UINT32_MAX).needed, 268'435'455u + 5u);
}

TEST(FrameTest, TakesOnePacketOfSeveral) {
  const std::string bytes = EncodeRaw(0x32, std::string(200, 'x')) + FromHex("c0 00");
  const FrameResult next = NextFrame(bytes, 1000);
  ASSERT_EQ(next.status, FrameStatus::kComplete);
  EXPECT_EQ(next.frame.type, PacketType::kPublish);
  EXPECT_EQ(next.frame.flags, 2);
  EXPECT_EQ(next.frame.size, 203u);
  EXPECT_EQ(next.frame.body, std::string(200, 'x'));
  EXPECT_EQ(next.frame.body.data(), bytes.data() + 3);
}

TEST(FrameTest, EveryLengthOfTheRemainingLength) {
  for (const size_t size : {0u, 1u, 127u, 128u, 16'383u, 16'384u, 2'097'151u, 2'097'152u}) {
    const std::string bytes = EncodeRaw(0x30, std::string(size, 'p'));
    const FrameResult next = NextFrame(bytes, UINT32_MAX);
    ASSERT_EQ(next.status, FrameStatus::kComplete) << size;
    EXPECT_EQ(next.frame.body.size(), size);
    EXPECT_EQ(next.frame.size, bytes.size());
  }
}

TEST(FrameTest, RefusesTooLargeBeforeItHasArrived) {
  const FrameResult next = NextFrame(FromHex("30 ff ff ff 7f"), 16u << 20);
  ASSERT_EQ(next.status, FrameStatus::kError);
  EXPECT_EQ(next.error.code, ReasonCode::kPacketTooLarge);
  // The limit counts the fixed header.
  EXPECT_EQ(NextFrame(FromHex("30 08"), 10).status, FrameStatus::kNeedMore);
  EXPECT_EQ(NextFrame(FromHex("30 08"), 9).status, FrameStatus::kError);
}

TEST(FrameTest, FlagsOfEveryFirstByte) {
  for (unsigned first = 0; first < 256; ++first) {
    const unsigned type = first >> 4;
    const unsigned flags = first & 0x0F;
    bool good = flags == 0;
    if (type == 0) good = false;
    if (type == 3) good = (flags & 6) != 6;
    if (type == 6 || type == 8 || type == 10) good = flags == 2;
    // Already the first byte decides.
    const FrameResult next = NextFrame(std::string(1, static_cast<char>(first)), 1000);
    EXPECT_EQ(next.status, good ? FrameStatus::kNeedMore : FrameStatus::kError) << first;
    if (!good) {
      EXPECT_EQ(next.error.code, ReasonCode::kMalformedPacket);
    }
  }
}

TEST(FrameTest, LengthOfFiveBytesIsRefusedAtTheFourth) {
  EXPECT_EQ(NextFrame(FromHex("30 80 80 80 80"), UINT32_MAX).status, FrameStatus::kError);
  EXPECT_EQ(NextFrame(FromHex("30 80 80 80 01"), UINT32_MAX).status, FrameStatus::kNeedMore);
}

}  // namespace
}  // namespace skein::mqtt
