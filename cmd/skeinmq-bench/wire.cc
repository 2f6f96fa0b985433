#include "cmd/skeinmq-bench/wire.h"

#include <algorithm>

namespace skein::bench {
namespace {

void AppendU16(std::string& out, uint16_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value & 0xff));
}

void AppendString(std::string& out, std::string_view text) {
  AppendU16(out, static_cast<uint16_t>(text.size()));
  out.append(text);
}

void AppendVarint(std::string& out, size_t value) {
  do {
    uint8_t digit = value & 0x7f;
    value >>= 7;
    if (value != 0) digit |= 0x80;
    out.push_back(static_cast<char>(digit));
  } while (value != 0);
}

std::string Packet(uint8_t first_byte, std::string_view body) {
  std::string packet(1, static_cast<char>(first_byte));
  AppendVarint(packet, body.size());
  packet.append(body);
  return packet;
}

uint16_t ReadU16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 |
                               static_cast<uint8_t>(bytes[at + 1]));
}

// Length of the value of MQTT 5 property `id` at `at`; nothing when it is unknown or cut off.
std::optional<size_t> PropertyValueBytes(uint8_t id, std::string_view bytes, size_t at) {
  const auto text_at = [&](size_t from) -> std::optional<size_t> {
    if (bytes.size() < from + 2) return std::nullopt;
    return 2 + size_t{ReadU16(bytes, from)};
  };
  switch (id) {
    case 0x24:  // maximum QoS
    case 0x25:  // retain available
    case 0x28:  // wildcard subscription available
    case 0x29:  // subscription identifiers available
    case 0x2a:  // shared subscription available
      return 1;
    case 0x13:  // server keep alive
    case 0x21:  // receive maximum
    case 0x22:  // topic alias maximum
      return 2;
    case 0x11:  // session expiry interval
    case 0x27:  // maximum packet size
      return 4;
    case 0x12:  // assigned client identifier
    case 0x15:  // authentication method
    case 0x16:  // authentication data
    case 0x1a:  // response information
    case 0x1c:  // server reference
    case 0x1f:  // reason string
      return text_at(at);
    case 0x26: {  // user property
      const std::optional<size_t> name = text_at(at);
      if (!name) return std::nullopt;
      const std::optional<size_t> value = text_at(at + *name);
      if (!value) return std::nullopt;
      return *name + *value;
    }
    default:
      return std::nullopt;
  }
}

// The properties at `at`, which is moved behind them.
std::optional<std::string_view> ReadProperties(std::string_view body, size_t& at) {
  bool malformed = false;
  const std::optional<uint32_t> length = ReadVarint(body, at, malformed);
  if (!length || body.size() - at < *length) return std::nullopt;
  const std::string_view properties = body.substr(at, *length);
  at += *length;
  return properties;
}

}  // namespace

std::string EncodeConnect(Version version, std::string_view client_id, uint16_t keep_alive_s) {
  std::string body;
  AppendString(body, "MQTT");
  body.push_back(static_cast<char>(version));
  body.push_back(0x02);
  AppendU16(body, keep_alive_s);
  if (version == Version::kV5) AppendVarint(body, 0);
  AppendString(body, client_id);
  return Packet(kConnect << 4, body);
}

std::string EncodeSubscribe(Version version, uint16_t packet_id, std::string_view filter,
                            uint8_t qos) {
  std::string body;
  AppendU16(body, packet_id);
  if (version == Version::kV5) AppendVarint(body, 0);
  AppendString(body, filter);
  body.push_back(static_cast<char>(qos));
  return Packet(kSubscribe << 4 | 0x02, body);
}

void AppendAck(std::string& out, PacketType type, uint16_t packet_id) {
  const uint8_t flags = type == kPubrel ? 0x02 : 0x00;
  const char packet[4] = {static_cast<char>(type << 4 | flags), 2,
                          static_cast<char>(packet_id >> 8), static_cast<char>(packet_id & 0xff)};
  out.append(packet, sizeof packet);
}

PublishImage::PublishImage(Version version, std::string_view topic, uint8_t qos,
                           size_t payload_bytes)
    : has_id_(qos > 0) {
  std::string body;
  AppendString(body, topic);
  const size_t id_in_body = body.size();
  if (has_id_) AppendU16(body, 0);
  if (version == Version::kV5) AppendVarint(body, 0);
  const size_t payload_in_body = body.size();
  body.append(std::max(payload_bytes, kStampBytes), 'x');
  bytes_ = Packet(static_cast<uint8_t>(kPublish << 4 | qos << 1), body);
  const size_t header = bytes_.size() - body.size();
  id_offset_ = header + id_in_body;
  payload_offset_ = header + payload_in_body;
}

std::optional<uint32_t> ReadVarint(std::string_view bytes, size_t& at, bool& malformed) {
  uint32_t value = 0;
  for (unsigned digit = 0; digit < 4; ++digit) {
    if (at + digit >= bytes.size()) return std::nullopt;
    const auto byte = static_cast<uint8_t>(bytes[at + digit]);
    value |= static_cast<uint32_t>(byte & 0x7f) << (7 * digit);
    if ((byte & 0x80) == 0) {
      at += digit + 1;
      return value;
    }
  }
  malformed = true;
  return std::nullopt;
}

std::optional<Connack> DecodeConnack(Version version, std::string_view body) {
  if (body.size() < 2) return std::nullopt;
  Connack connack;
  connack.reason = static_cast<uint8_t>(body[1]);
  if (version != Version::kV5) return connack;
  size_t at = 2;
  const std::optional<std::string_view> properties = ReadProperties(body, at);
  if (!properties) return std::nullopt;
  at = 0;
  while (at < properties->size()) {
    const auto id = static_cast<uint8_t>((*properties)[at++]);
    const std::optional<size_t> length = PropertyValueBytes(id, *properties, at);
    if (!length || properties->size() - at < *length) return std::nullopt;
    if (id == 0x21) connack.receive_maximum = ReadU16(*properties, at);
    if (id == 0x24) connack.maximum_qos = static_cast<uint8_t>((*properties)[at]);
    at += *length;
  }
  return connack;
}

std::optional<Suback> DecodeSuback(Version version, std::string_view body) {
  if (body.size() < 3) return std::nullopt;
  size_t at = 2;
  if (version == Version::kV5 && !ReadProperties(body, at)) return std::nullopt;
  if (body.size() != at + 1) return std::nullopt;
  return Suback{ReadU16(body, 0), static_cast<uint8_t>(body[at])};
}

}  // namespace skein::bench
