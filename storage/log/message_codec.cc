// Field by field.
#include "storage/log/message_codec.h"

#include <cstdint>

#include "skein/storage/v1/record.pb.h"

namespace skein::storage {

void EncodeMessage(const mqtt::Message& message, v1::Message* out) {
  out->Clear();
  out->set_topic(message.topic().data(), message.topic().size());
  if (!message.properties().empty()) {
    out->set_properties(message.properties().data(), message.properties().size());
  }
  out->set_payload(message.payload().data(), message.payload().size());
  out->set_qos(static_cast<uint32_t>(message.qos()));
  out->set_retain(message.retain());
  if (message.has_expiry()) out->set_expiry_seconds(message.expiry_seconds());
  out->set_received_at_ms(message.received_at());
}

mqtt::MessagePtr DecodeMessage(const v1::Message& message) {
  mqtt::Message::Init init;
  init.topic = message.topic();
  init.properties = message.properties();
  init.payload = message.payload();
  init.qos = static_cast<Qos>(message.qos());
  init.retain = message.retain();
  if (message.has_expiry_seconds()) init.expiry_seconds = message.expiry_seconds();
  init.received_at = message.received_at_ms();
  return mqtt::Message::Make(init);
}

}  // namespace skein::storage
