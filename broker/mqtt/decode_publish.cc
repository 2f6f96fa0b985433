#include "broker/mqtt/codec.h"
#include "broker/mqtt/properties.h"
#include "broker/mqtt/utf8.h"
#include "broker/mqtt/wire.h"

namespace skein::mqtt {

namespace {

Error Malformed(const char* rule) {
  return {ReasonCode::kMalformedPacket, rule};
}

// Properties that concern one hop only, or that the server recomputes.
bool StaysHere(uint32_t id) {
  switch (static_cast<PropertyId>(id)) {
    case PropertyId::kMessageExpiryInterval:
    case PropertyId::kTopicAlias:
    case PropertyId::kWillDelayInterval:
    case PropertyId::kSubscriptionIdentifier:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<Error> DecodePublish(const Frame& frame, ProtocolVersion version, Publish* out) {
  wire::Reader in(frame.body);
  out->dup = (frame.flags & 0x08) != 0;
  out->qos = static_cast<Qos>(frame.flags >> 1 & 0x03);
  out->retain = (frame.flags & 0x01) != 0;
  out->packet_id = 0;
  const bool v5 = version == ProtocolVersion::k5;

  if (!in.Binary(&out->topic))
    return Malformed("[MQTT-3.3.2-1] PUBLISH ends within its topic name");
  const TextScan scan = ScanText(out->topic);
  if (!scan.valid) return Malformed("[MQTT-1.5.4-1] topic name is not UTF-8");
  if (scan.wildcard)
    return Error{ReasonCode::kTopicNameInvalid, "[MQTT-3.3.2-2] wildcard in a topic name"};
  out->topic_levels = static_cast<uint16_t>(scan.levels <= UINT16_MAX ? scan.levels : UINT16_MAX);

  if (out->qos != Qos::kAtMostOnce) {
    if (!in.TwoByte(&out->packet_id))
      return Malformed("[MQTT-2.2.1-3] PUBLISH ends within its packet identifier");
    if (out->packet_id == 0)
      return Error{ReasonCode::kProtocolError, "[MQTT-2.2.1-3] packet identifier 0"};
  } else if (out->dup && version != ProtocolVersion::k31) {
    return Malformed("[MQTT-3.3.1-2] DUP in a PUBLISH of QoS 0");
  }

  if (v5) {
    if (const auto error = ReadProperties(&in, PropertyPlace::kPublishFromClient, &out->properties))
      return error;
  } else {
    ResetProperties(&out->properties);
  }
  if (out->topic.empty() && !out->properties.Has(PropertyId::kTopicAlias)) {
    return Error{v5 ? ReasonCode::kProtocolError : ReasonCode::kTopicNameInvalid,
                 "[MQTT-4.7.3-1] empty topic name without a topic alias"};
  }
  out->payload = in.rest();
  return std::nullopt;
}

std::string_view ForwardableProperties(const Properties& properties, std::string* scratch) {
  const std::string_view raw = properties.raw;
  wire::Reader in(raw);
  std::string_view kept;  // contiguous in raw, while it can be
  bool assembled = false;
  while (!in.done()) {
    const char* const begin = in.at();
    uint32_t id = 0;
    SkipProperty(&in, &id);
    if (StaysHere(id)) continue;
    const std::string_view one(begin, static_cast<size_t>(in.at() - begin));
    if (assembled) {
      scratch->append(one);
    } else if (kept.empty()) {
      kept = one;
    } else if (kept.data() + kept.size() == begin) {
      kept = {kept.data(), kept.size() + one.size()};
    } else {
      scratch->assign(kept);
      scratch->append(one);
      assembled = true;
    }
  }
  return assembled ? std::string_view(*scratch) : kept;
}

bool NextUserProperty(std::string_view* block, std::string_view* key, std::string_view* value) {
  wire::Reader in(*block);
  while (!in.done()) {
    wire::Reader property = in;
    uint32_t id = 0;
    SkipProperty(&in, &id);
    if (id != static_cast<uint32_t>(PropertyId::kUserProperty)) continue;
    const bool whole = property.Varint(&id) && property.Binary(key) && property.Binary(value);
    SKEIN_CHECK(whole);
    *block = in.rest();
    return true;
  }
  *block = {};
  return false;
}

}  // namespace skein::mqtt
