#include "broker/session/connect_rules.h"

#include <algorithm>

#include "broker/session/session.h"

namespace skein::session {

using mqtt::PropertyId;
using mqtt::ProtocolVersion;
using mqtt::ReasonCode;

namespace {

uint32_t WantedExpiry(const mqtt::Connect& connect) {
  if (connect.version == ProtocolVersion::k5) return connect.properties.session_expiry_interval;
  return connect.clean_start ? 0 : kExpiryNever;
}

uint16_t KeepAlive(uint16_t wanted, uint16_t server) {
  if (server == 0) return wanted;
  return wanted == 0 ? server : std::min(wanted, server);
}

ConnectGrant Refuse(ReasonCode reason, const char* rule) {
  ConnectGrant grant;
  grant.reason = reason;
  grant.rule = rule;
  return grant;
}

}  // namespace

ConnectGrant JudgeConnect(const mqtt::Connect& connect, const Limits& limits) {
  const bool v5 = connect.version == ProtocolVersion::k5;
  if (connect.client_id.empty() && !v5 &&
      (!connect.clean_start || connect.version == ProtocolVersion::k31)) {
    return Refuse(ReasonCode::kClientIdentifierNotValid,
                  "[MQTT-3.1.3-8] a client id is needed to keep a session");
  }
  if (connect.client_id.size() > limits.max_client_id_bytes) {
    return Refuse(ReasonCode::kClientIdentifierNotValid,
                  "client id longer than limits.max_client_id_bytes");
  }
  ConnectGrant grant;
  grant.assign_client_id = connect.client_id.empty();
  grant.expiry_seconds = std::min(WantedExpiry(connect), limits.max_session_expiry);
  // A 3.x client cannot be told a server keep alive, so its own is kept.
  grant.keep_alive =
      v5 ? KeepAlive(connect.keep_alive, limits.server_keep_alive) : connect.keep_alive;
  grant.receive_maximum = limits.max_inflight;
  grant.maximum_packet_size = UINT32_MAX;
  if (v5) {
    const mqtt::Properties& p = connect.properties;
    grant.receive_maximum = std::min(p.receive_maximum, limits.max_inflight);
    grant.topic_alias_maximum = std::min(p.topic_alias_maximum, limits.topic_alias_maximum_out);
    if (p.Has(PropertyId::kMaximumPacketSize)) grant.maximum_packet_size = p.maximum_packet_size;
    grant.problem_information = p.request_problem_information != 0;
  }
  return grant;
}

mqtt::Connack MakeConnack(const mqtt::Connect& connect, const ConnectGrant& grant,
                          const Limits& limits, bool session_present, std::string_view assigned) {
  mqtt::Connack packet;
  packet.session_present = session_present && connect.version != ProtocolVersion::k31;
  if (connect.version != ProtocolVersion::k5) return packet;
  mqtt::Properties& p = packet.properties;
  p.receive_maximum = limits.receive_maximum;
  p.Mark(PropertyId::kReceiveMaximum);
  p.maximum_packet_size = limits.max_packet_size;
  p.Mark(PropertyId::kMaximumPacketSize);
  if (limits.topic_alias_maximum > 0) {
    p.topic_alias_maximum = limits.topic_alias_maximum;
    p.Mark(PropertyId::kTopicAliasMaximum);
  }
  if (!assigned.empty()) {
    p.assigned_client_identifier = assigned;
    p.Mark(PropertyId::kAssignedClientIdentifier);
  }
  if (grant.keep_alive != connect.keep_alive) {
    p.server_keep_alive = grant.keep_alive;
    p.Mark(PropertyId::kServerKeepAlive);
  }
  if (grant.expiry_seconds != WantedExpiry(connect)) {
    p.session_expiry_interval = grant.expiry_seconds;
    p.Mark(PropertyId::kSessionExpiryInterval);
  }
  return packet;
}

ReasonCode JudgeDisconnectExpiry(uint32_t current, uint32_t wanted) {
  return current == 0 && wanted != 0 ? ReasonCode::kProtocolError : ReasonCode::kSuccess;
}

}  // namespace skein::session
