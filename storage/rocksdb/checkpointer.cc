#include "storage/rocksdb/checkpointer.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "storage/rocksdb/database.h"
#include "storage/rocksdb/fatal.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/partition_states.h"
#include "storage/rocksdb/store_stats.h"

namespace skein::storage {
namespace {

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

}  // namespace

Checkpointer::Checkpointer(Database* database, PartitionStates* states, uint64_t bytes,
                           StoreStats* stats, Logger* logger)
    : database_(database),
      states_(states),
      bytes_(bytes),
      stats_(stats),
      logger_(logger),
      applied_(database->partitions()),
      deleted_(database->partitions()) {}

void Checkpointer::Applied(session::PartitionId partition, uint64_t sequence, uint64_t bytes) {
  applied_[partition] = sequence;
  frame_bytes_ += bytes;
}

void Checkpointer::Write(rocksdb::WriteBatch* batch) {
  if (batch->Count() == 0) return;
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status status = database_->db()->Write(options, batch);
  if (!status.ok()) Fatal(logger_, "writing the state", status.ToString());
  batch->Clear();
}

// Also after housekeeping alone: only a checkpoint deletes what it found.
bool Checkpointer::dirty() const {
  return frame_bytes_ > 0 || states_->dirty_bytes() > 0;
}

bool Checkpointer::due() const {
  return frame_bytes_ >= bytes_ || states_->dirty_bytes() >= bytes_;
}

void Checkpointer::Run() {
  WriteCheckpoint();
  Flush(/*wait=*/false);
}

void Checkpointer::RunAndWait() {
  WriteCheckpoint();
  Flush(/*wait=*/true);
}

void Checkpointer::WriteCheckpoint() {
  rocksdb::WriteBatch batch;
  states_->Checkpoint(&batch);
  for (session::PartitionId partition = 0; partition < applied_.size(); ++partition) {
    if (applied_[partition] == deleted_[partition]) continue;
    // The first range begins at 0 and so covers what an earlier process may have left.
    const uint64_t from = deleted_[partition] == 0 ? 0 : deleted_[partition] + 1;
    batch.DeleteRange(database_->family(Family::kLog), AsSlice(LogKey(partition, from)),
                      AsSlice(LogKey(partition, applied_[partition] + 1)));
    deleted_[partition] = applied_[partition];
  }
  Write(&batch);
  frame_bytes_ = 0;
  StoreStats::Add(&stats_->checkpoints, 1);
}

void Checkpointer::Flush(bool wait) {
  rocksdb::FlushOptions options;
  options.wait = wait;
  options.allow_write_stall = true;
  const rocksdb::Status status = database_->db()->Flush(options, database_->all_families());
  if (!status.ok()) Fatal(logger_, "flushing the state", status.ToString());
}

}  // namespace skein::storage
