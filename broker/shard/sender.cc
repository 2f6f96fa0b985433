#include "broker/shard/sender.h"

#include <string>

#include "absl/strings/string_view.h"
#include "broker/shard/tracing.h"

namespace skein::shard {

using mqtt::PacketType;

namespace {

// Of a packet without flags, which no figure tells apart.
constexpr uint8_t FirstByte(PacketType type) {
  return static_cast<uint8_t>(static_cast<uint8_t>(type) << 4);
}

}  // namespace

void ImageCache::Begin(bool few) {
  few_ = few;
  for (auto& by_version : images_) {
    for (mqtt::PublishImage& image : by_version)
      image.Reset();
  }
}

const mqtt::PublishImage& ImageCache::Get(const mqtt::Message& message,
                                          mqtt::ProtocolVersion version, bool with_id, TimeMs now) {
  const bool v5 = version == mqtt::ProtocolVersion::k5;
  mqtt::PublishImage& image = images_[v5][with_id];
  if (!image.built()) {
    mqtt::PublishShape shape;
    shape.version = version;
    shape.qos = with_id ? Qos::kAtLeastOnce : Qos::kAtMostOnce;
    shape.packet_id = with_id ? 1 : 0;
    if (v5 && message.has_expiry()) shape.expiry_left = message.expiry_left(now);
    image.Build(message, shape, message.payload().size() <= kCopyPayloadBytes);
  }
  return image;
}

// Of every message: in place, and what is needed twice is read once, since a counter might be it.
[[gnu::always_inline]] inline void Sender::CountPublish(const Connection& connection,
                                                        const Publish& publish) {
  ShardState& state = state_;
  ShardStats& stats = state.stats;
  const mqtt::Message& message = *publish.message;
  stats.packets_out.Add(static_cast<uint8_t>(FirstByte(PacketType::kPublish) |
                                             static_cast<uint8_t>(publish.qos) << 1));
  stats.payload_out.Add(message.payload().size());
  // As the last thing, so that nothing has to be kept for after it.
  if (message.timed() || state.tracer.on()) [[unlikely]]
    TracePublish(connection, publish);
}

// What is retained, or sent again, came at another time than it is given to this client.
[[gnu::noinline]] void Sender::NoteTimed(const Publish& publish) {
  if (publish.retain || publish.dup) return;
  state_.timed.Note(ShardState::kSentOf + static_cast<uint8_t>(publish.qos),
                    publish.message->received_micros());
}

[[gnu::noinline]] void Sender::TracePublish(const Connection& connection, const Publish& publish) {
  if (publish.message->timed()) NoteTimed(publish);
  if (!state_.tracer.on()) return;
  trace::Detail detail;
  detail.qos = publish.qos;
  detail.dup = publish.dup;
  detail.retain = publish.retain;
  detail.packet_id = publish.packet_id;
  TraceSent(state_, connection, *publish.message, detail);
}

Sender::SendResult Sender::SendImage(Connection& connection, const Publish& publish,
                                     ImageCache* images) {
  const mqtt::Message& message = *publish.message;
  const bool with_id = publish.qos != Qos::kAtMostOnce;
  const mqtt::PublishImage& image = images->Get(message, connection.version, with_id, state_.now);
  const bool copied = message.payload().size() <= kCopyPayloadBytes;
  const size_t total = image.size() + (copied ? 0 : message.payload().size());
  if (total > connection.maximum_packet_size) return SendResult::kTooLarge;
  if (image.size() <= mqtt::OutQueue::kMaxReserve) {
    char* dst = connection.out.Reserve(state_.chunks, image.size());
    image.CopyTo(dst, publish.dup, publish.qos, publish.retain, publish.packet_id);
  } else {
    std::string head(image.size(), '\0');
    image.CopyTo(head.data(), publish.dup, publish.qos, publish.retain, publish.packet_id);
    connection.out.Append(state_.chunks, head);
  }
  if (!copied) connection.out.AppendPayload(state_.chunks, publish.message, message.payload());
  CountPublish(connection, publish);
  state_.MarkDirty(connection);
  return SendResult::kSent;
}

Sender::SendResult Sender::SendPublish(Connection& connection, const Publish& publish,
                                       ImageCache* images) {
  const bool plain = publish.ids.empty() && connection.topic_alias_maximum_out == 0;
  if (plain && images != nullptr && images->worth_it())
    return SendImage(connection, publish, images);
  const mqtt::Message& message = *publish.message;
  mqtt::PublishShape shape;
  shape.version = connection.version;
  shape.dup = publish.dup;
  shape.qos = publish.qos;
  shape.retain = publish.retain;
  shape.packet_id = publish.packet_id;
  if (connection.v5()) {
    shape.subscription_identifiers = publish.ids;
    if (message.has_expiry()) shape.expiry_left = message.expiry_left(state_.now);
  }
  mqtt::PublishSize size = MeasurePublish(message, shape);
  if (connection.topic_alias_maximum_out > 0) {
    // Room for an alias property and the longer lengths it may cause: an alias must not make the
    // packet too large.
    constexpr size_t kAliasBytes = 5;
    if (size.total + kAliasBytes <= connection.maximum_packet_size) {
      shape.topic_alias = OutboundAlias(connection, message.topic(), &shape.send_topic);
      if (shape.topic_alias != 0) size = MeasurePublish(message, shape);
    }
  }
  if (size.total > connection.maximum_packet_size) return SendResult::kTooLarge;
  const bool copied = message.payload().size() <= kCopyPayloadBytes;
  if (size.head <= mqtt::OutQueue::kMaxReserve) {
    EncodePublishHead(message, shape, size, connection.out.Reserve(state_.chunks, size.head));
  } else {
    std::string head(size.head, '\0');
    EncodePublishHead(message, shape, size, head.data());
    connection.out.Append(state_.chunks, head);
  }
  if (copied) {
    if (!message.payload().empty()) connection.out.Append(state_.chunks, message.payload());
  } else {
    connection.out.AppendPayload(state_.chunks, publish.message, message.payload());
  }
  CountPublish(connection, publish);
  state_.MarkDirty(connection);
  return SendResult::kSent;
}

uint16_t Sender::OutboundAlias(Connection& connection, std::string_view topic, bool* send_topic) {
  if (connection.aliases == nullptr) connection.aliases = std::make_unique<TopicAliases>();
  auto& known = connection.aliases->outbound;
  const auto found = known.find(absl::string_view(topic.data(), topic.size()));
  if (found != known.end()) {
    *send_topic = false;
    return found->second;
  }
  if (known.size() >= connection.topic_alias_maximum_out) return 0;
  const auto alias = static_cast<uint16_t>(known.size() + 1);
  known.emplace(std::string(topic), alias);
  return alias;
}

void Sender::SendAck(Connection& connection, PacketType type, PacketId id,
                     mqtt::ReasonCode reason) {
  char packet[mqtt::kMaxAckSize];
  const size_t size = mqtt::EncodeAck(type, id, reason, connection.version, packet);
  connection.out.Append(state_.chunks, std::string_view(packet, size));
  state_.stats.packets_out.Add(FirstByte(type));
  state_.MarkDirty(connection);
}

void Sender::SendBytes(Connection& connection, std::string_view packet) {
  connection.out.Append(state_.chunks, packet);
  state_.stats.packets_out.Add(static_cast<uint8_t>(packet[0]));
  state_.MarkDirty(connection);
}

}  // namespace skein::shard
