// What a CONNECT is granted.
//
// Purpose: the decisions on a CONNECT that need no I/O, as one pure function: which client id,
// which expiry, which keep alive, what the CONNACK announces; or the reason code with which it is
// refused. Thread: pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "broker/base/limits.h"
#include "broker/mqtt/packets.h"

namespace skein::session {

struct ConnectGrant {
  mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess;  // an error: the rest means nothing
  const char* rule = "";                                 // for the log when refused
  bool assign_client_id = false;     // the client sent none and gets one [MQTT-3.1.3-6]
  uint32_t expiry_seconds = 0;       // granted
  uint16_t keep_alive = 0;           // seconds to enforce, 0 = off
  uint16_t receive_maximum = 0;      // messages in flight towards the client
  uint16_t topic_alias_maximum = 0;  // aliases we may set towards the client
  uint32_t maximum_packet_size = 0;  // bytes of a packet towards the client
  bool problem_information =
      true;  // reason strings and user properties may be sent [MQTT-3.1.2-29]
};

ConnectGrant JudgeConnect(const mqtt::Connect& connect, const Limits& limits);

// CONNACK of an accepted connection. assigned: the client id the server chose, empty if the client
// brought its own.
mqtt::Connack MakeConnack(const mqtt::Connect& connect, const ConnectGrant& grant,
                          const Limits& limits, bool session_present, std::string_view assigned);

// The expiry a DISCONNECT may change to [MQTT-3.14.2-2]: an error if it was 0 and would become
// more.
mqtt::ReasonCode JudgeDisconnectExpiry(uint32_t current, uint32_t wanted);

}  // namespace skein::session
