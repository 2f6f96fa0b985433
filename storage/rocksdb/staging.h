// Where the shards hand their records over to the committer.
//
// Purpose: holds, for each shard, what was handed over and not yet taken, and decides what can be
// taken: all records that need no other, as a consistent cut through the shards' streams. A record
// whose group is not complete, or has records behind the cut, stays, and with it all that comes
// after it in its shard.
// Thread: HandOver(), Open(), Cancel() on the shards' threads, Take() on the committer's; one
// mutex, held while vectors are swapped. Limits: none of its own; a shard stops reading publishers
// that wait for too many promises.
#pragma once

#include <atomic>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/base/mutex.h"
#include "broker/base/types.h"
#include "broker/session/store.h"
#include "storage/rocksdb/staged_record.h"

namespace skein::storage {

class Staging {
 public:
  explicit Staging(ShardId shards) : handed_(shards), taken_(shards) {}

  // Takes the open batch over and leaves it empty; then each of the groups has one open part less.
  // The groups are forgotten.
  void HandOver(ShardId shard, StagedBatch* open, std::vector<session::CommitGroupPtr>* closing);

  // The group gets one part more.
  void Open(session::CommitGroup* group);

  // The Enqueued record will not be written. False: it has been taken.
  bool Cancel(ShardId shard, session::Lsn lsn);

  // The shard's records below this one were taken.
  session::Lsn taken(ShardId shard) const { return taken_[shard].load(std::memory_order_relaxed); }

  // Moves what can be written now into *taken, a batch a shard, which were empty. False: nothing.
  bool Take(std::vector<StagedBatch>* taken);

 private:
  void FindCut() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool LowerCut(size_t shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  std::vector<StagedBatch> handed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::atomic<session::Lsn>> taken_;           // a shard's records below were taken
  std::vector<session::Lsn> cut_ ABSL_GUARDED_BY(mutex_);  // records from here on stay
  std::vector<const session::CommitGroup*> left_ ABSL_GUARDED_BY(mutex_);  // groups that stay
};

// Makes an Enqueued record in the batch a cancelled one.
void CancelIn(StagedBatch* batch, session::Lsn lsn, mqtt::MessagePtr* message);

}  // namespace skein::storage
