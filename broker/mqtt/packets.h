// MQTT control packets as values.
//
// Purpose: what the decoder yields and the encoder takes. Decoded packets are views into the bytes
// they were read from and live as long as those; nothing is copied.
// Thread: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "broker/base/types.h"
#include "broker/mqtt/constants.h"

namespace skein::mqtt {

// Why a packet is refused: what the peer is told, and the rule it broke for the operator's log.
// `rule` is a string literal such as "[MQTT-1.5.4-1] string is not UTF-8".
struct Error {
  ReasonCode code = ReasonCode::kMalformedPacket;
  const char* rule = "";
};

// The properties of one packet or will. A field means something only if Has() its id; the others
// keep the default the standard gives for absence.
struct Properties {
  bool Has(PropertyId id) const { return (present >> static_cast<unsigned>(id)) & 1; }
  void Mark(PropertyId id) { present |= uint64_t{1} << static_cast<unsigned>(id); }

  uint64_t present = 0;
  uint32_t message_expiry_interval = 0;  // seconds
  uint32_t session_expiry_interval = 0;  // seconds, 0xFFFFFFFF = never
  uint32_t will_delay_interval = 0;      // seconds
  uint32_t maximum_packet_size = 0;      // bytes
  uint32_t subscription_identifier = 0;  // SUBSCRIBE carries at most one
  uint16_t server_keep_alive = 0;        // seconds
  uint16_t receive_maximum = 65535;
  uint16_t topic_alias_maximum = 0;
  uint16_t topic_alias = 0;
  uint8_t payload_format_indicator = 0;
  uint8_t request_problem_information = 1;
  uint8_t request_response_information = 0;
  uint8_t maximum_qos = 2;
  uint8_t retain_available = 1;
  uint8_t wildcard_subscription_available = 1;
  uint8_t subscription_identifier_available = 1;
  uint8_t shared_subscription_available = 1;
  uint32_t user_property_count = 0;
  std::string_view content_type;
  std::string_view response_topic;
  std::string_view correlation_data;
  std::string_view assigned_client_identifier;
  std::string_view authentication_method;
  std::string_view authentication_data;
  std::string_view response_information;
  std::string_view server_reference;
  std::string_view reason_string;
  // The whole property block as received, without its length; user properties are read from here in
  // order.
  std::string_view raw;
};

struct Will {
  std::string_view topic;
  std::string_view payload;
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  Properties properties;
  // properties.raw without Will Delay Interval and Message Expiry Interval, for
  // Message::Init::properties. Contiguous in the packet when possible; otherwise the caller uses
  // ForwardableProperties() in codec.h.
};

struct Connect {
  ProtocolVersion version = ProtocolVersion::k311;
  bool clean_start = true;
  uint16_t keep_alive = 0;  // seconds, 0 = off
  std::string_view client_id;
  std::optional<Will> will;
  std::optional<std::string_view> user_name;
  std::optional<std::string_view> password;
  Properties properties;
};

struct Publish {
  bool dup = false;
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  PacketId packet_id = 0;     // 0 with QoS 0
  std::string_view topic;     // empty only with a topic alias (v5)
  uint16_t topic_levels = 0;  // levels in `topic`
  std::string_view payload;
  Properties properties;
};

// PUBACK, PUBREC, PUBREL, PUBCOMP.
struct Ack {
  PacketType type = PacketType::kPuback;
  PacketId packet_id = 0;
  ReasonCode reason = ReasonCode::kSuccess;
  std::string_view reason_string;  // empty = absent
};

struct SubscribeEntry {
  std::string_view
      filter;  // valid UTF-8, at least one byte; syntax is for routing::ValidateTopicFilter
  Qos qos = Qos::kAtMostOnce;
  bool no_local = false;
  bool retain_as_published = false;
  uint8_t retain_handling = 0;
};

struct Subscribe {
  PacketId packet_id = 0;
  Properties properties;
  absl::InlinedVector<SubscribeEntry, 4> entries;
};

struct Unsubscribe {
  PacketId packet_id = 0;
  Properties properties;
  absl::InlinedVector<std::string_view, 4> filters;
};

// DISCONNECT in either direction. v3 has only the normal one, from the client.
struct Disconnect {
  ReasonCode reason = ReasonCode::kSuccess;
  Properties properties;
};

struct Auth {
  ReasonCode reason = ReasonCode::kSuccess;
  Properties properties;
};

struct Connack {
  bool session_present = false;
  ReasonCode reason = ReasonCode::kSuccess;  // mapped to a return code for v3
  Properties properties;                     // only the fields marked present are sent (v5)
};

// SUBACK and UNSUBACK.
struct ReasonList {
  PacketId packet_id = 0;
  std::span<const ReasonCode> reasons;
  std::string_view reason_string;
};

}  // namespace skein::mqtt
