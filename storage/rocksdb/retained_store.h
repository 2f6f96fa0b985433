// Retained messages on disk.
//
// Purpose: broker/shard/retained_store.h over the family "retained", whose keys are in the order of
// broker/routing/retained_scan.h, so that a wildcard filter is answered by ordered seeks.
//
// Who writes. Put() changes memory only: the index, which says what exists, and the overlay, which
// holds what the database does not have yet. The shard then appends the change to its batch, and
// the committer takes what the overlay holds by then into the write: Collect(), the write with WAL,
// Written(). Nobody else writes the family, so what is on disk follows the order of the Put()s.
//
// Who reads. A reader is served from the overlay and the block cache on its own thread; when that
// is not enough a thread of the store reads on and wakes the asker. What was read may be replaced
// before it is handed on: the index says so, as each entry carries the number of its last change.
//
// Owner: cmd/. Thread: Put(), Open(), Sweep(), stats() on any; Collect(), CollectExpired(),
// Written() on the committer's. Life: the database outlives this object, this object its readers.
// Limits: Limits::max_retained_*; about 56 bytes of memory a topic, and the topic once more if its
// message expires; the overlay holds what is not committed yet. Errors: damaged data or a failing
// read ends the process.
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
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "broker/base/limits.h"
#include "broker/base/mutex.h"
#include "broker/routing/retained_scan.h"
#include "broker/shard/retained_store.h"
#include "storage/log/retained_stamp.h"
#include "storage/log/retained_sums.h"
#include "storage/log/tombstones.h"

namespace rocksdb {
class WriteBatch;
}

namespace skein::storage {

class Database;
class RetainedPrefetcher;

class RocksRetainedStore : public shard::RetainedStore {
 public:
  // Expired messages one Collect() deletes besides its own.
  static constexpr size_t kExpiredAtOnce = 64;

  // Reads the family once to build the index. An error: a value is damaged.
  static absl::StatusOr<std::unique_ptr<RocksRetainedStore>> Create(Database* database,
                                                                    const Limits& limits);
  ~RocksRetainedStore() override;

  PutResult Put(const mqtt::MessagePtr& message) override;
  PutResult PutLatest(mqtt::MessagePtr* message) override;
  PutResult Merge(const mqtt::MessagePtr& message, TimeMs now) override;
  std::vector<mqtt::MessagePtr> Removed(const shard::RetainedBuckets& buckets) const override;
  shard::RetainedDigest Digest(TimeMs now) override;
  std::unique_ptr<shard::RetainedReader> Open(std::string_view topic_filter,
                                              std::function<void()> wake) override;
  void Sweep(TimeMs now, size_t max_steps) override;
  Stats stats() const override;

  // Appends what is retained under the topic now, unless the database has it.
  void Collect(std::string_view topic, rocksdb::WriteBatch* batch);
  // Appends deletes of up to `max` expired messages.
  void CollectExpired(size_t max, rocksdb::WriteBatch* batch);
  // All that was collected so far has been written.
  void Written();

  // --- for its readers
  // ----------------------------------------------------------------------------- What the overlay
  // holds in a range of keys. A null message: nothing is retained there.
  struct Changes {
    uint64_t version = 0;  // of the newest change that is seen
    std::vector<std::pair<std::string, mqtt::MessagePtr>> entries;  // ascending
    bool complete = false;
    std::string end;  // unless complete: later keys were not looked at
  };
  // The changes from the key on that match the scan; looks at a bounded number.
  Changes ChangesFrom(std::string_view key, const routing::RetainedScan& scan) const;

  enum class Currency : uint8_t {
    kCurrent,
    kReplaced,  // and not in memory any more, unless *message was set
    kGone,
  };
  // Is this still what is retained, if it was when `version` was the newest change?
  Currency Check(uint64_t version, mqtt::MessagePtr* message) const;

  // Something is retained under exactly this topic.
  bool Exists(std::string_view topic) const;

 private:
  struct Entry {
    uint32_t cost = 0;
    uint32_t tie = 0;  // with `time` its RetainedStamp
    TimeMs time = 0;
    uint64_t version = 0;  // of the last change
    TimeMs expires_at = kNever;
  };
  struct Change {
    mqtt::MessagePtr message;  // null: removed
    uint64_t version = 0;
    uint64_t collected = 0;  // the version that was put into a batch
  };
  using Overlay = std::map<std::string, Change, std::less<>>;
  using Index = absl::flat_hash_map<uint64_t, Entry>;

  RocksRetainedStore(Database* database, const Limits& limits);

  absl::Status Load();
  PutResult Store(const std::string& key, const mqtt::MessagePtr& message,
                  mqtt::MessagePtr* replaced) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PutResult Remove(const std::string& key, bool must_record, mqtt::MessagePtr* replaced)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of what was last set or removed there.
  RetainedStamp StampOf(const std::string& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PutResult StoreStamped(const std::string& key, const mqtt::MessagePtr& message,
                         mqtt::MessagePtr* replaced) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t Hash(std::string_view key) const;
  void Insert(std::string_view key, Index::iterator entry, const mqtt::Message& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(std::string_view key, Index::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(std::string_view key, const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool CollectChange(std::string_view key, rocksdb::WriteBatch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CollectSomeExpired(size_t max, rocksdb::WriteBatch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Database* const database_;
  const uint64_t max_messages_;
  const uint64_t max_bytes_;
  const uint64_t seed_;  // so that nobody can make topics collide in the index

  mutable Mutex mutex_;
  Index index_ ABSL_GUARDED_BY(mutex_);  // by hash of the key
  Overlay overlay_ ABSL_GUARDED_BY(mutex_);
  // Keys of those with an expiry, by when they expire.
  std::set<std::pair<TimeMs, std::string>> expiries_ ABSL_GUARDED_BY(mutex_);
  RetainedSums sums_ ABSL_GUARDED_BY(mutex_);  // of all that is there
  Tombstones tombstones_ ABSL_GUARDED_BY(mutex_){
      &sums_};  // as rows of the family without a payload
  // Keys of expired messages that are to be deleted from the database.
  std::vector<std::string> expired_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, uint64_t>> collected_ ABSL_GUARDED_BY(mutex_);
  uint64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;

  std::unique_ptr<RetainedPrefetcher> prefetcher_;
};

}  // namespace skein::storage
