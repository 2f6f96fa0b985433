// Packets a server sends, read as a client reads them.
//
// Purpose: tests look at what the broker sent. Written against the standard alone, without the
// product's decoder. Thread: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/types.h"
#include "broker/mqtt/constants.h"

namespace skein::testing_support {

struct ServerProperty {
  mqtt::PropertyId id;
  uint32_t number = 0;  // numeric types
  std::string text;     // text, binary data, a user property's key
  std::string value;    // a user property's value
  bool operator==(const ServerProperty&) const = default;
};

// One packet; only the fields of its type are set.
struct ServerPacket {
  mqtt::PacketType type = mqtt::PacketType::kReserved;
  PacketId packet_id = 0;
  // CONNACK's return code (v3) or reason code, and that of the four acknowledgements, DISCONNECT
  // and AUTH.
  uint8_t reason = 0;
  bool session_present = false;
  std::vector<uint8_t> reasons;  // SUBACK, UNSUBACK
  std::string topic;
  std::string payload;
  Qos qos = Qos::kAtMostOnce;
  bool dup = false;
  bool retain = false;
  std::vector<ServerProperty> properties;

  // The first property of that kind, or nullptr.
  const ServerProperty* Find(mqtt::PropertyId id) const;
  // The numbers of all properties of that kind, in order (subscription identifiers).
  std::vector<uint32_t> Numbers(mqtt::PropertyId id) const;
};

// Reads the packet at the front of *bytes and takes it off. Nothing when it is not whole, or not
// well formed, or not one a server may send.
std::optional<ServerPacket> TakeServerPacket(std::string_view* bytes,
                                             mqtt::ProtocolVersion version);

// Reads all of `bytes`; nothing if anything in it is not a whole well-formed packet.
std::optional<std::vector<ServerPacket>> ReadServerPackets(std::string_view bytes,
                                                           mqtt::ProtocolVersion version);

}  // namespace skein::testing_support
