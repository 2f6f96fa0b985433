#include "cmd/skeinmqctl/json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "broker/admin/subscription_json.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint32_t kExpiresNever = UINT32_MAX;

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
}

Json TimeJson(TimeMs time) {
  return time == kNever ? Json() : Json(time);
}

Json MessageJson(const mqtt::Message& message) {
  Json json;
  json["topic"] = message.topic();
  json["qos"] = static_cast<int>(message.qos());
  json["retain"] = message.retain();
  json["received_at_ms"] = message.received_at();
  json["expiry_seconds"] = message.has_expiry() ? Json(message.expiry_seconds()) : Json();
  json["properties"] = Base64(message.properties());
  json["payload"] = Base64(message.payload());
  return json;
}

std::string Text(const Json& json, bool pretty = false) {
  return json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string SessionJson(const session::SessionImage& image, bool pretty) {
  Json json;
  json["type"] = "session";
  json["client_id"] = image.client_id;
  json["partition"] = image.key.partition;
  json["number"] = image.key.number;
  json["version"] = image.version;
  json["expiry_seconds"] =
      image.expiry_seconds == kExpiresNever ? Json() : Json(image.expiry_seconds);
  json["connected"] = image.disconnected_at == kNever;
  json["disconnected_at_ms"] = TimeJson(image.disconnected_at);
  json["will"] = Json();
  if (image.will) {
    json["will"] = MessageJson(*image.will->message);
    json["will"]["delay_seconds"] = image.will->delay_seconds;
  }
  json["will_due_ms"] = TimeJson(image.will_due);
  json["subscriptions"] = Json::array();
  for (const auto& [filter, options] : image.subscriptions)
    json["subscriptions"].push_back(admin::SubscriptionJson(filter, options));
  json["inbound_packet_ids"] = Json::array();
  for (const session::InboundTaken& taken : image.inbound)
    json["inbound_packet_ids"].push_back(taken.packet_id);
  json["first_sequence"] = image.first_sequence;
  json["last_sequence"] = image.last_sequence;
  json["last_sent"] = image.last_sent;
  json["queued_messages"] = image.queued_messages;
  json["queued_bytes"] = image.queued_bytes;
  return Text(json, pretty);
}

std::string QueuedJson(const std::string& client_id, const session::StoredDelivery& delivery) {
  Json json;
  json["type"] = "queued";
  json["client_id"] = client_id;
  json["sequence"] = delivery.sequence;
  json["packet_id"] = delivery.packet_id == 0 ? Json() : Json(delivery.packet_id);
  json["released"] = delivery.released;
  json["delivery_qos"] = static_cast<int>(delivery.qos);
  json["delivery_retain"] = delivery.retain;
  json["subscription_identifiers"] = delivery.subscription_ids;
  json["message"] = delivery.message ? MessageJson(*delivery.message) : Json();
  return Text(json);
}

std::string RetainedJson(const mqtt::Message& message) {
  Json json;
  json["type"] = "retained";
  json["message"] = MessageJson(message);
  return Text(json);
}

}  // namespace skein::ctl
