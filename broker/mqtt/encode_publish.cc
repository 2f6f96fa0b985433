#include "broker/base/check.h"
#include "broker/mqtt/encode.h"
#include "broker/mqtt/wire.h"

namespace skein::mqtt {

namespace {

constexpr size_t kExpiryBytes = 5;
constexpr size_t kAliasBytes = 3;

uint32_t Id(PropertyId id) {
  return static_cast<uint32_t>(id);
}

// Length of the property block without its own length.
uint32_t PropertyBytes(const Message& message, const PublishShape& shape) {
  size_t size = message.properties().size();
  if (shape.expiry_left != Message::kNoExpiry) size += kExpiryBytes;
  if (shape.topic_alias != 0) size += kAliasBytes;
  for (const uint32_t id : shape.subscription_identifiers)
    size += 1 + wire::VarintSize(id);
  return static_cast<uint32_t>(size);
}

// The block behind its length.
char* PutProperties(char* at, const Message& message, const PublishShape& shape) {
  if (shape.expiry_left != Message::kNoExpiry) {
    at = wire::PutByte(at, Id(PropertyId::kMessageExpiryInterval));
    at = wire::PutFourByte(at, shape.expiry_left);
  }
  if (shape.topic_alias != 0) {
    at = wire::PutByte(at, Id(PropertyId::kTopicAlias));
    at = wire::PutTwoByte(at, shape.topic_alias);
  }
  for (const uint32_t id : shape.subscription_identifiers) {
    at = wire::PutByte(at, Id(PropertyId::kSubscriptionIdentifier));
    at = wire::PutVarint(at, id);
  }
  return wire::PutBytes(at, message.properties());
}

uint8_t PublishFlags(bool dup, Qos qos, bool retain) {
  return static_cast<uint8_t>(0x30 | (dup ? 8 : 0) | static_cast<unsigned>(qos) << 1 |
                              (retain ? 1 : 0));
}

}  // namespace

PublishSize MeasurePublish(const Message& message, const PublishShape& shape) {
  PublishSize size;
  size_t header = 2 + (shape.send_topic ? message.topic().size() : 0);
  if (shape.qos != Qos::kAtMostOnce) header += 2;
  if (shape.version == ProtocolVersion::k5) {
    size.properties = PropertyBytes(message, shape);
    header += wire::VarintSize(size.properties) + size.properties;
  }
  size.remaining = static_cast<uint32_t>(header + message.payload().size());
  const size_t fixed = 1 + wire::VarintSize(size.remaining);
  size.head = fixed + header;
  size.total = fixed + size.remaining;
  return size;
}

void EncodePublishHead(const Message& message, const PublishShape& shape,
                       const PublishSize& measured, char* dst) {
  char* at = wire::PutByte(dst, PublishFlags(shape.dup, shape.qos, shape.retain));
  at = wire::PutVarint(at, measured.remaining);
  const std::string_view topic = shape.send_topic ? message.topic() : std::string_view();
  at = wire::PutTwoByte(at, static_cast<uint32_t>(topic.size()));
  at = wire::PutBytes(at, topic);
  if (shape.qos != Qos::kAtMostOnce) at = wire::PutTwoByte(at, shape.packet_id);
  if (shape.version == ProtocolVersion::k5) {
    at = wire::PutVarint(at, measured.properties);
    at = PutProperties(at, message, shape);
  }
  SKEIN_CHECK(at == dst + measured.head);
}

void PublishImage::Build(const Message& message, const PublishShape& shape, bool with_payload) {
  const PublishSize measured = MeasurePublish(message, shape);
  bytes_.resize(with_payload ? measured.total : measured.head);
  EncodePublishHead(message, shape, measured, bytes_.data());
  if (with_payload) wire::PutBytes(bytes_.data() + measured.head, message.payload());
  const size_t fixed = measured.total - measured.remaining;
  packet_id_offset_ = fixed + 2 + (shape.send_topic ? message.topic().size() : 0);
}

}  // namespace skein::mqtt
