#include "tests/support/server_packets.h"

namespace skein::testing_support {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ProtocolVersion;

namespace {

// A cursor that remembers whether it ever ran out.
struct Cursor {
  std::string_view bytes;
  bool failed = false;

  std::string Take(size_t size) {
    if (bytes.size() < size) {
      failed = true;
      bytes = {};
      return {};
    }
    std::string taken(bytes.substr(0, size));
    bytes.remove_prefix(size);
    return taken;
  }
  uint32_t Number(size_t size) {
    uint32_t value = 0;
    for (const char c : Take(size))
      value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  std::string Text() { return Take(Number(2)); }
  uint32_t Varint() {
    uint32_t value = 0;
    for (uint32_t factor = 1; factor <= 128 * 128 * 128; factor *= 128) {
      const uint32_t byte = Number(1);
      value += byte % 128 * factor;
      if (byte < 128) return value;
    }
    failed = true;
    return 0;
  }
};

ServerProperty ReadProperty(Cursor* in) {
  ServerProperty property{static_cast<PropertyId>(in->Number(1)), 0, {}, {}};
  switch (static_cast<int>(property.id)) {
    case 0x01:
    case 0x24:
    case 0x25:
    case 0x28:
    case 0x29:
    case 0x2A:
      property.number = in->Number(1);
      break;
    case 0x13:
    case 0x21:
    case 0x22:
    case 0x23:
      property.number = in->Number(2);
      break;
    case 0x02:
    case 0x11:
    case 0x27:
      property.number = in->Number(4);
      break;
    case 0x0B:
      property.number = in->Varint();
      break;
    case 0x03:
    case 0x08:
    case 0x09:
    case 0x12:
    case 0x15:
    case 0x16:
    case 0x1A:
    case 0x1C:
    case 0x1F:
      property.text = in->Text();
      break;
    case 0x26:
      property.text = in->Text();
      property.value = in->Text();
      break;
    default:
      in->failed = true;
  }
  return property;
}

void ReadProperties(Cursor* in, ProtocolVersion version, ServerPacket* packet) {
  if (version != ProtocolVersion::k5) return;
  const uint32_t length = in->Varint();
  Cursor block{in->bytes.substr(0, length)};
  in->Take(length);
  while (!block.bytes.empty() && !block.failed)
    packet->properties.push_back(ReadProperty(&block));
  in->failed |= block.failed;
}

void ReadPublish(Cursor* in, uint8_t flags, ProtocolVersion version, ServerPacket* packet) {
  packet->dup = (flags & 8) != 0;
  packet->qos = static_cast<Qos>(flags >> 1 & 3);
  packet->retain = (flags & 1) != 0;
  packet->topic = in->Text();
  if (packet->qos != Qos::kAtMostOnce) packet->packet_id = static_cast<PacketId>(in->Number(2));
  ReadProperties(in, version, packet);
  packet->payload = in->Take(in->bytes.size());
}

// A reason code and properties at the end of a packet, as far as they are there.
void ReadOptionalReason(Cursor* in, ProtocolVersion version, ServerPacket* packet) {
  if (in->bytes.empty() || version != ProtocolVersion::k5) return;
  packet->reason = static_cast<uint8_t>(in->Number(1));
  if (!in->bytes.empty()) ReadProperties(in, version, packet);
}

void ReadBody(Cursor* in, uint8_t flags, ProtocolVersion version, ServerPacket* packet) {
  switch (packet->type) {
    case PacketType::kConnack:
      packet->session_present = in->Number(1) == 1;
      packet->reason = static_cast<uint8_t>(in->Number(1));
      return ReadProperties(in, version, packet);
    case PacketType::kPublish:
      return ReadPublish(in, flags, version, packet);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      packet->packet_id = static_cast<PacketId>(in->Number(2));
      return ReadOptionalReason(in, version, packet);
    case PacketType::kSuback:
    case PacketType::kUnsuback:
      packet->packet_id = static_cast<PacketId>(in->Number(2));
      ReadProperties(in, version, packet);
      if (packet->type == PacketType::kUnsuback && version != ProtocolVersion::k5) return;
      for (const char c : in->Take(in->bytes.size()))
        packet->reasons.push_back(static_cast<uint8_t>(c));
      return;
    case PacketType::kPingresp:
      return;
    case PacketType::kDisconnect:
    case PacketType::kAuth:
      in->failed |= version != ProtocolVersion::k5;
      return ReadOptionalReason(in, version, packet);
    default:
      in->failed = true;
  }
}

}  // namespace

const ServerProperty* ServerPacket::Find(PropertyId id) const {
  for (const ServerProperty& property : properties) {
    if (property.id == id) return &property;
  }
  return nullptr;
}

std::vector<uint32_t> ServerPacket::Numbers(PropertyId id) const {
  std::vector<uint32_t> numbers;
  for (const ServerProperty& property : properties) {
    if (property.id == id) numbers.push_back(property.number);
  }
  return numbers;
}

std::optional<ServerPacket> TakeServerPacket(std::string_view* bytes, ProtocolVersion version) {
  Cursor in{*bytes};
  const uint32_t first = in.Number(1);
  const uint32_t length = in.Varint();
  if (in.failed || in.bytes.size() < length) return std::nullopt;
  const std::string_view behind = in.bytes.substr(length);
  in.bytes = in.bytes.substr(0, length);
  ServerPacket packet;
  packet.type = static_cast<PacketType>(first >> 4);
  const auto flags = static_cast<uint8_t>(first & 0x0F);
  const uint8_t wanted = packet.type == PacketType::kPubrel ? 2 : 0;
  if (packet.type != PacketType::kPublish && flags != wanted) return std::nullopt;
  ReadBody(&in, flags, version, &packet);
  if (in.failed || !in.bytes.empty()) return std::nullopt;
  *bytes = behind;
  return packet;
}

std::optional<std::vector<ServerPacket>> ReadServerPackets(std::string_view bytes,
                                                           ProtocolVersion version) {
  std::vector<ServerPacket> packets;
  while (!bytes.empty()) {
    auto packet = TakeServerPacket(&bytes, version);
    if (!packet) return std::nullopt;
    packets.push_back(std::move(*packet));
  }
  return packets;
}

}  // namespace skein::testing_support
