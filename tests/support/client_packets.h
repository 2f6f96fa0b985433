// Packets a client sends, as bytes.
//
// Purpose: tests speak as a client does. Written against the standard alone, without the product's
// encoder, so that both must agree. Thread: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/types.h"
#include "broker/mqtt/constants.h"

namespace skein::testing_support {

// Property blocks, in the order of the calls: PropertyBlock().Byte(PropertyId::kMaximumQos,
// 1).bytes().
class PropertyBlock {
 public:
  PropertyBlock& Byte(mqtt::PropertyId id, uint8_t value);
  PropertyBlock& TwoByte(mqtt::PropertyId id, uint16_t value);
  PropertyBlock& FourByte(mqtt::PropertyId id, uint32_t value);
  PropertyBlock& Varint(mqtt::PropertyId id, uint32_t value);
  PropertyBlock& Text(mqtt::PropertyId id, std::string_view value);  // binary data too
  PropertyBlock& User(std::string_view key, std::string_view value);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// `properties` everywhere: wire bytes without the length in front; v5 only.
struct WillOptions {
  std::string topic;
  std::string payload;
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  std::string properties;
};

struct ConnectOptions {
  mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k5;
  bool clean_start = true;
  uint16_t keep_alive = 60;
  std::string client_id;
  std::optional<WillOptions> will;
  std::optional<std::string> user_name;
  std::optional<std::string> password;
  std::string properties;
};
std::string EncodeConnect(const ConnectOptions& options);

struct PublishOptions {
  mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k5;
  std::string topic;
  std::string payload;
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  bool dup = false;
  PacketId packet_id = 0;  // with qos > 0
  std::string properties;
};
std::string EncodePublish(const PublishOptions& options);

struct FilterOptions {
  std::string filter;
  Qos qos = Qos::kAtMostOnce;
  bool no_local = false;
  bool retain_as_published = false;
  uint8_t retain_handling = 0;
};
std::string EncodeSubscribe(mqtt::ProtocolVersion version, PacketId packet_id,
                            const std::vector<FilterOptions>& filters,
                            std::string_view properties = {});
std::string EncodeUnsubscribe(mqtt::ProtocolVersion version, PacketId packet_id,
                              const std::vector<std::string>& filters,
                              std::string_view properties = {});

// PUBACK, PUBREC, PUBREL, PUBCOMP; a reason or properties make it the long form (v5).
std::string EncodeClientAck(mqtt::PacketType type, PacketId packet_id,
                            mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess,
                            std::string_view properties = {});
std::string EncodePingreq();
// v3: the version decides that reason and properties are left out.
std::string EncodeClientDisconnect(mqtt::ProtocolVersion version,
                                   mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess,
                                   std::string_view properties = {});
std::string EncodeClientAuth(mqtt::ReasonCode reason, std::string_view properties);

// Any packet: first byte, remaining length, body.
std::string EncodeRaw(uint8_t first_byte, std::string_view body);

// "10 0c 00" or "100c00" to bytes.
std::string FromHex(std::string_view hex);

}  // namespace skein::testing_support
