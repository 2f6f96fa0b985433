// A format byte and a v1.Message.
#include "storage/rocksdb/retained_value.h"

#include "broker/routing/retained_scan.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/log/message_codec.h"

namespace skein::storage {
namespace {

constexpr char kFormat = 1;

}  // namespace

std::string EncodeRetained(const mqtt::Message& message) {
  v1::Message stored;
  EncodeMessage(message, &stored);
  std::string value(1, kFormat);
  stored.AppendToString(&value);
  return value;
}

std::string EncodeRemoval(std::string_view key, TimeMs time) {
  const std::string topic = routing::DecodeRetainedKey(key);
  mqtt::Message::Init init;
  init.topic = topic;
  init.retain = true;
  init.received_at = time;
  return EncodeRetained(*mqtt::Message::Make(init));
}

mqtt::MessagePtr DecodeRetained(std::string_view key, std::string_view value) {
  if (value.empty() || value[0] != kFormat) return {};
  v1::Message stored;
  if (!stored.ParseFromArray(value.data() + 1, static_cast<int>(value.size() - 1))) return {};
  if (stored.topic().size() > UINT16_MAX || stored.qos() > 2) return {};
  if (routing::EncodeRetainedKey(stored.topic()) != key) return {};
  return DecodeMessage(stored);
}

}  // namespace skein::storage
