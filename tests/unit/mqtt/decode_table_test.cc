#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "broker/mqtt/codec.h"
#include "tests/support/client_packets.h"
#include "tests/support/decode_any.h"
#include "tests/unit/mqtt/packet_table.h"

namespace skein::mqtt {
namespace {

using testing_support::AnyPacket;
using testing_support::DecodeAny;
using testing_support::DecodeBytes;
using testing_support::EncodeRaw;
using testing_support::FromHex;
using testing_support::PacketCase;
using testing_support::PacketTable;

bool IsGood(const PacketCase& one) {
  return one.code == ReasonCode::kSuccess;
}

// Decodes a copy that stands alone in its allocation, so that a sanitizer sees a read beyond it.
std::optional<Error> DecodeExact(const std::string& bytes, ProtocolVersion version,
                                 AnyPacket* packet) {
  const auto exact = std::make_unique<char[]>(bytes.size());
  bytes.copy(exact.get(), bytes.size());
  return DecodeBytes({exact.get(), bytes.size()}, version, packet);
}

TEST(DecodeTableTest, EveryRowHasItsOutcome) {
  AnyPacket packet;  // one for all: nothing may leak from row to row
  for (const PacketCase& one : PacketTable()) {
    const auto error = DecodeExact(FromHex(one.hex), one.version, &packet);
    const ReasonCode code = error ? error->code : ReasonCode::kSuccess;
    EXPECT_EQ(code, one.code) << one.name << ": " << (error ? error->rule : "accepted");
    if (error) {
      EXPECT_NE(*error->rule, '\0') << one.name;
    }
  }
}

TEST(DecodeTableTest, EveryProperPrefixOfAGoodPacketNeedsMore) {
  for (const PacketCase& one : PacketTable()) {
    if (!IsGood(one)) continue;
    const std::string bytes = FromHex(one.hex);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const FrameResult next = NextFrame(std::string_view(bytes).substr(0, size), UINT32_MAX);
      ASSERT_EQ(next.status, FrameStatus::kNeedMore) << one.name << " cut to " << size;
      ASSERT_GT(next.needed, size) << one.name;
      ASSERT_LE(next.needed, bytes.size()) << one.name;
    }
    EXPECT_EQ(NextFrame(bytes, UINT32_MAX).frame.size, bytes.size()) << one.name;
  }
}

TEST(DecodeTableTest, EveryPrefixOfABodyIsDecodedWithinItsBounds) {
  AnyPacket packet;
  for (const PacketCase& one : PacketTable()) {
    const std::string bytes = FromHex(one.hex);
    const FrameResult next = NextFrame(bytes, UINT32_MAX);
    if (next.status != FrameStatus::kComplete) continue;
    for (size_t size = 0; size < next.frame.body.size(); ++size) {
      const std::string cut =
          EncodeRaw(static_cast<uint8_t>(bytes[0]), next.frame.body.substr(0, size));
      // Whatever is still accepted must be of a shape that ends early: payload, optional reason,
      // optional credentials.
      const auto error = DecodeExact(cut, one.version, &packet);
      if (error || !IsGood(one)) continue;
      const bool list =
          next.frame.type == PacketType::kSubscribe || next.frame.type == PacketType::kUnsubscribe;
      const bool tail =
          next.frame.type != PacketType::kConnect || one.version == ProtocolVersion::k31;
      EXPECT_TRUE(list || tail) << one.name << " cut to " << size;
    }
  }
}

TEST(DecodeTableTest, BytesBehindAGoodBodyAreRefused) {
  AnyPacket packet;
  for (const PacketCase& one : PacketTable()) {
    const std::string bytes = FromHex(one.hex);
    if (!IsGood(one)) continue;
    const FrameResult next = NextFrame(bytes, UINT32_MAX);
    const PacketType type = next.frame.type;
    // A payload is as long as it is; an absent v5 tail may begin; 3.1's missing credentials may
    // appear.
    if (type == PacketType::kPublish) continue;
    const std::string longer = std::string(next.frame.body) + '\x01';
    const auto error =
        DecodeExact(EncodeRaw(static_cast<uint8_t>(bytes[0]), longer), one.version, &packet);
    EXPECT_TRUE(error.has_value()) << one.name;
  }
}

TEST(DecodeTableTest, EveryByteReplacedIsDecodedWithinItsBounds) {
  AnyPacket packet;
  int accepted = 0;
  int refused = 0;
  for (const PacketCase& one : PacketTable()) {
    const std::string bytes = FromHex(one.hex);
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
        std::string changed = bytes;
        changed[at] = static_cast<char>(value);
        (DecodeExact(changed, one.version, &packet) ? refused : accepted) += 1;
      }
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 0);
}

TEST(DecodeTableTest, VersionIsKnownWhenConnectFailsLater) {
  for (const PacketCase& one : testing_support::ConnectCases()) {
    const std::string bytes = FromHex(one.hex);
    const FrameResult next = NextFrame(bytes, UINT32_MAX);
    if (next.status != FrameStatus::kComplete || next.frame.body.size() < 10) continue;
    Connect connect;
    const auto error = DecodeConnect(next.frame, &connect);
    if (error && error->code == ReasonCode::kUnsupportedProtocolVersion) continue;
    if (next.frame.body.starts_with(FromHex("0004") + "MQTT\x05")) {
      EXPECT_EQ(connect.version, ProtocolVersion::k5) << one.name;
    }
  }
}

}  // namespace
}  // namespace skein::mqtt
