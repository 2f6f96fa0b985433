// What the broker says about itself, kept for who subscribes later.
//
// Purpose: the last message of each topic below $SYS/. They are not retained messages: nothing of
// them is written to disk, counted against limits.max_retained_..., or compared between nodes; each
// is said again all the time, and ends by itself when it is not. Owner: cmd/, outlives the shards.
// Thread: any. Limits: kMaxTopics; a topic beyond them is not kept (false).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/base/mutex.h"
#include "broker/mqtt/message.h"
#include "broker/shard/retained_store.h"

namespace skein::shard {

// One thing that the broker says.
struct OwnMessage {
  mqtt::MessagePtr message;  // for those who have subscribed
  mqtt::MessagePtr kept;     // the same with RETAIN set
  bool everywhere = false;   // for all nodes
};

class SysTopics {
 public:
  static constexpr size_t kMaxTopics = 65'536;
  static constexpr std::string_view kPrefix = "$SYS/";

  static bool Holds(std::string_view topic) { return topic.starts_with(kPrefix); }
  // Whether a topic filter is about them. One that begins with a wildcard is not [MQTT-4.7.2-1].
  static bool IsAbout(std::string_view filter) {
    return filter.starts_with(kPrefix) || filter == kPrefix.substr(0, kPrefix.size() - 1);
  }

  bool Set(const mqtt::MessagePtr& message, TimeMs now);
  // What matches now, and is not expired when it is read.
  std::unique_ptr<RetainedReader> Open(std::string_view topic_filter) const;
  size_t size() const;

 private:
  mutable Mutex mutex_;
  std::map<std::string, mqtt::MessagePtr, std::less<>> topics_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein::shard
