// Writes packets to connections.
//
// Purpose: the last step of every message: encode into the connection's corked output. A message
// that goes to many is encoded once for each (version, QoS > 0) and copied; a large payload is
// referenced, not copied. Thread: confined to the shard. Limits: Limits::max_output_bytes for
// PUBLISH; replies always go out, the shard stops reading from who does not read them.
#pragma once

#include <string_view>

#include "broker/mqtt/encode.h"
#include "broker/session/delivery.h"
#include "broker/shard/state.h"

namespace skein::shard {

// Wire images of the message that is being fanned out.
class ImageCache {
 public:
  // Starts with a new message; images are made at their first use. few: so few receivers that an
  // image does not pay.
  void Begin(bool few);
  const mqtt::PublishImage& Get(const mqtt::Message& message, mqtt::ProtocolVersion version,
                                bool with_id, TimeMs now);
  bool worth_it() const { return !few_; }

 private:
  mqtt::PublishImage images_[2][2];
  bool few_ = true;
};

// Payloads above this many bytes are referenced in the output, not copied.
inline constexpr size_t kCopyPayloadBytes = 2048;

class Sender {
 public:
  explicit Sender(ShardState* state) : state_(*state) {}

  // There is room for another PUBLISH.
  bool HasRoom(const Connection& connection) const {
    return connection.out.bytes() < state_.limits.max_output_bytes;
  }

  enum class SendResult : uint8_t { kSent, kTooLarge };

  // Sends a PUBLISH. images may be null. kTooLarge: over the client's Maximum Packet Size, nothing
  // was sent [MQTT-3.1.2-25].
  struct Publish {
    const mqtt::MessagePtr& message;
    Qos qos;
    bool retain;
    bool dup;
    PacketId packet_id;
    std::span<const uint32_t> ids;
  };
  SendResult SendPublish(Connection& connection, const Publish& publish, ImageCache* images);

  void SendAck(Connection& connection, mqtt::PacketType type, PacketId id, mqtt::ReasonCode reason);
  void SendBytes(Connection& connection, std::string_view packet);

 private:
  SendResult SendImage(Connection& connection, const Publish& publish, ImageCache* images);
  // Decides about an outbound alias: returns it, and whether the topic must be sent with it.
  uint16_t OutboundAlias(Connection& connection, std::string_view topic, bool* send_topic);
  void CountPublish(const Connection& connection, const Publish& publish);
  // Apart from it, since most messages need neither.
  void NoteTimed(const Publish& publish);
  void TracePublish(const Connection& connection, const Publish& publish);

  ShardState& state_;
};

}  // namespace skein::shard
