#include "broker/mqtt/codec.h"
#include "broker/mqtt/properties.h"
#include "broker/mqtt/utf8.h"
#include "broker/mqtt/wire.h"

namespace skein::mqtt {

namespace {

Error Malformed(const char* rule) {
  return {ReasonCode::kMalformedPacket, rule};
}
Error Protocol(const char* rule) {
  return {ReasonCode::kProtocolError, rule};
}

// What SUBSCRIBE and UNSUBSCRIBE begin with.
std::optional<Error> ReadHead(wire::Reader* in, ProtocolVersion version, PropertyPlace place,
                              PacketId* packet_id, Properties* properties) {
  if (!in->TwoByte(packet_id))
    return Malformed("[MQTT-2.2.1-3] packet ends within its packet identifier");
  if (*packet_id == 0) return Protocol("[MQTT-2.2.1-3] packet identifier 0");
  if (version == ProtocolVersion::k5) return ReadProperties(in, place, properties);
  ResetProperties(properties);
  return std::nullopt;
}

std::optional<Error> ReadFilter(wire::Reader* in, std::string_view* out) {
  if (!in->Binary(out)) return Malformed("[MQTT-3.8.3-1] packet ends within a topic filter");
  if (!IsUtf8(*out)) return Malformed("[MQTT-3.8.3-1] topic filter is not UTF-8");
  if (out->empty()) return Malformed("[MQTT-4.7.3-1] empty topic filter");
  return std::nullopt;
}

std::optional<Error> ReadOptions(wire::Reader* in, ProtocolVersion version, SubscribeEntry* out) {
  const bool v5 = version == ProtocolVersion::k5;
  uint8_t options = 0;
  if (!in->Byte(&options)) return Malformed("[MQTT-3.8.3-2] topic filter without its options");
  if ((options & (v5 ? 0xC0 : 0xFC)) != 0)
    return Malformed("[MQTT-3.8.3-5] reserved subscription option bits");
  if ((options & 0x03) == 0x03) {
    return v5 ? Protocol("[MQTT-4.13.1-1] maximum QoS 3")
              : Malformed("[MQTT-3.8.3-4] of 3.1.1: requested QoS 3");
  }
  out->qos = static_cast<Qos>(options & 0x03);
  out->no_local = (options & 0x04) != 0;
  out->retain_as_published = (options & 0x08) != 0;
  out->retain_handling = static_cast<uint8_t>(options >> 4 & 0x03);
  if (out->retain_handling == 3) return Protocol("[MQTT-4.13.1-1] retain handling 3");
  if (out->no_local && out->filter.starts_with("$share/")) {
    return Protocol("[MQTT-3.8.3-4] no local on a shared subscription");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> DecodeSubscribe(const Frame& frame, ProtocolVersion version, Subscribe* out) {
  out->entries.clear();
  wire::Reader in(frame.body);
  if (const auto error =
          ReadHead(&in, version, PropertyPlace::kSubscribe, &out->packet_id, &out->properties)) {
    return error;
  }
  if (in.done()) return Protocol("[MQTT-3.8.3-2] SUBSCRIBE without a topic filter");
  while (!in.done()) {
    SubscribeEntry& entry = out->entries.emplace_back();
    if (const auto error = ReadFilter(&in, &entry.filter)) return error;
    if (const auto error = ReadOptions(&in, version, &entry)) return error;
  }
  return std::nullopt;
}

std::optional<Error> DecodeUnsubscribe(const Frame& frame, ProtocolVersion version,
                                       Unsubscribe* out) {
  out->filters.clear();
  wire::Reader in(frame.body);
  if (const auto error =
          ReadHead(&in, version, PropertyPlace::kUnsubscribe, &out->packet_id, &out->properties)) {
    return error;
  }
  if (in.done()) return Protocol("[MQTT-3.10.3-2] UNSUBSCRIBE without a topic filter");
  while (!in.done()) {
    if (const auto error = ReadFilter(&in, &out->filters.emplace_back())) return error;
  }
  return std::nullopt;
}

}  // namespace skein::mqtt
