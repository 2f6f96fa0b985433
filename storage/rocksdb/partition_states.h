// The state that follows from the partitions' logs.
//
// Purpose: applies the frames of a log to session rows, subscriptions, queues and message bodies,
// and answers reads from them. The same Apply() serves a live frame and one that is replayed at
// start.
//
// How it stays right across a crash. The state is written without a WAL, so after a crash the
// database holds a prefix of the batches it was given: all of them up to some checkpoint, and some
// of those that followed. Two kinds of state meet that differently:
//   rows    what is read, changed and written back: session rows, body counts, applied positions.
//           They change in memory only. Checkpoint() writes all that changed in one batch, so the
//           rows on disk correspond exactly to the applied position on disk.
//   blind   what a frame alone determines: queue entries, bodies, subscriptions. Apply() puts or
//           deletes them at once. On disk they may be ahead of the rows; replaying the frames
//           after the applied position repeats the same puts and deletes and ends the same.
// A queue entry is deleted, and its body's use given up, only by a checkpoint: the deletes, the row
// that says what is left to delete and the body's count are one batch. So no use is given up twice
// and none is forgotten.
//
// Owner: the committer. Thread: Load(), Apply(), Sweep(), Checkpoint() on one thread at a time; the
// others on any thread, at any time. Life: Load(), Apply() of every frame after applied(), then
// live. Each batch is written, in the order of the calls, before the next Sweep(), Checkpoint() or
// Recover(); the one given to Checkpoint() before any other call of the owner. Errors: a failing
// read aborts the process in the calls that return no status.
// Limits: max_clean_rows rows and as many body counts stay in memory when they are
// written; the owner makes a checkpoint when dirty_bytes() is large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "broker/base/mutex.h"
#include "broker/session/store.h"

namespace rocksdb {
class WriteBatch;
}
namespace skein::storage::v1 {
class Completed;
class Enqueued;
class Frame;
class Record;
class Subscribed;
}  // namespace skein::storage::v1

namespace skein::storage {

class Database;
class BodyUses;
class SessionRows;
class Sweeper;
struct CachedRow;

class PartitionStates {
 public:
  static constexpr size_t kMaxCleanRows = 65'536;

  struct Position {
    uint64_t sequence = 0;  // of the last frame applied; 0 = none
    uint64_t chain = 0;
    bool operator==(const Position&) const = default;
  };

  // The database outlives this object.
  PartitionStates(Database* database, uint32_t partitions, size_t max_clean_rows = kMaxCleanRows);
  ~PartitionStates();

  // Reads the applied positions and what is left to clean up.
  absl::Status Load();

  Position applied(session::PartitionId partition) const;

  // Applies the frame that follows applied(partition). Appends its blind writes to *batch.
  void Apply(session::PartitionId partition, Position at, const v1::Frame& frame,
             rocksdb::WriteBatch* batch);

  // Housekeeping: gives up the bodies of messages that left their queues, deletes what ended
  // sessions leave behind. A step is about one entry read. True: there is more to do. What it found
  // is written by the next Checkpoint().
  bool Sweep(size_t max_steps, rocksdb::WriteBatch* batch);

  // Appends all rows that changed since the last checkpoint, and the applied positions.
  void Checkpoint(rocksdb::WriteBatch* batch);

  // About how much a checkpoint would write now.
  uint64_t dirty_bytes() const;

  // Yields every session of the partition, in the order of their numbers; returns how many. The
  // image is valid during the call of `visit` only. Includes what no checkpoint has written yet.
  // Other partitions may be recovered at the same time on other threads.
  uint64_t Recover(session::PartitionId partition,
                   const std::function<void(const session::SessionImage&)>& visit);

  // Reads a page; request.after is the caller's business. An unknown session has an empty queue.
  absl::Status ReadPage(const session::QueueRead& request, session::QueuePage* page);

 private:
  absl::Status LoadPartition(session::PartitionId partition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LoadNumbers(session::PartitionId partition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplyRecord(session::PartitionId partition, Position at, const v1::Record& record,
                   rocksdb::WriteBatch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplyToSession(CachedRow* cached, Position at, const v1::Record& record,
                      rocksdb::WriteBatch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplyEnqueued(CachedRow* cached, Position at, const v1::Enqueued& enqueued,
                     rocksdb::WriteBatch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplyCompleted(CachedRow* cached, Position at, const v1::Completed& completed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplySubscribed(CachedRow* cached, const v1::Subscribed& subscribed,
                       rocksdb::WriteBatch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void KeepBodies(session::PartitionId partition, Position at, const v1::Frame& frame,
                  rocksdb::WriteBatch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Database* const database_;
  mutable Mutex mutex_;
  const std::unique_ptr<SessionRows> rows_ ABSL_PT_GUARDED_BY(mutex_);
  const std::unique_ptr<BodyUses> bodies_ ABSL_PT_GUARDED_BY(mutex_);
  const std::unique_ptr<Sweeper> sweeper_ ABSL_PT_GUARDED_BY(mutex_);
  std::vector<Position> applied_ ABSL_GUARDED_BY(mutex_);
  std::vector<bool> moved_ ABSL_GUARDED_BY(mutex_);  // applied_ changed since the last checkpoint
  // During Apply(): how often each body of the frame was used; a buffer for values.
  std::vector<uint64_t> uses_ ABSL_GUARDED_BY(mutex_);
  std::string scratch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein::storage
