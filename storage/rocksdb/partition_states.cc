// Frames into rows and blind writes; checkpoints and reads.
#include "storage/rocksdb/partition_states.h"

#include <utility>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "broker/base/check.h"
#include "skein/storage/v1/state.pb.h"
#include "storage/rocksdb/body_uses.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/queue_page.h"
#include "storage/rocksdb/session_rows.h"
#include "storage/rocksdb/sweeper.h"

namespace skein::storage {
namespace {

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

}  // namespace

PartitionStates::PartitionStates(Database* database, uint32_t partitions, size_t max_clean_rows)
    : database_(database),
      rows_(std::make_unique<SessionRows>(database, partitions, max_clean_rows)),
      bodies_(std::make_unique<BodyUses>(database, max_clean_rows)),
      sweeper_(std::make_unique<Sweeper>(database, rows_.get(), bodies_.get())),
      applied_(partitions),
      moved_(partitions) {}

PartitionStates::~PartitionStates() = default;

absl::Status PartitionStates::Load() {
  MutexLock lock(mutex_);
  for (session::PartitionId partition = 0; partition < applied_.size(); ++partition) {
    if (absl::Status status = LoadPartition(partition); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PartitionStates::LoadPartition(session::PartitionId partition) {
  rocksdb::ColumnFamilyHandle* family = database_->family(Family::kState);
  std::string value;
  const rocksdb::Status status = database_->db()->Get(
      rocksdb::ReadOptions(), family, AsSlice(StateKey(partition, StateKind::kApplied)), &value);
  if (!status.ok() && !status.IsNotFound()) {
    return absl::DataLossError("reading an applied position: " + status.ToString());
  }
  if (status.ok()) {
    v1::AppliedPosition position;
    if (!position.ParseFromString(value)) {
      return absl::DataLossError("an applied position is damaged");
    }
    applied_[partition] = {position.sequence(), position.chain()};
  }
  return LoadNumbers(partition);
}

// The sessions that ended, and the highest number of those that did not.
absl::Status PartitionStates::LoadNumbers(session::PartitionId partition) {
  const Key begin = StateKey(partition, StateKind::kEnded);
  const std::string end = PrefixEnd(begin.view());
  const rocksdb::Slice bound(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  rocksdb::ColumnFamilyHandle* family = database_->family(Family::kState);
  const std::unique_ptr<rocksdb::Iterator> ended(database_->db()->NewIterator(options, family));
  for (ended->Seek(AsSlice(begin)); ended->Valid(); ended->Next()) {
    const auto key = ParseStateKey(ended->key().ToStringView());
    if (!key) return absl::DataLossError("a key of the state family is damaged");
    sweeper_->Add({partition, key->number});
  }
  const std::unique_ptr<rocksdb::Iterator> live(
      database_->db()->NewIterator(rocksdb::ReadOptions(), family));
  const Key first = StateKey(partition, StateKind::kSession);
  live->SeekForPrev(AsSlice(StateKey(partition, StateKind::kSession, UINT64_MAX)));
  if (live->Valid() && live->key().starts_with(AsSlice(first))) {
    const auto key = ParseStateKey(live->key().ToStringView());
    if (!key) return absl::DataLossError("a key of the state family is damaged");
    rows_->SetHighest(partition, key->number);
  }
  const rocksdb::Status status = ended->status().ok() ? live->status() : ended->status();
  if (status.ok()) return absl::OkStatus();
  return absl::DataLossError("reading the session numbers: " + status.ToString() +
                             "; restore a backup, or run skeinmqd --repair");
}

PartitionStates::Position PartitionStates::applied(session::PartitionId partition) const {
  MutexLock lock(mutex_);
  return applied_[partition];
}

bool PartitionStates::Sweep(size_t max_steps, rocksdb::WriteBatch* batch) {
  MutexLock lock(mutex_);
  return sweeper_->Run(max_steps, batch);
}

void PartitionStates::Checkpoint(rocksdb::WriteBatch* batch) {
  MutexLock lock(mutex_);
  rows_->Write(batch);
  bodies_->Write(batch);
  v1::AppliedPosition position;
  for (session::PartitionId partition = 0; partition < applied_.size(); ++partition) {
    if (!moved_[partition]) continue;
    moved_[partition] = false;
    position.set_sequence(applied_[partition].sequence);
    position.set_chain(applied_[partition].chain);
    position.SerializeToString(&scratch_);
    batch->Put(database_->family(Family::kState), AsSlice(StateKey(partition, StateKind::kApplied)),
               scratch_);
  }
}

uint64_t PartitionStates::dirty_bytes() const {
  MutexLock lock(mutex_);
  return rows_->dirty_bytes() + bodies_->dirty_bytes();
}

absl::Status PartitionStates::ReadPage(const session::QueueRead& request,
                                       session::QueuePage* page) {
  page->key = request.key;
  page->token = request.token;
  SessionRow row;
  bool found = false;
  bool cached = false;
  const rocksdb::Snapshot* snapshot = nullptr;
  {
    // A row that is not in memory is in the database as it should be: the snapshot is taken while
    // that is known.
    MutexLock lock(mutex_);
    if (const CachedRow* peek = rows_->Peek(request.key); peek != nullptr) {
      cached = true;
      found = peek->life == RowLife::kLive;
      if (found) row.queue = peek->row.queue;
    }
    snapshot = database_->db()->GetSnapshot();
  }
  if (!cached) found = SessionRows::ReadLive(database_, request.key, snapshot, &row);
  if (!found) row.queue = {};
  const absl::Status status = ReadQueuePage(database_, snapshot, row.queue, request, page);
  database_->db()->ReleaseSnapshot(snapshot);
  return status;
}

}  // namespace skein::storage
