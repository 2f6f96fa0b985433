// Encoder: packets a server sends.
//
// Purpose: values in, wire bytes out. Rare packets append to a string; those of the hot path
// (PUBLISH and the four acknowledgements) are written into memory the caller has reserved.
// Thread: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "broker/mqtt/message.h"
#include "broker/mqtt/packets.h"

namespace skein::mqtt {

// --- rare packets: appended to *out
void EncodeConnack(const Connack& packet, ProtocolVersion version, std::string* out);
void EncodeSuback(const ReasonList& packet, ProtocolVersion version,
                  std::string* out);  // v3: errors become 0x80
void EncodeUnsuback(const ReasonList& packet, ProtocolVersion version,
                    std::string* out);                                // v3: packet id alone
void EncodeDisconnect(const Disconnect& packet, std::string* out);    // v5 only
void EncodeAuth(const Auth& packet, std::string* out);                // v5 only
void EncodeAckWithReasonString(const Ack& packet, std::string* out);  // v5 only
inline constexpr std::string_view kPingresp{"\xD0\x00", 2};

// --- PUBACK, PUBREC, PUBREL, PUBCOMP
inline constexpr size_t kMaxAckSize = 5;
// Writes 4 bytes, or 5 for v5 with a reason other than success (no property length needed). Returns
// how many.
inline size_t EncodeAck(PacketType type, PacketId packet_id, ReasonCode reason,
                        ProtocolVersion version, char* dst) {
  const bool with_reason = version == ProtocolVersion::k5 && reason != ReasonCode::kSuccess;
  dst[0] =
      static_cast<char>(static_cast<unsigned>(type) << 4 | (type == PacketType::kPubrel ? 2 : 0));
  dst[1] = with_reason ? 3 : 2;
  dst[2] = static_cast<char>(packet_id >> 8);
  dst[3] = static_cast<char>(packet_id);
  if (with_reason) dst[4] = static_cast<char>(reason);
  return with_reason ? 5 : 4;
}

// --- PUBLISH
// Everything about one PUBLISH that is not in the message.
struct PublishShape {
  ProtocolVersion version = ProtocolVersion::k311;
  bool dup = false;
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  PacketId packet_id = 0;                              // with qos > 0
  bool send_topic = true;                              // false: the alias alone says it (v5)
  uint16_t topic_alias = 0;                            // 0 = none
  uint32_t expiry_left = Message::kNoExpiry;           // seconds, kNoExpiry = property absent
  std::span<const uint32_t> subscription_identifiers;  // v5
};

// Sizes of a PUBLISH: `head` is all but the payload.
struct PublishSize {
  size_t head = 0;
  size_t total = 0;
  uint32_t remaining = 0;   // Remaining Length
  uint32_t properties = 0;  // length of the property block (v5)
};
PublishSize MeasurePublish(const Message& message, const PublishShape& shape);
// Writes measured.head bytes to dst.
void EncodePublishHead(const Message& message, const PublishShape& shape,
                       const PublishSize& measured, char* dst);

// The wire image of one message for subscribers that differ only in packet id, QoS 1 or 2, DUP and
// RETAIN. Built once a fan-out for each (version, QoS > 0, expiry) in use; reusable without
// allocation after the first use.
class PublishImage {
 public:
  bool built() const { return !bytes_.empty(); }
  void Reset() { bytes_.clear(); }

  // shape: version, qos (0 or not), expiry_left count; the rest is patched later. The payload is
  // part of the image if `with_payload`.
  void Build(const Message& message, const PublishShape& shape, bool with_payload);

  size_t size() const { return bytes_.size(); }
  // Copies the image to dst and patches flags and, with QoS > 0, the packet id.
  void CopyTo(char* dst, bool dup, Qos qos, bool retain, PacketId packet_id) const {
    std::memcpy(dst, bytes_.data(), bytes_.size());
    dst[0] = static_cast<char>(0x30 | (dup ? 8 : 0) | static_cast<unsigned>(qos) << 1 |
                               (retain ? 1 : 0));
    if (qos == Qos::kAtMostOnce) return;
    dst[packet_id_offset_] = static_cast<char>(packet_id >> 8);
    dst[packet_id_offset_ + 1] = static_cast<char>(packet_id);
  }

 private:
  std::string bytes_;
  size_t packet_id_offset_ = 0;
};

}  // namespace skein::mqtt
