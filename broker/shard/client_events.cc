#include "broker/shard/client_events.h"

#include <nlohmann/json.hpp>

namespace skein::shard {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json UserOf(const session::Session& session) {
  const bool known = session.principal != nullptr && !session.principal->user_name.empty();
  return known ? Json(session.principal->user_name) : Json();
}

}  // namespace

std::string ClientEvents::LevelOf(std::string_view client_id) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string level;
  for (const char c : client_id) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte != 0x7F && c != '%' && c != '/' && c != '+' && c != '#') {
      level += c;
    } else {
      level += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return level;
}

void ClientEvents::TellConnected(const Connection& connection) {
  const session::Session& session = state_.sessions[connection.session];
  Json json;
  json["client_id"] = session.client_id();
  json["username"] = UserOf(session);
  json["address"] = state_.ports.peer(connection).name;
  json["listener"] = state_.options.listeners[connection.listener].name;
  json["protocol_version"] = kVersionLabels[static_cast<size_t>(connection.version) -
                                            static_cast<size_t>(mqtt::ProtocolVersion::k31)];
  json["keep_alive_seconds"] = connection.keep_alive;
  json["session_expiry_seconds"] = session.expiry_seconds;
  json["connected_at"] = state_.now;
  Tell(session.client_id(), "connected", Text(json));
}

void ClientEvents::TellDisconnected(const Connection& connection, EndReason why) {
  const session::Session& session = state_.sessions[connection.session];
  Json json;
  json["client_id"] = session.client_id();
  json["username"] = UserOf(session);
  json["listener"] = state_.options.listeners[connection.listener].name;
  json["reason"] = kEndReasonNames[static_cast<size_t>(why)];
  json["disconnected_at"] = state_.now;
  Tell(session.client_id(), "disconnected", Text(json));
}

void ClientEvents::Tell(std::string_view client_id, std::string_view what,
                        std::string_view payload) {
  const std::string topic = "$SYS/brokers/" + state_.options.node_name + "/clients/" +
                            LevelOf(client_id) + "/" + std::string(what);
  if (topic.size() > UINT16_MAX) return;  // nobody could have it
  mqtt::Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.received_at = state_.now;
  dispatcher_.PublishOwn(mqtt::Message::Make(init), true);
}

}  // namespace skein::shard
