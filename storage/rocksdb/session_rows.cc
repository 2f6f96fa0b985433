// Rows on demand, and all changed ones at once.
#include "storage/rocksdb/session_rows.h"

#include <algorithm>
#include <string>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "broker/base/check.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"

namespace skein::storage {
namespace {

// Up to this many entries are deleted one by one, longer runs as a range: a range delete costs
// every later read of its surroundings a little.
constexpr uint64_t kMaxSingleDeletes = 16;

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

// False: there is no such key.
bool ReadState(Database* database, const Key& key, const rocksdb::Snapshot* snapshot,
               rocksdb::PinnableSlice* value) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  const rocksdb::Status status =
      database->db()->Get(options, database->family(Family::kState), AsSlice(key), value);
  SKEIN_CHECK(status.ok() || status.IsNotFound())
      << "reading the session state: " << status.ToString();
  return status.ok();
}

Key RowKey(const session::SessionKey& key, StateKind kind) {
  return StateKey(key.partition, kind, key.number);
}

}  // namespace

bool SessionRows::ReadLive(Database* database, const session::SessionKey& key,
                           const rocksdb::Snapshot* snapshot, SessionRow* row) {
  rocksdb::PinnableSlice value;
  if (!ReadState(database, RowKey(key, StateKind::kSession), snapshot, &value)) return false;
  SKEIN_CHECK(DecodeRow({value.data(), value.size()}, row)) << "damaged session row";
  return true;
}

CachedRow* SessionRows::Load(const session::SessionKey& key) {
  std::unique_ptr<CachedRow>& slot = rows_[key];
  if (slot != nullptr) return slot.get();
  slot = std::make_unique<CachedRow>();
  slot->key = key;
  if (key.number > highest_[key.partition]) return slot.get();
  if (ReadLive(database_, key, nullptr, &slot->row)) {
    slot->life = RowLife::kLive;
    slot->live_stored = true;
  }
  return slot.get();
}

CachedRow* SessionRows::LoadEnded(const session::SessionKey& key) {
  CachedRow* cached = Load(key);
  if (cached->life != RowLife::kAbsent || cached->dirty) return cached;
  rocksdb::PinnableSlice value;
  if (!ReadState(database_, RowKey(key, StateKind::kEnded), nullptr, &value)) return cached;
  SKEIN_CHECK(DecodeEnded({value.data(), value.size()}, &cached->row)) << "damaged session row";
  cached->life = RowLife::kEnded;
  cached->ended_stored = true;
  return cached;
}

void SessionRows::Create(CachedRow* cached) {
  cached->life = RowLife::kLive;
  uint64_t& highest = highest_[cached->key.partition];
  highest = std::max(highest, cached->key.number);
}

const CachedRow* SessionRows::Peek(const session::SessionKey& key) const {
  const auto found = rows_.find(key);
  return found == rows_.end() ? nullptr : found->second.get();
}

void SessionRows::MarkDirty(CachedRow* cached) {
  cached->dirty = true;
  dirty_.push_back(cached);
  dirty_bytes_ += sizeof(CachedRow) + cached->row.MemoryBytes();
}

void SessionRows::Write(rocksdb::WriteBatch* batch) {
  DropClean();
  for (CachedRow* cached : dirty_) {
    WriteRow(cached, batch);
    cached->dirty = false;
  }
  dirty_.clear();
  dirty_bytes_ = 0;
}

// Those written by an earlier checkpoint: what the database says of them is what they say.
void SessionRows::DropClean() {
  if (rows_.size() - dirty_.size() <= max_clean_) return;
  absl::erase_if(rows_, [](const auto& each) { return !each.second->dirty; });
}

void SessionRows::WriteRow(CachedRow* cached, rocksdb::WriteBatch* batch) {
  rocksdb::ColumnFamilyHandle* family = database_->family(Family::kState);
  cached->row.DoomUnshared();
  WriteDoomed(cached, batch);
  const bool live = cached->life == RowLife::kLive;
  const bool ended = cached->life == RowLife::kEnded;
  const Key live_key = RowKey(cached->key, StateKind::kSession);
  const Key ended_key = RowKey(cached->key, StateKind::kEnded);
  if (live) {
    EncodeRow(cached->row, &scratch_);
    batch->Put(family, AsSlice(live_key), scratch_);
  } else if (cached->live_stored) {
    batch->Delete(family, AsSlice(live_key));
  }
  if (ended) {
    EncodeEnded(cached->row, &scratch_);
    batch->Put(family, AsSlice(ended_key), scratch_);
  } else if (cached->ended_stored) {
    batch->Delete(family, AsSlice(ended_key));
  }
  cached->live_stored = live;
  cached->ended_stored = ended;
}

void SessionRows::WriteDoomed(CachedRow* cached, rocksdb::WriteBatch* batch) {
  rocksdb::ColumnFamilyHandle* family = database_->family(Family::kQueue);
  for (const Interval& run : cached->row.doomed.intervals()) {
    if (run.count() > kMaxSingleDeletes) {
      batch->DeleteRange(family, AsSlice(QueueKey(cached->key, run.first)),
                         AsSlice(QueueKey(cached->key, run.last + 1)));
      continue;
    }
    for (uint64_t sequence = run.first; sequence <= run.last; ++sequence) {
      batch->Delete(family, AsSlice(QueueKey(cached->key, sequence)));
    }
  }
  cached->row.doomed.clear();
}

std::vector<std::pair<uint64_t, CachedRow>> SessionRows::Changed(
    session::PartitionId partition) const {
  std::vector<std::pair<uint64_t, CachedRow>> changed;
  for (const CachedRow* cached : dirty_) {
    if (cached->key.partition == partition) changed.emplace_back(cached->key.number, *cached);
  }
  std::sort(changed.begin(), changed.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return changed;
}

}  // namespace skein::storage
