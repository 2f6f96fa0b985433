#include "storage/log/frame.h"

#include "gmock/gmock.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/log/records.h"

namespace skein::storage {
namespace {

v1::Frame Example(uint64_t session) {
  v1::Frame frame;
  EncodeRecord(session, session::Completed{3, 40}, frame.add_records());
  return frame;
}

TEST(Frame, ComesBack) {
  std::string value;
  const uint64_t chain = EncodeFrame(Example(7), 99, &value);
  v1::Frame frame;
  uint64_t read_chain = 0;
  ASSERT_TRUE(DecodeFrame(value, 99, &frame, &read_chain).ok());
  EXPECT_EQ(read_chain, chain);
  EXPECT_EQ(frame.SerializeAsString(), Example(7).SerializeAsString());
}

TEST(Frame, LayoutIsFormatByteAndLittleEndianChainHash) {
  std::string value;
  const uint64_t chain = EncodeFrame(Example(7), 0, &value);
  EXPECT_EQ(value[0], 1);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(static_cast<uint8_t>(value[1 + i]), chain >> (8 * i) & 0xFF);
  EXPECT_EQ(value.substr(kFrameHeaderSize), Example(7).SerializeAsString());
  EXPECT_EQ(chain, ChainHash(Example(7).SerializeAsString(), 0));
}

TEST(Frame, DoesNotFollowAnotherFrame) {
  std::string value;
  EncodeFrame(Example(7), 99, &value);
  FrameView view;
  EXPECT_EQ(OpenFrame(value, 98, &view).code(), absl::StatusCode::kDataLoss);
}

TEST(Frame, AnyDamagedBitIsSeen) {
  std::string value;
  EncodeFrame(Example(7), 99, &value);
  for (size_t bit = 0; bit < 8 * value.size(); ++bit) {
    std::string damaged = value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    FrameView view;
    EXPECT_FALSE(OpenFrame(damaged, 99, &view).ok()) << bit;
  }
}

TEST(Frame, ATruncatedValueIsSeen) {
  std::string value;
  EncodeFrame(Example(7), 99, &value);
  for (size_t size = 0; size < value.size(); ++size) {
    FrameView view;
    EXPECT_EQ(OpenFrame(std::string_view(value).substr(0, size), 99, &view).code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(Frame, OfALaterFormatIsRefused) {
  std::string value;
  EncodeFrame(Example(7), 99, &value);
  value[0] = 2;
  FrameView view;
  EXPECT_EQ(OpenFrame(value, 99, &view).code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace skein::storage
