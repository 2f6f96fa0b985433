#include "storage/log/retained_stamp.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

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

}  // namespace skein::storage
