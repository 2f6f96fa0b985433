// Fuzz target of the codec: a stream of client packets, cut at every byte.
//
// Purpose: whatever comes, framing must not depend on how the bytes arrive, decoded views must lie
// inside the input, and what was decoded must survive being encoded again. Input: the first byte
// chooses the version, the rest is the stream.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/check.h"
#include "broker/mqtt/codec.h"
#include "broker/mqtt/encode.h"
#include "tests/support/decode_any.h"
#include "tests/support/server_packets.h"

namespace {

using namespace skein;                   // NOLINT(google-build-using-namespace)
using namespace skein::mqtt;             // NOLINT(google-build-using-namespace)
using namespace skein::testing_support;  // NOLINT(google-build-using-namespace)

constexpr uint32_t kMaxPacketSize = 1 << 16;

// The same packets arriving byte by byte: each must be complete at its last byte and not before,
// with no other answer.
void CheckFraming(std::string_view stream, const FrameResult& whole) {
  const size_t end = whole.status == FrameStatus::kComplete ? whole.frame.size : stream.size();
  size_t asked = 0;
  for (size_t size = 0; size < end; ++size) {
    const FrameResult part = NextFrame(stream.substr(0, size), kMaxPacketSize);
    if (part.status == FrameStatus::kError) {
      SKEIN_CHECK(whole.status == FrameStatus::kError && part.error.code == whole.error.code);
      return;
    }
    SKEIN_CHECK(part.status == FrameStatus::kNeedMore);
    SKEIN_CHECK(part.needed > size && part.needed >= asked);
    SKEIN_CHECK(whole.status != FrameStatus::kComplete || part.needed <= end);
    asked = part.needed;
  }
}

void CheckAck(const Ack& ack, ProtocolVersion version) {
  char bytes[kMaxAckSize];
  const size_t size = EncodeAck(ack.type, ack.packet_id, ack.reason, version, bytes);
  AnyPacket again;
  SKEIN_CHECK(!DecodeBytes({bytes, size}, version, &again));
  SKEIN_CHECK(again.ack.type == ack.type && again.ack.packet_id == ack.packet_id &&
              again.ack.reason == ack.reason);
  if (version != ProtocolVersion::k5) return;
  std::string longer;
  EncodeAckWithReasonString(ack, &longer);
  SKEIN_CHECK(!DecodeBytes(longer, version, &again));
  SKEIN_CHECK(again.ack.reason_string == ack.reason_string && again.ack.reason == ack.reason);
}

// What a subscriber gets of a publish: read as a client reads it, and as a server would.
void CheckForward(std::string_view topic, std::string_view payload, Qos qos,
                  const Properties& properties, ProtocolVersion version) {
  std::string scratch;
  Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.properties = ForwardableProperties(properties, &scratch);
  const MessagePtr message = Message::Make(init);
  PublishShape shape;
  shape.version = version;
  shape.qos = qos;
  shape.packet_id = 1;
  PublishImage image;
  image.Build(*message, shape, true);
  std::string bytes(image.size(), '\0');
  image.CopyTo(bytes.data(), false, qos, true, 0x0102);

  std::string_view rest = bytes;
  const auto seen = TakeServerPacket(&rest, version);
  SKEIN_CHECK(seen && rest.empty() && seen->topic == topic && seen->payload == payload &&
              seen->retain);
  AnyPacket again;
  SKEIN_CHECK(!DecodeBytes(bytes, version, &again) || topic.empty());
  if (topic.empty() || version != ProtocolVersion::k5) return;
  const Properties& kept = again.publish.properties;
  SKEIN_CHECK(kept.user_property_count == properties.user_property_count);
  SKEIN_CHECK(kept.content_type == properties.content_type &&
              kept.response_topic == properties.response_topic);
  SKEIN_CHECK(kept.correlation_data == properties.correlation_data);
  SKEIN_CHECK(kept.payload_format_indicator == properties.payload_format_indicator);
  SKEIN_CHECK(!kept.Has(PropertyId::kTopicAlias) && !kept.Has(PropertyId::kMessageExpiryInterval));
}

void CheckDecoded(const Frame& frame, ProtocolVersion version, const AnyPacket& packet) {
  ForEachView(frame.type, packet, [&frame](std::string_view view) {
    if (view.empty()) return;
    SKEIN_CHECK(view.data() >= frame.body.data());
    SKEIN_CHECK(view.data() + view.size() <= frame.body.data() + frame.body.size());
  });
  switch (frame.type) {
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return CheckAck(packet.ack, version);
    case PacketType::kPublish:
      return CheckForward(packet.publish.topic, packet.publish.payload, packet.publish.qos,
                          packet.publish.properties, version);
    case PacketType::kConnect:
      if (packet.connect.will) {
        const Will& will = *packet.connect.will;
        CheckForward(will.topic, will.payload, will.qos, will.properties, packet.connect.version);
      }
      return;
    default:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr ProtocolVersion kVersions[] = {ProtocolVersion::k31, ProtocolVersion::k311,
                                           ProtocolVersion::k5};
  const ProtocolVersion version = kVersions[data[0] % 3];
  std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  AnyPacket reused;
  while (!stream.empty()) {
    const FrameResult next = NextFrame(stream, kMaxPacketSize);
    CheckFraming(stream, next);
    if (next.status != FrameStatus::kComplete) return 0;
    AnyPacket fresh;
    const auto error = DecodeAny(next.frame, version, &fresh);
    const auto same = DecodeAny(next.frame, version, &reused);
    SKEIN_CHECK(error.has_value() == same.has_value());
    if (error) {
      SKEIN_CHECK(error->code == same->code && IsError(error->code) && error->rule[0] != '\0');
    } else {
      CheckDecoded(next.frame, version, fresh);
      CheckDecoded(next.frame, version, reused);
    }
    stream.remove_prefix(next.frame.size);
  }
  return 0;
}
