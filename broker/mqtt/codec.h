// Decoder: bytes in; packet, need-more or error out.
//
// Purpose: every packet a client may send in MQTT 3.1, 3.1.1 and 5.0, checked against every rule on
// malformed packets, with the reason code the standard asks for. Pure: no state, no copy, no
// allocation but for more than four entries in one (UN)SUBSCRIBE.
// Thread: any.
// Limits: never reads beyond the given bytes; work is linear in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/mqtt/packets.h"

namespace skein::mqtt {

// A whole packet in the caller's buffer.
struct Frame {
  PacketType type = PacketType::kReserved;
  uint8_t flags = 0;      // low four bits of the first byte
  std::string_view body;  // variable header and payload
  size_t size = 0;        // fixed header included
};

enum class FrameStatus { kComplete, kNeedMore, kError };

struct FrameResult {
  FrameStatus status = FrameStatus::kNeedMore;
  Frame frame;        // kComplete
  Error error;        // kError
  size_t needed = 2;  // kNeedMore: total bytes from the packet's start that will make progress; the
                      // packet's whole size once its length is known
};

// Looks at the packet that begins at bytes[0]. Refuses at once, before the body has arrived: a
// reserved packet type, wrong flag bits for the type [MQTT-2.1.3-1], a Remaining Length of more
// than four bytes or not in its shortest form [MQTT-1.5.5-1], a packet larger than max_packet_size
// (kPacketTooLarge). QoS 3 is refused here too [MQTT-3.3.1-4]. The version is not known here, so
// the DUP bit that MQTT 3.1 lets stand on a repeated PUBREL, SUBSCRIBE or UNSUBSCRIBE is refused
// as 3.1.1 and 5.0 demand. Types only a server sends are framed; refusing them is for the caller.
FrameResult NextFrame(std::string_view bytes, uint32_t max_packet_size);

// Each returns an error, or fills *out: every field is set, whatever a reused object held before.
// After an error *out is unspecified but for what is said below. frame.type and flags are the
// caller's promise (NextFrame has checked them).

// Sets out->version before it can fail for a later reason, so that the caller knows how to answer.
// Errors before the version is known carry kUnsupportedProtocolVersion (name "MQTT"/"MQIsdp" fits,
// level does not) or kMalformedPacket (close without an answer: the name is not MQTT's)
// [MQTT-3.1.2-1].
[[nodiscard]] std::optional<Error> DecodeConnect(const Frame& frame, Connect* out);

// Checks the topic name too: UTF-8, no U+0000, no wildcard [MQTT-3.3.2-2], not empty unless v5 with
// an alias, alias not 0; Payload Format Indicator 1 is checked against the payload with IsUtf8 by
// the caller, not here.
[[nodiscard]] std::optional<Error> DecodePublish(const Frame& frame, ProtocolVersion version,
                                                 Publish* out);
[[nodiscard]] std::optional<Error> DecodeAck(const Frame& frame, ProtocolVersion version, Ack* out);
[[nodiscard]] std::optional<Error> DecodeSubscribe(const Frame& frame, ProtocolVersion version,
                                                   Subscribe* out);
[[nodiscard]] std::optional<Error> DecodeUnsubscribe(const Frame& frame, ProtocolVersion version,
                                                     Unsubscribe* out);
[[nodiscard]] std::optional<Error> DecodeDisconnect(const Frame& frame, ProtocolVersion version,
                                                    Disconnect* out);
[[nodiscard]] std::optional<Error> DecodeAuth(const Frame& frame, Auth* out);
// PINGREQ: the body must be empty.
[[nodiscard]] std::optional<Error> DecodePingreq(const Frame& frame);

// The properties of a PUBLISH or will that a server forwards unaltered, in order. Returns a view
// into raw when they are contiguous there, else assembles them in *scratch.
std::string_view ForwardableProperties(const Properties& properties, std::string* scratch);

// Takes properties off the front of *block, a decoded property block, up to and including its next
// user property. False when there is none.
bool NextUserProperty(std::string_view* block, std::string_view* key, std::string_view* value);

// Calls visit(key, value) for each user property in order.
template <typename Visit>
void ForEachUserProperty(const Properties& properties, Visit visit) {
  if (!properties.Has(PropertyId::kUserProperty)) return;
  std::string_view block = properties.raw;
  std::string_view key;
  std::string_view value;
  while (NextUserProperty(&block, &key, &value))
    visit(key, value);
}

}  // namespace skein::mqtt
