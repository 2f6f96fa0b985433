#include "broker/admin/publish_body.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "broker/auth/topic_rules.h"
#include "broker/mqtt/constants.h"
#include "broker/mqtt/utf8.h"

namespace skein::admin {
namespace {

constexpr size_t kLongestText = 65'535;
constexpr std::array<std::string_view, 11> kFields = {
    "topic",          "payload",         "payload_base64", "qos",
    "retain",         "content_type",    "response_topic", "correlation_data_base64",
    "expiry_seconds", "user_properties", "payload_is_utf8"};

absl::Status Wrong(std::string_view field, std::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(field), ": ", std::string(allowed)));
}

void AddLength(size_t size, std::string* out) {
  out->push_back(static_cast<char>(size >> 8));
  out->push_back(static_cast<char>(size));
}

void AddField(mqtt::PropertyId id, std::string_view value, std::string* out) {
  out->push_back(static_cast<char>(id));
  AddLength(value.size(), out);
  out->append(value);
}

// Reads a text if it is there.
absl::Status ReadText(const Json& body, const char* name, std::string* out) {
  if (!body.contains(name)) return absl::OkStatus();
  if (!body[name].is_string()) return Wrong(name, "a text");
  *out = body[name].get<std::string>();
  if (out->size() > kLongestText || !mqtt::IsUtf8(*out))
    return Wrong(name, "a text of at most 65535 bytes of UTF-8 without U+0000");
  return absl::OkStatus();
}

absl::Status ReadBase64(const Json& body, const char* name, std::string* out) {
  if (!body.contains(name)) return absl::OkStatus();
  if (!body[name].is_string() || !absl::Base64Unescape(body[name].get<std::string>(), out))
    return Wrong(name, "base64");
  return absl::OkStatus();
}

absl::Status ReadPayload(const Json& body, std::string* payload) {
  if (body.contains("payload") && body.contains("payload_base64"))
    return Wrong("payload", "either this or payload_base64");
  if (!body.contains("payload")) return ReadBase64(body, "payload_base64", payload);
  if (!body["payload"].is_string()) return Wrong("payload", "a text; payload_base64 takes bytes");
  *payload = body["payload"].get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadUserProperties(const Json& body, std::string* out) {
  if (!body.contains("user_properties")) return absl::OkStatus();
  const Json& list = body["user_properties"];
  const auto good = [](const Json& pair) {
    return pair.is_array() && pair.size() == 2 &&
           std::all_of(pair.begin(), pair.end(), [](const Json& text) {
             return text.is_string() && text.get_ref<const std::string&>().size() <= kLongestText &&
                    mqtt::IsUtf8(text.get_ref<const std::string&>());
           });
  };
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), good))
    return Wrong("user_properties", "a list of pairs of texts, [[\"name\", \"value\"]]");
  for (const Json& pair : list) {
    AddField(mqtt::PropertyId::kUserProperty, pair[0].get_ref<const std::string&>(), out);
    const std::string& value = pair[1].get_ref<const std::string&>();
    AddLength(value.size(), out);
    out->append(value);
  }
  return absl::OkStatus();
}

absl::Status ReadProperties(const Json& body, PublishBody* publish) {
  std::string content_type;
  std::string response_topic;
  std::string correlation;
  if (auto status = ReadText(body, "content_type", &content_type); !status.ok()) return status;
  if (auto status = ReadText(body, "response_topic", &response_topic); !status.ok()) return status;
  if (response_topic.find_first_of("+#") != response_topic.npos)
    return Wrong("response_topic", "a topic without wildcards");
  if (auto status = ReadBase64(body, "correlation_data_base64", &correlation); !status.ok())
    return status;
  if (correlation.size() > kLongestText)
    return Wrong("correlation_data_base64", "at most 65535 bytes");
  if (body.contains("payload_is_utf8")) {
    if (!body["payload_is_utf8"].is_boolean()) return Wrong("payload_is_utf8", "true or false");
    if (body["payload_is_utf8"].get<bool>()) {
      if (!mqtt::IsUtf8Payload(publish->payload)) return Wrong("payload_is_utf8", "it is not");
      publish->properties.push_back(static_cast<char>(mqtt::PropertyId::kPayloadFormatIndicator));
      publish->properties.push_back(1);
    }
  }
  std::string* const out = &publish->properties;
  if (!content_type.empty()) AddField(mqtt::PropertyId::kContentType, content_type, out);
  if (!response_topic.empty()) AddField(mqtt::PropertyId::kResponseTopic, response_topic, out);
  if (!correlation.empty()) AddField(mqtt::PropertyId::kCorrelationData, correlation, out);
  return ReadUserProperties(body, out);
}

absl::Status ReadNumbers(const Json& body, PublishBody* publish) {
  if (body.contains("qos")) {
    const Json& qos = body["qos"];
    if (!qos.is_number_unsigned() || qos.get<uint64_t>() > 2) return Wrong("qos", "0, 1 or 2");
    publish->qos = static_cast<Qos>(qos.get<int>());
  }
  if (body.contains("retain")) {
    if (!body["retain"].is_boolean()) return Wrong("retain", "true or false");
    publish->retain = body["retain"].get<bool>();
  }
  if (!body.contains("expiry_seconds")) return absl::OkStatus();
  const Json& expiry = body["expiry_seconds"];
  if (!expiry.is_number_unsigned() || expiry.get<uint64_t>() >= mqtt::Message::kNoExpiry)
    return Wrong("expiry_seconds", "a number from 0 to 4294967294");
  publish->expiry_seconds = expiry.get<uint32_t>();
  return absl::OkStatus();
}

}  // namespace

mqtt::Message::Init PublishBody::init() const {
  mqtt::Message::Init init;
  init.topic = topic;
  init.properties = properties;
  init.payload = payload;
  init.qos = qos;
  init.retain = retain;
  init.expiry_seconds = expiry_seconds;
  return init;
}

absl::StatusOr<PublishBody> ReadPublish(const Json& body) {
  for (const auto& [name, value] : body.items()) {
    if (std::find(kFields.begin(), kFields.end(), name) == kFields.end())
      return Wrong(name, "there is no such field");
  }
  PublishBody publish;
  if (auto status = ReadText(body, "topic", &publish.topic); !status.ok()) return status;
  if (publish.topic.empty() || publish.topic.find_first_of("+#") != publish.topic.npos)
    return Wrong("topic", "a topic, without wildcards, is needed");
  if (!auth::ClientMayPublishTo(publish.topic))
    return absl::PermissionDeniedError("topic: it is the broker's own");
  if (auto status = ReadPayload(body, &publish.payload); !status.ok()) return status;
  if (auto status = ReadNumbers(body, &publish); !status.ok()) return status;
  if (auto status = ReadProperties(body, &publish); !status.ok()) return status;
  return publish;
}

}  // namespace skein::admin
