#include "tests/support/client_packets.h"

#include "broker/base/check.h"

namespace skein::testing_support {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ProtocolVersion;
using mqtt::ReasonCode;

namespace {

std::string One(uint32_t value) {
  return std::string(1, static_cast<char>(value));
}
std::string Two(uint32_t value) {
  return One(value >> 8) + One(value);
}
std::string Four(uint32_t value) {
  return Two(value >> 16) + Two(value);
}

std::string VarintBytes(uint32_t value) {
  std::string bytes;
  do {
    const uint32_t low = value % 128;
    value /= 128;
    bytes += One(value > 0 ? low | 128 : low);
  } while (value > 0);
  return bytes;
}

std::string Text(std::string_view text) {
  return Two(static_cast<uint32_t>(text.size())) + std::string(text);
}

// Property length and properties for v5, nothing otherwise.
std::string Block(ProtocolVersion version, std::string_view properties) {
  if (version != ProtocolVersion::k5) return "";
  return VarintBytes(static_cast<uint32_t>(properties.size())) + std::string(properties);
}

uint8_t FirstByte(PacketType type, unsigned flags) {
  return static_cast<uint8_t>(static_cast<unsigned>(type) << 4 | flags);
}

uint8_t IdByte(PropertyId id) {
  return static_cast<uint8_t>(id);
}

uint32_t ConnectFlags(const ConnectOptions& options) {
  uint32_t flags = options.clean_start ? 0x02 : 0;
  if (options.will) {
    flags |=
        0x04 | static_cast<uint32_t>(options.will->qos) << 3 | (options.will->retain ? 0x20 : 0);
  }
  if (options.password) flags |= 0x40;
  if (options.user_name) flags |= 0x80;
  return flags;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

PropertyBlock& PropertyBlock::Byte(PropertyId id, uint8_t value) {
  bytes_ += One(IdByte(id)) + One(value);
  return *this;
}
PropertyBlock& PropertyBlock::TwoByte(PropertyId id, uint16_t value) {
  bytes_ += One(IdByte(id)) + Two(value);
  return *this;
}
PropertyBlock& PropertyBlock::FourByte(PropertyId id, uint32_t value) {
  bytes_ += One(IdByte(id)) + Four(value);
  return *this;
}
PropertyBlock& PropertyBlock::Varint(PropertyId id, uint32_t value) {
  bytes_ += One(IdByte(id)) + VarintBytes(value);
  return *this;
}
PropertyBlock& PropertyBlock::Text(PropertyId id, std::string_view value) {
  bytes_ += One(IdByte(id)) + testing_support::Text(value);
  return *this;
}
PropertyBlock& PropertyBlock::User(std::string_view key, std::string_view value) {
  bytes_ += One(IdByte(PropertyId::kUserProperty)) + testing_support::Text(key) +
            testing_support::Text(value);
  return *this;
}

std::string EncodeRaw(uint8_t first_byte, std::string_view body) {
  return One(first_byte) + VarintBytes(static_cast<uint32_t>(body.size())) + std::string(body);
}

std::string EncodeConnect(const ConnectOptions& options) {
  std::string body = Text(options.version == ProtocolVersion::k31 ? "MQIsdp" : "MQTT");
  body += One(static_cast<uint32_t>(options.version)) + One(ConnectFlags(options)) +
          Two(options.keep_alive);
  body += Block(options.version, options.properties) + Text(options.client_id);
  if (options.will) {
    body += Block(options.version, options.will->properties);
    body += Text(options.will->topic) + Text(options.will->payload);
  }
  if (options.user_name) body += Text(*options.user_name);
  if (options.password) body += Text(*options.password);
  return EncodeRaw(FirstByte(PacketType::kConnect, 0), body);
}

std::string EncodePublish(const PublishOptions& options) {
  const unsigned flags = (options.dup ? 8u : 0u) | static_cast<unsigned>(options.qos) << 1 |
                         (options.retain ? 1u : 0u);
  std::string body = Text(options.topic);
  if (options.qos != Qos::kAtMostOnce) body += Two(options.packet_id);
  body += Block(options.version, options.properties) + options.payload;
  return EncodeRaw(FirstByte(PacketType::kPublish, flags), body);
}

std::string EncodeSubscribe(ProtocolVersion version, PacketId packet_id,
                            const std::vector<FilterOptions>& filters,
                            std::string_view properties) {
  std::string body = Two(packet_id) + Block(version, properties);
  for (const FilterOptions& one : filters) {
    body += Text(one.filter);
    body +=
        One(static_cast<uint32_t>(one.qos) | (one.no_local ? 4u : 0u) |
            (one.retain_as_published ? 8u : 0u) | static_cast<uint32_t>(one.retain_handling) << 4);
  }
  return EncodeRaw(FirstByte(PacketType::kSubscribe, 2), body);
}

std::string EncodeUnsubscribe(ProtocolVersion version, PacketId packet_id,
                              const std::vector<std::string>& filters,
                              std::string_view properties) {
  std::string body = Two(packet_id) + Block(version, properties);
  for (const std::string& filter : filters)
    body += Text(filter);
  return EncodeRaw(FirstByte(PacketType::kUnsubscribe, 2), body);
}

std::string EncodeClientAck(PacketType type, PacketId packet_id, ReasonCode reason,
                            std::string_view properties) {
  std::string body = Two(packet_id);
  if (reason != ReasonCode::kSuccess || !properties.empty())
    body += One(static_cast<uint32_t>(reason));
  if (!properties.empty()) body += Block(ProtocolVersion::k5, properties);
  return EncodeRaw(FirstByte(type, type == PacketType::kPubrel ? 2 : 0), body);
}

std::string EncodePingreq() {
  return EncodeRaw(FirstByte(PacketType::kPingreq, 0), "");
}

std::string EncodeClientDisconnect(ProtocolVersion version, ReasonCode reason,
                                   std::string_view properties) {
  std::string body;
  if (version == ProtocolVersion::k5 && (reason != ReasonCode::kSuccess || !properties.empty())) {
    body = One(static_cast<uint32_t>(reason)) + Block(version, properties);
  }
  return EncodeRaw(FirstByte(PacketType::kDisconnect, 0), body);
}

std::string EncodeClientAuth(ReasonCode reason, std::string_view properties) {
  return EncodeRaw(FirstByte(PacketType::kAuth, 0),
                   One(static_cast<uint32_t>(reason)) + Block(ProtocolVersion::k5, properties));
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  int high = -1;
  for (const char c : hex) {
    if (c == ' ') continue;
    const int digit = HexDigit(c);
    SKEIN_CHECK(digit >= 0) << "not a hexadecimal digit";
    if (high < 0) {
      high = digit;
      continue;
    }
    bytes += One(static_cast<uint32_t>(high * 16 + digit));
    high = -1;
  }
  SKEIN_CHECK(high < 0) << "half a byte";
  return bytes;
}

}  // namespace skein::testing_support
