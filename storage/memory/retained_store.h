// Retained messages in memory: the twin of the port that needs no disk.
//
// Purpose: broker/shard/retained_store.h over a std::map in the key order of
// broker/routing/retained_scan.h. Nothing survives the process.
// Thread: all methods on any thread; one mutex, held for at most kMaxSteps steps of a read.
// Limits: as the port says; Limits give them. A message counts with Message::cost().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/base/limits.h"
#include "broker/base/mutex.h"
#include "broker/shard/retained_store.h"
#include "storage/log/retained_stamp.h"
#include "storage/log/retained_sums.h"
#include "storage/log/tombstones.h"

namespace skein::storage {

class MemoryRetainedStore : public shard::RetainedStore {
 public:
  // Topics one Read() examines.
  static constexpr size_t kMaxSteps = 512;

  explicit MemoryRetainedStore(const Limits& limits);

  PutResult Put(const mqtt::MessagePtr& message) override;
  PutResult PutLatest(mqtt::MessagePtr* message) override;
  PutResult Merge(const mqtt::MessagePtr& message, TimeMs now) override;
  std::vector<mqtt::MessagePtr> Removed(const shard::RetainedBuckets& buckets) const override;
  shard::RetainedDigest Digest(TimeMs now) override;
  // Never wakes: no read is ever pending.
  std::unique_ptr<shard::RetainedReader> Open(std::string_view topic_filter,
                                              std::function<void()> wake) override;
  void Sweep(TimeMs now, size_t max_steps) override;
  Stats stats() const override;

 private:
  class Reader;
  using Messages = std::map<std::string, mqtt::MessagePtr, std::less<>>;

  PutResult Store(const mqtt::MessagePtr& message, mqtt::MessagePtr* replaced)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of what was last set or removed there.
  RetainedStamp StampOf(const std::string& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PutResult StoreStamped(const std::string& key, const mqtt::MessagePtr& message,
                         mqtt::MessagePtr* replaced) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the entry hold `message`, or drops the entry when it is null; returns what it held.
  mqtt::MessagePtr Replace(Messages::iterator entry, mqtt::MessagePtr message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t max_messages_;
  const uint64_t max_bytes_;

  mutable Mutex mutex_;
  Messages messages_ ABSL_GUARDED_BY(mutex_);
  // Those with an expiry, by when they expire; the views are keys of messages_.
  std::set<std::pair<TimeMs, std::string_view>> expiries_ ABSL_GUARDED_BY(mutex_);
  RetainedSums sums_ ABSL_GUARDED_BY(mutex_);  // of all that is there
  Tombstones tombstones_ ABSL_GUARDED_BY(mutex_){&sums_};
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace skein::storage
