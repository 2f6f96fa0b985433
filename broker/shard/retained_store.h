// The port to the retained messages.
//
// Purpose: the last message with RETAIN set of each topic, held once for the whole node.
// Owner: made by cmd/, outlives the shards. Thread: all methods on any thread; none waits for a
// disk nor blocks for longer than a bounded number of steps. Limits: Limits::max_retained_messages
// and max_retained_bytes; a message beyond them is refused and counted. Errors: an implementation
// that cannot keep what it was given aborts the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "broker/base/types.h"
#include "broker/mqtt/message.h"
#include "broker/shard/retained_digest.h"

namespace skein::shard {

// Reads what matches one topic filter, piece by piece, in a fixed order of topics. Thread: confined
// to whoever asked for it. Life: ends before its store; a read under way is given up.
class RetainedReader {
 public:
  virtual ~RetainedReader() = default;

  enum class Result : uint8_t {
    kDone,     // there are no more
    kMore,     // go on any time
    kPending,  // a disk has to be read first; `wake` is called when to go on
  };
  // Before the first Read(): only topics that come after this one in the order.
  virtual void StartAfter(std::string_view topic) = 0;
  // Appends up to `limit` messages that are retained now and not expired at `now`. Examines a
  // bounded number of topics, so it may append fewer than `limit`, even none, with more to come. A
  // topic of which nothing was retained when the reader was opened may be left out.
  virtual Result Read(TimeMs now, size_t limit, std::vector<mqtt::MessagePtr>* out) = 0;
};

class RetainedStore {
 public:
  virtual ~RetainedStore() = default;

  enum class PutResult : uint8_t {
    kStored,
    kRemoved,  // the payload was empty; also when there was nothing to remove
    kFull,     // a bound is reached; what was retained before is kept
    kOlder,    // of Merge() only: what is here was set or removed later, or is the same
  };
  // Replaces the topic's retained message [MQTT-3.3.1-5]; an empty payload removes it
  // [MQTT-3.3.1-6] [MQTT-3.3.1-7]. A replacement that does not grow is never refused.
  virtual PutResult Put(const mqtt::MessagePtr& message) = 0;

  // The same in a cluster, where the newest write of a topic wins on every node: the later
  // received_at, which here is a hybrid logical clock. PutLatest() is for a message that was
  // published here: if its time is not later than what the topic had, it is replaced by a copy with
  // one that is. Merge() is for what another node has; what has ended by itself at `now` counts as
  // older where nothing is retained. Both remember removals.
  virtual PutResult PutLatest(mqtt::MessagePtr* message) = 0;
  virtual PutResult Merge(const mqtt::MessagePtr& message, TimeMs now) = 0;
  // The removals in the buckets that are remembered, as messages without a payload.
  virtual std::vector<mqtt::MessagePtr> Removed(const RetainedBuckets& buckets) const = 0;
  // Of all that is retained or was removed, as of the last full minute or a later one that was
  // asked for before. Takes no walk over the messages.
  virtual RetainedDigest Digest(TimeMs now) = 0;

  // topic_filter: empty reads everything, topics that begin with '$' included.
  // wake: called on any thread, at most once for each kPending, and never after the reader's end.
  virtual std::unique_ptr<RetainedReader> Open(std::string_view topic_filter,
                                               std::function<void()> wake) = 0;

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
