#include "storage/log/retained_stamp.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "broker/routing/retained_scan.h"

namespace skein::storage {

RetainedStamp RetainedStamp::Of(const mqtt::Message& message) {
  if (message.payload().empty()) return {message.received_at(), 0};
  const uint64_t seed = XXH3_64bits(message.properties().data(), message.properties().size()) +
                        static_cast<uint64_t>(message.qos());
  const std::string_view payload = message.payload();
  const auto hash =
      static_cast<uint32_t>(XXH3_64bits_withSeed(payload.data(), payload.size(), seed));
  return {message.received_at(), hash | 1};
}

std::vector<mqtt::MessagePtr> MakeRemovals(const Tombstones& tombstones) {
  std::vector<mqtt::MessagePtr> removals;
  removals.reserve(tombstones.size());
  tombstones.ForEach([&](const std::string& key, TimeMs stamp) {
    const std::string topic = routing::DecodeRetainedKey(key);
    mqtt::Message::Init init;
    init.topic = topic;
    init.retain = true;
    init.received_at = stamp;
    removals.push_back(mqtt::Message::Make(init));
  });
  return removals;
}

}  // namespace skein::storage
