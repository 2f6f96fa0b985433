#include "tests/support/decode_any.h"

namespace skein::testing_support {

using mqtt::Error;
using mqtt::PacketType;
using mqtt::ReasonCode;

std::optional<Error> DecodeAny(const mqtt::Frame& frame, mqtt::ProtocolVersion version,
                               AnyPacket* out) {
  switch (frame.type) {
    case PacketType::kConnect:
      return DecodeConnect(frame, &out->connect);
    case PacketType::kPublish:
      return DecodePublish(frame, version, &out->publish);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return DecodeAck(frame, version, &out->ack);
    case PacketType::kSubscribe:
      return DecodeSubscribe(frame, version, &out->subscribe);
    case PacketType::kUnsubscribe:
      return DecodeUnsubscribe(frame, version, &out->unsubscribe);
    case PacketType::kPingreq:
      return DecodePingreq(frame);
    case PacketType::kDisconnect:
      return DecodeDisconnect(frame, version, &out->disconnect);
    case PacketType::kAuth:
      if (version == mqtt::ProtocolVersion::k5) return DecodeAuth(frame, &out->auth);
      [[fallthrough]];
    default:
      return Error{ReasonCode::kProtocolError, "a packet no client sends"};
  }
}

std::optional<Error> DecodeBytes(std::string_view bytes, mqtt::ProtocolVersion version,
                                 AnyPacket* out) {
  const mqtt::FrameResult next = mqtt::NextFrame(bytes, UINT32_MAX);
  if (next.status == mqtt::FrameStatus::kError) return next.error;
  if (next.status == mqtt::FrameStatus::kNeedMore)
    return Error{ReasonCode::kMalformedPacket, "not whole"};
  return DecodeAny(next.frame, version, out);
}

}  // namespace skein::testing_support
