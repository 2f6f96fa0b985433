// Any client packet through the product's decoder.
//
// Purpose: one call for table tests and fuzz targets, which do not care which type a packet has.
// Thread: plain values.
#pragma once

#include <optional>
#include <string_view>

#include "broker/mqtt/codec.h"

namespace skein::testing_support {

// Reused like the broker reuses its packets, so that whatever leaks from one packet into the next
// is seen.
struct AnyPacket {
  mqtt::Connect connect;
  mqtt::Publish publish;
  mqtt::Ack ack;
  mqtt::Subscribe subscribe;
  mqtt::Unsubscribe unsubscribe;
  mqtt::Disconnect disconnect;
  mqtt::Auth auth;
};

// Fills the field that frame.type names. A type that only a server sends, or AUTH before version 5,
// is a protocol error.
std::optional<mqtt::Error> DecodeAny(const mqtt::Frame& frame, mqtt::ProtocolVersion version,
                                     AnyPacket* out);

// Calls visit(std::string_view) for every view in the packet of that type.
template <typename Visit>
void ForEachView(mqtt::PacketType type, const AnyPacket& packet, Visit visit);

// NextFrame and DecodeAny over the packet at the front of `bytes`; what is missing counts as
// malformed.
std::optional<mqtt::Error> DecodeBytes(std::string_view bytes, mqtt::ProtocolVersion version,
                                       AnyPacket* out);

namespace internal {

template <typename Visit>
void ForEachView(const mqtt::Properties& properties, Visit visit) {
  visit(properties.content_type);
  visit(properties.response_topic);
  visit(properties.correlation_data);
  visit(properties.authentication_method);
  visit(properties.authentication_data);
  visit(properties.server_reference);
  visit(properties.reason_string);
  visit(properties.raw);
  mqtt::ForEachUserProperty(properties, [&visit](std::string_view key, std::string_view value) {
    visit(key);
    visit(value);
  });
}

template <typename Visit>
void ForEachView(const mqtt::Connect& connect, Visit visit) {
  visit(connect.client_id);
  if (connect.user_name) visit(*connect.user_name);
  if (connect.password) visit(*connect.password);
  ForEachView(connect.properties, visit);
  if (!connect.will) return;
  visit(connect.will->topic);
  visit(connect.will->payload);
  ForEachView(connect.will->properties, visit);
}

}  // namespace internal

template <typename Visit>
void ForEachView(mqtt::PacketType type, const AnyPacket& packet, Visit visit) {
  switch (type) {
    case mqtt::PacketType::kConnect:
      return internal::ForEachView(packet.connect, visit);
    case mqtt::PacketType::kPublish:
      visit(packet.publish.topic);
      visit(packet.publish.payload);
      return internal::ForEachView(packet.publish.properties, visit);
    case mqtt::PacketType::kSubscribe:
      for (const mqtt::SubscribeEntry& entry : packet.subscribe.entries)
        visit(entry.filter);
      return internal::ForEachView(packet.subscribe.properties, visit);
    case mqtt::PacketType::kUnsubscribe:
      for (const std::string_view filter : packet.unsubscribe.filters)
        visit(filter);
      return internal::ForEachView(packet.unsubscribe.properties, visit);
    case mqtt::PacketType::kDisconnect:
      return internal::ForEachView(packet.disconnect.properties, visit);
    case mqtt::PacketType::kAuth:
      return internal::ForEachView(packet.auth.properties, visit);
    case mqtt::PacketType::kPingreq:
      return;
    default:
      visit(packet.ack.reason_string);
  }
}

}  // namespace skein::testing_support
