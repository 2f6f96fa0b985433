#include "broker/mqtt/encode.h"

#include "broker/mqtt/properties.h"
#include "broker/mqtt/wire.h"

namespace skein::mqtt {

namespace {

// Writes fixed header and body.
void AppendPacket(PacketType type, uint8_t flags, std::string_view body, std::string* out) {
  wire::AddByte(out, static_cast<uint32_t>(type) << 4 | flags);
  wire::AddVarint(out, static_cast<uint32_t>(body.size()));
  out->append(body);
}

void AppendReasonStringBlock(std::string_view reason_string, std::string* out) {
  Properties properties;
  properties.reason_string = reason_string;
  if (!reason_string.empty()) properties.Mark(PropertyId::kReasonString);
  AppendProperties(properties, out);
}

uint8_t Byte(ReasonCode code) {
  return static_cast<uint8_t>(code);
}

// A packet that is a reason code and properties, both left out when there is nothing to say.
void AppendReasonPacket(PacketType type, ReasonCode reason, const Properties& properties,
                        std::string* out) {
  std::string body;
  if (reason != ReasonCode::kSuccess || properties.present != 0) {
    wire::AddByte(&body, Byte(reason));
    AppendProperties(properties, &body);
  }
  AppendPacket(type, 0, body, out);
}

}  // namespace

void EncodeConnack(const Connack& packet, ProtocolVersion version, std::string* out) {
  std::string body;
  // The flag is 0 beside any error [MQTT-3.2.2-6], and MQTT 3.1 does not have it.
  const bool present =
      packet.session_present && !IsError(packet.reason) && version != ProtocolVersion::k31;
  wire::AddByte(&body, present ? 1 : 0);
  if (version == ProtocolVersion::k5) {
    wire::AddByte(&body, Byte(packet.reason));
    AppendProperties(packet.properties, &body);
  } else {
    wire::AddByte(&body, static_cast<uint8_t>(ToConnectReturnCode(packet.reason)));
  }
  AppendPacket(PacketType::kConnack, 0, body, out);
}

void EncodeSuback(const ReasonList& packet, ProtocolVersion version, std::string* out) {
  const bool v5 = version == ProtocolVersion::k5;
  std::string body;
  wire::AddTwoByte(&body, packet.packet_id);
  if (v5) AppendReasonStringBlock(packet.reason_string, &body);
  for (const ReasonCode reason : packet.reasons) {
    wire::AddByte(&body, Byte(v5 || !IsError(reason) ? reason : ReasonCode::kUnspecifiedError));
  }
  AppendPacket(PacketType::kSuback, 0, body, out);
}

void EncodeUnsuback(const ReasonList& packet, ProtocolVersion version, std::string* out) {
  std::string body;
  wire::AddTwoByte(&body, packet.packet_id);
  if (version == ProtocolVersion::k5) {
    AppendReasonStringBlock(packet.reason_string, &body);
    for (const ReasonCode reason : packet.reasons)
      wire::AddByte(&body, Byte(reason));
  }
  AppendPacket(PacketType::kUnsuback, 0, body, out);
}

void EncodeDisconnect(const Disconnect& packet, std::string* out) {
  AppendReasonPacket(PacketType::kDisconnect, packet.reason, packet.properties, out);
}

void EncodeAuth(const Auth& packet, std::string* out) {
  AppendReasonPacket(PacketType::kAuth, packet.reason, packet.properties, out);
}

void EncodeAckWithReasonString(const Ack& packet, std::string* out) {
  std::string body;
  wire::AddTwoByte(&body, packet.packet_id);
  wire::AddByte(&body, Byte(packet.reason));
  AppendReasonStringBlock(packet.reason_string, &body);
  AppendPacket(packet.type, packet.type == PacketType::kPubrel ? 2 : 0, body, out);
}

}  // namespace skein::mqtt
