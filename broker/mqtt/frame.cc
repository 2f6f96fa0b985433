#include <array>

#include "broker/mqtt/codec.h"

namespace skein::mqtt {

namespace {

// The flag bits each packet type must carry [MQTT-2.1.3-1]; PUBLISH has real flags, 0x10 is never
// right.
constexpr std::array<uint8_t, 16> kRequiredFlags = {0x10, 0, 0, 0, 0, 0, 2, 0,
                                                    2,    0, 2, 0, 0, 0, 0, 0};

FrameResult Refuse(ReasonCode code, const char* rule) {
  FrameResult result;
  result.status = FrameStatus::kError;
  result.error = {code, rule};
  return result;
}

FrameResult NeedMore(size_t needed) {
  FrameResult result;
  result.needed = needed;
  return result;
}

// What is wrong with the first byte, or nullptr.
const char* JudgeFirstByte(uint8_t first) {
  const unsigned type = first >> 4;
  const unsigned flags = first & 0x0F;
  if (type == static_cast<unsigned>(PacketType::kPublish)) {
    return (flags & 0x06) == 0x06 ? "[MQTT-3.3.1-4] QoS 3 in PUBLISH" : nullptr;
  }
  if (type == 0) return "[MQTT-4.13.1-1] packet type 0 is reserved";
  return flags == kRequiredFlags[type] ? nullptr : "[MQTT-2.1.3-1] reserved flag bits";
}

}  // namespace

FrameResult NextFrame(std::string_view bytes, uint32_t max_packet_size) {
  if (bytes.empty()) return NeedMore(2);
  const auto first = static_cast<uint8_t>(bytes[0]);
  if (const char* rule = JudgeFirstByte(first)) return Refuse(ReasonCode::kMalformedPacket, rule);

  size_t length = 0;
  size_t head = 1;  // bytes of the fixed header read so far
  for (unsigned shift = 0;; shift += 7) {
    if (shift == 28)
      return Refuse(ReasonCode::kMalformedPacket, "[MQTT-1.5.5-1] remaining length of five bytes");
    if (head == bytes.size()) return NeedMore(head + 1);
    const auto byte = static_cast<uint8_t>(bytes[head++]);
    length |= size_t{byte & 0x7Fu} << shift;
    if (byte >= 0x80) continue;
    if (byte == 0 && shift > 0) {
      return Refuse(ReasonCode::kMalformedPacket,
                    "[MQTT-1.5.5-1] remaining length not in its shortest form");
    }
    break;
  }
  const size_t size = head + length;
  if (size > max_packet_size) {
    return Refuse(ReasonCode::kPacketTooLarge,
                  "[MQTT-3.2.2-15] packet larger than the maximum packet size");
  }
  if (bytes.size() < size) return NeedMore(size);

  FrameResult result;
  result.status = FrameStatus::kComplete;
  result.frame = {static_cast<PacketType>(first >> 4), static_cast<uint8_t>(first & 0x0F),
                  bytes.substr(head, length), size};
  return result;
}

}  // namespace skein::mqtt
