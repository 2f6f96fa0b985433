// What messages between nodes have in common on the wire.
//
// Purpose: topic, properties, payload and QoS of a message; times as ages. For .cc files of this
// folder only. Thread: pure.
#pragma once

#include <algorithm>
#include <string>

#include "broker/base/types.h"
#include "broker/mqtt/message.h"

namespace skein::cluster {

inline uint64_t AgeOf(TimeMs then, TimeMs now) {
  return static_cast<uint64_t>(std::max<TimeMs>(now - then, 0));
}

inline TimeMs TimeOf(uint64_t age_ms, TimeMs now) {
  return now - static_cast<TimeMs>(std::min<uint64_t>(age_ms, static_cast<uint64_t>(now)));
}

// What v1::Publish and v1::Retained have in common.
template <typename Out>
void PutContent(const mqtt::Message& message, Out* out) {
  out->set_topic(std::string(message.topic()));
  out->set_properties(std::string(message.properties()));
  out->set_payload(std::string(message.payload()));
  out->set_qos(static_cast<uint32_t>(message.qos()));
  if (message.has_expiry()) out->set_expiry_seconds(message.expiry_seconds());
}

// False: it makes no sense. The views in *init are of `in`.
template <typename In>
bool TakeContent(const In& in, mqtt::Message::Init* init) {
  if (in.qos() > 2 || in.topic().empty() || in.topic().size() > UINT16_MAX) return false;
  init->topic = in.topic();
  init->properties = in.properties();
  init->payload = in.payload();
  init->qos = static_cast<Qos>(in.qos());
  if (in.has_expiry_seconds()) init->expiry_seconds = in.expiry_seconds();
  return true;
}

}  // namespace skein::cluster
