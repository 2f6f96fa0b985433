// The port to the retained messages.
//
// Purpose: the last message with RETAIN set of each topic, held once for the whole node.
// Owner: made by cmd/, outlives the shards. Thread: all methods on any thread; none blocks for
// longer than a bounded number of steps. Limits: Limits::max_retained_messages and
// max_retained_bytes; a message beyond them is refused and counted.
// Errors: an implementation that cannot keep what it was given aborts the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/types.h"
#include "broker/mqtt/message.h"

namespace skein::shard {

class RetainedStore {
 public:
  virtual ~RetainedStore() = default;

  enum class PutResult : uint8_t {
    kStored,
    kRemoved,  // the payload was empty; also when there was nothing to remove
    kFull,     // a bound is reached; what was retained before is kept
  };
  // Replaces the topic's retained message [MQTT-3.3.1-5]; an empty payload removes it
  // [MQTT-3.3.1-6] [MQTT-3.3.1-7]. A replacement that does not grow is never refused.
  virtual PutResult Put(const mqtt::MessagePtr& message) = 0;

  // Appends up to `limit` messages that match the topic filter and are not expired at `now`, in a
  // fixed order of topics. *cursor says where to start (empty: at the beginning) and is set to
  // where to go on. Examines a bounded number of topics, so it may append fewer than `limit`, even
  // none, with more to come. Returns true when there are no more.
  virtual bool Read(std::string_view topic_filter, TimeMs now, size_t limit, std::string* cursor,
                    std::vector<mqtt::MessagePtr>* out) = 0;

  // Drops expired messages [MQTT-3.3.2-5], at most `max_steps` of them; the next call goes on.
  virtual void Sweep(TimeMs now, size_t max_steps) = 0;

  struct Stats {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    uint64_t refused = 0;  // Put() calls that returned kFull
  };
  virtual Stats stats() const = 0;
};

}  // namespace skein::shard
