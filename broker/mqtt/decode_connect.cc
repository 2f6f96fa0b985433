#include "broker/mqtt/codec.h"
#include "broker/mqtt/properties.h"
#include "broker/mqtt/utf8.h"
#include "broker/mqtt/wire.h"

namespace skein::mqtt {

namespace {

constexpr uint8_t kReservedFlag = 0x01;
constexpr uint8_t kCleanStartFlag = 0x02;
constexpr uint8_t kWillFlag = 0x04;
constexpr uint8_t kWillQosFlags = 0x18;
constexpr uint8_t kWillRetainFlag = 0x20;
constexpr uint8_t kPasswordFlag = 0x40;
constexpr uint8_t kUserNameFlag = 0x80;

Error Malformed(const char* rule) {
  return {ReasonCode::kMalformedPacket, rule};
}

// Protocol name and level.
std::optional<Error> ReadVersion(wire::Reader* in, ProtocolVersion* out) {
  std::string_view name;
  uint8_t level = 0;
  if (!in->Binary(&name)) return Malformed("[MQTT-3.1.2-1] CONNECT ends within the protocol name");
  const bool mqtt = name == "MQTT";
  if (!mqtt && name != "MQIsdp") return Malformed("[MQTT-3.1.2-1] protocol name is not MQTT");
  if (!in->Byte(&level))
    return Malformed("[MQTT-3.1.2-2] CONNECT ends before the protocol version");
  if (mqtt ? level != 4 && level != 5 : level != 3) {
    return Error{ReasonCode::kUnsupportedProtocolVersion,
                 "[MQTT-3.1.2-2] protocol version not supported"};
  }
  *out = static_cast<ProtocolVersion>(level);
  return std::nullopt;
}

std::optional<Error> JudgeFlags(uint8_t flags, ProtocolVersion version) {
  // MQTT 3.1 only says which bits it does not use.
  if (version != ProtocolVersion::k31) {
    if ((flags & kReservedFlag) != 0) return Malformed("[MQTT-3.1.2-3] reserved connect flag set");
    if ((flags & kWillFlag) == 0) {
      if ((flags & kWillQosFlags) != 0) return Malformed("[MQTT-3.1.2-11] will QoS without a will");
      if ((flags & kWillRetainFlag) != 0)
        return Malformed("[MQTT-3.1.2-13] will retain without a will");
    }
  }
  if ((flags & kWillFlag) != 0 && (flags & kWillQosFlags) == kWillQosFlags) {
    return Malformed("[MQTT-3.1.2-12] will QoS 3");
  }
  if (version != ProtocolVersion::k5 && (flags & kUserNameFlag) == 0 &&
      (flags & kPasswordFlag) != 0) {
    return Malformed("[MQTT-3.1.2-22] of 3.1.1: password without user name");
  }
  return std::nullopt;
}

std::optional<Error> ReadConnectProperties(wire::Reader* in, Properties* out) {
  if (const auto error = ReadProperties(in, PropertyPlace::kConnect, out)) return error;
  if (out->Has(PropertyId::kAuthenticationData) && !out->Has(PropertyId::kAuthenticationMethod)) {
    return Error{ReasonCode::kProtocolError,
                 "[MQTT-4.13.1-1] authentication data without a method"};
  }
  return std::nullopt;
}

std::optional<Error> ReadWill(wire::Reader* in, uint8_t flags, ProtocolVersion version, Will* out) {
  out->qos = static_cast<Qos>((flags & kWillQosFlags) >> 3);
  out->retain = (flags & kWillRetainFlag) != 0;
  if (version == ProtocolVersion::k5) {
    if (const auto error = ReadProperties(in, PropertyPlace::kWill, &out->properties)) return error;
  }
  if (!in->Binary(&out->topic))
    return Malformed("[MQTT-3.1.2-9] CONNECT ends within the will topic");
  const TextScan scan = ScanText(out->topic);
  if (!scan.valid) return Malformed("[MQTT-3.1.3-11] will topic is not UTF-8");
  if (scan.wildcard)
    return Error{ReasonCode::kTopicNameInvalid, "[MQTT-3.3.2-2] wildcard in the will topic"};
  if (out->topic.empty())
    return Error{ReasonCode::kTopicNameInvalid, "[MQTT-4.7.3-1] empty will topic"};
  if (!in->Binary(&out->payload))
    return Malformed("[MQTT-3.1.2-9] CONNECT ends within the will payload");
  return std::nullopt;
}

// User name and password. MQTT 3.1 lets a client set their flags and leave them out at the end of
// the packet.
std::optional<Error> ReadCredentials(wire::Reader* in, uint8_t flags, Connect* out) {
  const bool may_be_missing = out->version == ProtocolVersion::k31;
  std::string_view text;
  if ((flags & kUserNameFlag) != 0 && !(may_be_missing && in->done())) {
    if (!in->Binary(&text)) return Malformed("[MQTT-3.1.2-17] CONNECT ends within the user name");
    if (!IsUtf8(text)) return Malformed("[MQTT-3.1.3-12] user name is not UTF-8");
    out->user_name = text;
  }
  if ((flags & kPasswordFlag) != 0 && !(may_be_missing && in->done())) {
    if (!in->Binary(&text)) return Malformed("[MQTT-3.1.2-19] CONNECT ends within the password");
    out->password = text;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> DecodeConnect(const Frame& frame, Connect* out) {
  *out = Connect{};
  wire::Reader in(frame.body);
  if (const auto error = ReadVersion(&in, &out->version)) return error;
  uint8_t flags = 0;
  if (!in.Byte(&flags)) return Malformed("[MQTT-3.1.4-1] CONNECT ends before the connect flags");
  if (const auto error = JudgeFlags(flags, out->version)) return error;
  out->clean_start = (flags & kCleanStartFlag) != 0;
  if (!in.TwoByte(&out->keep_alive))
    return Malformed("[MQTT-3.1.4-1] CONNECT ends within the keep alive");
  if (out->version == ProtocolVersion::k5) {
    if (const auto error = ReadConnectProperties(&in, &out->properties)) return error;
  }
  if (!in.Binary(&out->client_id))
    return Malformed("[MQTT-3.1.3-3] CONNECT ends within the client identifier");
  if (!IsUtf8(out->client_id)) return Malformed("[MQTT-3.1.3-4] client identifier is not UTF-8");
  if ((flags & kWillFlag) != 0) {
    out->will.emplace();
    if (const auto error = ReadWill(&in, flags, out->version, &*out->will)) return error;
  }
  if (const auto error = ReadCredentials(&in, flags, out)) return error;
  if (!in.done()) return Malformed("[MQTT-3.1.4-1] bytes behind the last field of CONNECT");
  return std::nullopt;
}

}  // namespace skein::mqtt
