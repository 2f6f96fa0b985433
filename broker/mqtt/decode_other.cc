#include "broker/mqtt/codec.h"
#include "broker/mqtt/properties.h"
#include "broker/mqtt/wire.h"

namespace skein::mqtt {

namespace {

Error Malformed(const char* rule) {
  return {ReasonCode::kMalformedPacket, rule};
}
Error Protocol(const char* rule) {
  return {ReasonCode::kProtocolError, rule};
}

bool AllowedInAck(PacketType type, ReasonCode code) {
  switch (code) {
    case ReasonCode::kSuccess:
      return true;
    case ReasonCode::kPacketIdentifierNotFound:
      return type == PacketType::kPubrel || type == PacketType::kPubcomp;
    case ReasonCode::kNoMatchingSubscribers:
    case ReasonCode::kUnspecifiedError:
    case ReasonCode::kImplementationSpecificError:
    case ReasonCode::kNotAuthorized:
    case ReasonCode::kTopicNameInvalid:
    case ReasonCode::kPacketIdentifierInUse:
    case ReasonCode::kQuotaExceeded:
    case ReasonCode::kPayloadFormatInvalid:
      return type == PacketType::kPuback || type == PacketType::kPubrec;
    default:
      return false;
  }
}

// Those of MQTT 5.0 table 3-10 that a client may send.
bool AllowedInDisconnect(ReasonCode code) {
  switch (code) {
    case ReasonCode::kSuccess:
    case ReasonCode::kDisconnectWithWill:
    case ReasonCode::kUnspecifiedError:
    case ReasonCode::kMalformedPacket:
    case ReasonCode::kProtocolError:
    case ReasonCode::kImplementationSpecificError:
    case ReasonCode::kTopicNameInvalid:
    case ReasonCode::kReceiveMaximumExceeded:
    case ReasonCode::kTopicAliasInvalid:
    case ReasonCode::kPacketTooLarge:
    case ReasonCode::kMessageRateTooHigh:
    case ReasonCode::kQuotaExceeded:
    case ReasonCode::kAdministrativeAction:
    case ReasonCode::kPayloadFormatInvalid:
      return true;
    default:
      return false;
  }
}

const char* AckReasonRule(PacketType type) {
  switch (type) {
    case PacketType::kPuback:
      return "[MQTT-3.4.2-1] not a PUBACK reason code";
    case PacketType::kPubrec:
      return "[MQTT-3.5.2-1] not a PUBREC reason code";
    case PacketType::kPubrel:
      return "[MQTT-3.6.2-1] not a PUBREL reason code";
    default:
      return "[MQTT-3.7.2-1] not a PUBCOMP reason code";
  }
}

// The part of an acknowledgement only MQTT 5.0 has: reason code and properties, either of which may
// be left out.
std::optional<Error> ReadAckTail(wire::Reader* in, Ack* out) {
  uint8_t reason = 0;
  if (!in->Byte(&reason)) return std::nullopt;
  out->reason = static_cast<ReasonCode>(reason);
  if (!AllowedInAck(out->type, out->reason)) return Protocol(AckReasonRule(out->type));
  if (in->done()) return std::nullopt;
  Properties properties;
  if (const auto error = ReadProperties(in, PropertyPlace::kAck, &properties)) return error;
  out->reason_string = properties.reason_string;
  return std::nullopt;
}

}  // namespace

std::optional<Error> DecodeAck(const Frame& frame, ProtocolVersion version, Ack* out) {
  wire::Reader in(frame.body);
  out->type = frame.type;
  out->reason = ReasonCode::kSuccess;
  out->reason_string = {};
  if (!in.TwoByte(&out->packet_id))
    return Malformed("[MQTT-2.2.1-5] acknowledgement without a packet identifier");
  if (out->packet_id == 0) return Protocol("[MQTT-2.2.1-3] packet identifier 0");
  if (version == ProtocolVersion::k5 && !in.done()) {
    if (const auto error = ReadAckTail(&in, out)) return error;
  }
  if (!in.done())
    return Malformed("[MQTT-4.13.1-1] bytes behind the last field of an acknowledgement");
  return std::nullopt;
}

std::optional<Error> DecodeDisconnect(const Frame& frame, ProtocolVersion version,
                                      Disconnect* out) {
  out->reason = ReasonCode::kSuccess;
  ResetProperties(&out->properties);
  wire::Reader in(frame.body);
  uint8_t reason = 0;
  if (version == ProtocolVersion::k5 && in.Byte(&reason)) {
    out->reason = static_cast<ReasonCode>(reason);
    if (!AllowedInDisconnect(out->reason))
      return Protocol("[MQTT-3.14.2-1] not a DISCONNECT reason code of a client");
    if (!in.done()) {
      const auto error =
          ReadProperties(&in, PropertyPlace::kDisconnectFromClient, &out->properties);
      if (error) return error;
    }
  }
  if (!in.done()) return Malformed("[MQTT-4.13.1-1] bytes behind the last field of DISCONNECT");
  return std::nullopt;
}

std::optional<Error> DecodeAuth(const Frame& frame, Auth* out) {
  out->reason = ReasonCode::kSuccess;
  ResetProperties(&out->properties);
  wire::Reader in(frame.body);
  uint8_t reason = 0;
  if (in.Byte(&reason)) out->reason = static_cast<ReasonCode>(reason);
  if (out->reason != ReasonCode::kContinueAuthentication &&
      out->reason != ReasonCode::kReAuthenticate) {
    return Protocol("[MQTT-3.15.2-1] not an AUTH reason code of a client");
  }
  if (const auto error = ReadProperties(&in, PropertyPlace::kAuth, &out->properties)) return error;
  if (!in.done()) return Malformed("[MQTT-4.13.1-1] bytes behind the last field of AUTH");
  if (!out->properties.Has(PropertyId::kAuthenticationMethod)) {
    return Protocol("[MQTT-4.13.1-1] AUTH without an authentication method");
  }
  return std::nullopt;
}

std::optional<Error> DecodePingreq(const Frame& frame) {
  if (frame.body.empty()) return std::nullopt;
  return Malformed("[MQTT-4.13.1-1] PINGREQ with a body");
}

}  // namespace skein::mqtt
