#include "broker/mqtt/properties.h"

#include <array>

#include "broker/mqtt/codec.h"
#include "broker/mqtt/utf8.h"

namespace skein::mqtt {

namespace {

using Place = PropertyPlace;

template <typename... Places>
constexpr uint16_t In(Places... places) {
  return static_cast<uint16_t>((static_cast<unsigned>(places) | ...));
}

constexpr uint16_t kPublish = In(Place::kPublishFromClient, Place::kPublishFromServer);
constexpr uint16_t kMessage = kPublish | In(Place::kWill);
constexpr uint16_t kDisconnect = In(Place::kDisconnectFromClient, Place::kDisconnectFromServer);
constexpr uint16_t kLogin = In(Place::kConnect, Place::kConnack, Place::kAuth);

constexpr PropertyRule Byte(uint16_t allowed, uint8_t Properties::*field) {
  return {PropertyType::kByte, allowed, 0, 1, PropertyRule::Field(field)};
}
constexpr PropertyRule TwoByte(uint16_t allowed, uint32_t least, uint16_t Properties::*field) {
  return {PropertyType::kTwoByte, allowed, least, UINT16_MAX, PropertyRule::Field(field)};
}
constexpr PropertyRule FourByte(uint16_t allowed, uint32_t least, uint32_t Properties::*field) {
  return {PropertyType::kFourByte, allowed, least, UINT32_MAX, PropertyRule::Field(field)};
}
constexpr PropertyRule Text(uint16_t allowed, std::string_view Properties::*field) {
  return {PropertyType::kText, allowed, 0, 0, PropertyRule::Field(field)};
}
constexpr PropertyRule Binary(uint16_t allowed, std::string_view Properties::*field) {
  return {PropertyType::kBinary, allowed, 0, 0, PropertyRule::Field(field)};
}

// MQTT 5.0 table 2-4.
constexpr std::array<PropertyRule, kPropertyIds> MakeTable() {
  using P = Properties;
  using Id = PropertyId;
  std::array<PropertyRule, kPropertyIds> table{};
  const auto set = [&table](Id id, PropertyRule rule) { table[static_cast<size_t>(id)] = rule; };
  set(Id::kPayloadFormatIndicator, Byte(kMessage, &P::payload_format_indicator));
  set(Id::kMessageExpiryInterval, FourByte(kMessage, 0, &P::message_expiry_interval));
  set(Id::kContentType, Text(kMessage, &P::content_type));
  set(Id::kResponseTopic, Text(kMessage, &P::response_topic));
  set(Id::kCorrelationData, Binary(kMessage, &P::correlation_data));
  set(Id::kSubscriptionIdentifier,
      {PropertyType::kVarint,
       In(Place::kPublishFromServer, Place::kPublishFromClient, Place::kSubscribe), 1, kMaxVarint,
       PropertyRule::Field(&P::subscription_identifier)});
  set(Id::kSessionExpiryInterval,
      FourByte(In(Place::kConnect, Place::kConnack, Place::kDisconnectFromClient), 0,
               &P::session_expiry_interval));
  set(Id::kAssignedClientIdentifier, Text(In(Place::kConnack), &P::assigned_client_identifier));
  set(Id::kServerKeepAlive, TwoByte(In(Place::kConnack), 0, &P::server_keep_alive));
  set(Id::kAuthenticationMethod, Text(kLogin, &P::authentication_method));
  set(Id::kAuthenticationData, Binary(kLogin, &P::authentication_data));
  set(Id::kRequestProblemInformation, Byte(In(Place::kConnect), &P::request_problem_information));
  set(Id::kWillDelayInterval, FourByte(In(Place::kWill), 0, &P::will_delay_interval));
  set(Id::kRequestResponseInformation, Byte(In(Place::kConnect), &P::request_response_information));
  set(Id::kResponseInformation, Text(In(Place::kConnack), &P::response_information));
  set(Id::kServerReference, Text(In(Place::kConnack) | kDisconnect, &P::server_reference));
  set(Id::kReasonString,
      Text(In(Place::kConnack, Place::kAck, Place::kAuth) | kDisconnect, &P::reason_string));
  set(Id::kReceiveMaximum, TwoByte(In(Place::kConnect, Place::kConnack), 1, &P::receive_maximum));
  set(Id::kTopicAliasMaximum,
      TwoByte(In(Place::kConnect, Place::kConnack), 0, &P::topic_alias_maximum));
  set(Id::kTopicAlias, TwoByte(kPublish, 1, &P::topic_alias));
  set(Id::kMaximumQos, Byte(In(Place::kConnack), &P::maximum_qos));
  set(Id::kRetainAvailable, Byte(In(Place::kConnack), &P::retain_available));
  set(Id::kUserProperty, {PropertyType::kTextPair, UINT16_MAX, 0, 0, PropertyRule::Field()});
  set(Id::kMaximumPacketSize,
      FourByte(In(Place::kConnect, Place::kConnack), 1, &P::maximum_packet_size));
  set(Id::kWildcardSubscriptionAvailable,
      Byte(In(Place::kConnack), &P::wildcard_subscription_available));
  set(Id::kSubscriptionIdentifierAvailable,
      Byte(In(Place::kConnack), &P::subscription_identifier_available));
  set(Id::kSharedSubscriptionAvailable,
      Byte(In(Place::kConnack), &P::shared_subscription_available));
  return table;
}

constexpr std::array<PropertyRule, kPropertyIds> kTable = MakeTable();

constexpr Error kTruncated{ReasonCode::kMalformedPacket,
                           "[MQTT-2.2.2-1] property runs beyond its block"};
constexpr Error kNotText{ReasonCode::kMalformedPacket,
                         "[MQTT-1.5.4-1] string property is not UTF-8"};

std::optional<Error> JudgeNumber(PropertyId id, const PropertyRule& rule, uint32_t value) {
  if (value >= rule.least && value <= rule.most) return std::nullopt;
  if (id == PropertyId::kTopicAlias) {
    return Error{ReasonCode::kTopicAliasInvalid, "[MQTT-3.3.2-8] topic alias 0"};
  }
  return Error{ReasonCode::kProtocolError, "[MQTT-4.13.1-1] property value out of range"};
}

// Reads one number of the rule's type and stores it.
std::optional<Error> ReadNumber(wire::Reader* in, PropertyId id, const PropertyRule& rule,
                                Properties* out) {
  uint8_t byte = 0;
  uint16_t two_byte = 0;
  uint32_t value = 0;
  switch (rule.type) {
    case PropertyType::kByte:
      if (!in->Byte(&byte)) return kTruncated;
      value = out->*rule.field.byte = byte;
      break;
    case PropertyType::kTwoByte:
      if (!in->TwoByte(&two_byte)) return kTruncated;
      value = out->*rule.field.two_byte = two_byte;
      break;
    case PropertyType::kFourByte:
      if (!in->FourByte(&value)) return kTruncated;
      out->*rule.field.four_byte = value;
      break;
    default:
      if (!in->Varint(&value)) {
        return Error{ReasonCode::kMalformedPacket,
                     "[MQTT-1.5.5-1] variable byte integer property malformed"};
      }
      out->*rule.field.four_byte = value;
  }
  return JudgeNumber(id, rule, value);
}

std::optional<Error> ReadText(wire::Reader* in, PropertyId id, std::string_view* out) {
  if (!in->Binary(out)) return kTruncated;
  const TextScan scan = ScanText(*out);
  if (!scan.valid) return kNotText;
  if (id == PropertyId::kResponseTopic && scan.wildcard) {
    return Error{ReasonCode::kProtocolError, "[MQTT-3.3.2-14] response topic contains a wildcard"};
  }
  return std::nullopt;
}

std::optional<Error> ReadValue(wire::Reader* in, PropertyId id, const PropertyRule& rule,
                               Properties* out) {
  std::string_view text;
  switch (rule.type) {
    case PropertyType::kText:
      return ReadText(in, id, &(out->*rule.field.text));
    case PropertyType::kBinary:
      if (!in->Binary(&(out->*rule.field.text))) return kTruncated;
      return std::nullopt;
    case PropertyType::kTextPair:
      for (int part = 0; part < 2; ++part) {
        if (!in->Binary(&text)) return kTruncated;
        if (!IsUtf8(text))
          return Error{ReasonCode::kMalformedPacket, "[MQTT-1.5.7-1] user property is not UTF-8"};
      }
      ++out->user_property_count;
      return std::nullopt;
    default:
      return ReadNumber(in, id, rule, out);
  }
}

std::optional<Error> JudgePlace(PropertyId id, const PropertyRule& rule, PropertyPlace place,
                                bool repeated) {
  if ((rule.allowed & static_cast<uint16_t>(place)) == 0) {
    return Error{ReasonCode::kMalformedPacket,
                 "[MQTT-4.13.1-1] property not valid for this packet"};
  }
  if (id == PropertyId::kSubscriptionIdentifier) {
    if (place == Place::kPublishFromServer) return std::nullopt;
    if (place == Place::kPublishFromClient) {
      return Error{ReasonCode::kProtocolError,
                   "[MQTT-3.3.4-6] subscription identifier in a client's PUBLISH"};
    }
  }
  if (repeated && id != PropertyId::kUserProperty) {
    return Error{ReasonCode::kProtocolError, "[MQTT-4.13.1-1] property given twice"};
  }
  return std::nullopt;
}

}  // namespace

const PropertyRule& RuleOf(uint32_t id) {
  return kTable[id < kPropertyIds ? id : 0];
}

std::optional<Error> ReadProperties(wire::Reader* in, PropertyPlace place, Properties* out) {
  ResetProperties(out);
  uint32_t length = 0;
  if (!in->Varint(&length)) {
    return Error{ReasonCode::kMalformedPacket,
                 "[MQTT-1.5.5-1] property length missing or malformed"};
  }
  if (length == 0) return std::nullopt;
  if (!in->Bytes(length, &out->raw)) {
    return Error{ReasonCode::kMalformedPacket,
                 "[MQTT-2.2.2-1] property length goes beyond the packet"};
  }
  wire::Reader block(out->raw);
  while (!block.done()) {
    uint32_t number = 0;
    if (!block.Varint(&number) || RuleOf(number).type == PropertyType::kNone) {
      return Error{ReasonCode::kMalformedPacket, "[MQTT-4.13.1-1] unknown property identifier"};
    }
    const PropertyRule& rule = RuleOf(number);
    const auto id = static_cast<PropertyId>(number);
    if (const auto error = JudgePlace(id, rule, place, out->Has(id))) return error;
    out->Mark(id);
    if (const auto error = ReadValue(&block, id, rule, out)) return error;
  }
  return std::nullopt;
}

void SkipProperty(wire::Reader* in, uint32_t* id) {
  uint8_t byte = 0;
  uint16_t two_byte = 0;
  uint32_t number = 0;
  std::string_view text;
  bool whole = in->Varint(id);
  switch (RuleOf(*id).type) {
    case PropertyType::kNone:
      whole = false;
      break;
    case PropertyType::kByte:
      whole = whole && in->Byte(&byte);
      break;
    case PropertyType::kTwoByte:
      whole = whole && in->TwoByte(&two_byte);
      break;
    case PropertyType::kFourByte:
      whole = whole && in->FourByte(&number);
      break;
    case PropertyType::kVarint:
      whole = whole && in->Varint(&number);
      break;
    case PropertyType::kTextPair:
      whole = whole && in->Binary(&text) && in->Binary(&text);
      break;
    case PropertyType::kText:
    case PropertyType::kBinary:
      whole = whole && in->Binary(&text);
      break;
  }
  SKEIN_CHECK(whole) << "a property block that was never decoded";
}

namespace {

void AppendUserProperties(const Properties& properties, std::string* out) {
  ForEachUserProperty(properties, [out](std::string_view key, std::string_view value) {
    wire::AddByte(out, static_cast<uint8_t>(PropertyId::kUserProperty));
    wire::AddBinary(out, key);
    wire::AddBinary(out, value);
  });
}

void AppendOne(uint32_t id, const PropertyRule& rule, const Properties& properties,
               std::string* out) {
  if (rule.type == PropertyType::kTextPair) return AppendUserProperties(properties, out);
  wire::AddByte(out, id);
  switch (rule.type) {
    case PropertyType::kByte:
      return wire::AddByte(out, properties.*rule.field.byte);
    case PropertyType::kTwoByte:
      return wire::AddTwoByte(out, properties.*rule.field.two_byte);
    case PropertyType::kFourByte:
      return wire::AddFourByte(out, properties.*rule.field.four_byte);
    case PropertyType::kVarint:
      return wire::AddVarint(out, properties.*rule.field.four_byte);
    default:
      return wire::AddBinary(out, properties.*rule.field.text);
  }
}

}  // namespace

void AppendProperties(const Properties& properties, std::string* out) {
  std::string block;
  for (uint32_t id = 0; id < kPropertyIds; ++id) {
    const PropertyRule& rule = kTable[id];
    if (rule.type == PropertyType::kNone || !properties.Has(static_cast<PropertyId>(id))) continue;
    AppendOne(id, rule, properties, &block);
  }
  wire::AddVarint(out, static_cast<uint32_t>(block.size()));
  out->append(block);
}

}  // namespace skein::mqtt
