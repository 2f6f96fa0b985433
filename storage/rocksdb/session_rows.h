// The session rows that are in memory.
//
// Purpose: a write-back cache. A row is read when a record comes for its session, changed in
// memory, and written with all others by a checkpoint. Owner: PartitionStates. Thread: under its
// lock. Limits: every row changed since the last checkpoint; of the others a stated number is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/session/store.h"
#include "storage/rocksdb/session_row.h"

namespace rocksdb {
class Snapshot;
class WriteBatch;
}  // namespace rocksdb

namespace skein::storage {

class Database;

// kEnded: deleted for everyone but the sweeper, which still has to clean up behind it.
enum class RowLife : uint8_t { kAbsent, kLive, kEnded };

struct CachedRow {
  session::SessionKey key;
  SessionRow row;
  RowLife life = RowLife::kAbsent;
  bool dirty = false;
  bool live_stored = false;   // under its key of kind kSession
  bool ended_stored = false;  // under its key of kind kEnded
};

class SessionRows {
 public:
  SessionRows(Database* database, uint32_t partitions, size_t max_clean)
      : database_(database), max_clean_(max_clean), highest_(partitions) {}

  // At start: no session with a higher number is stored.
  void SetHighest(session::PartitionId partition, uint64_t number) { highest_[partition] = number; }

  // The row, from memory or the database; never null, but it may be absent. Valid until the next
  // Write().
  CachedRow* Load(const session::SessionKey& key);
  // The same of a session whose end is to be cleaned up.
  CachedRow* LoadEnded(const session::SessionKey& key);
  // An absent session comes to life.
  void Create(CachedRow* cached);
  // In memory only; null: it is not.
  const CachedRow* Peek(const session::SessionKey& key) const;

  // To be called when the row changes; the next Write() writes it.
  void Touch(CachedRow* cached) {
    if (!cached->dirty) MarkDirty(cached);
  }

  // Appends the changed rows and the deletes of what they doomed.
  void Write(rocksdb::WriteBatch* batch);

  // Copies of the partition's changed rows, by number.
  std::vector<std::pair<uint64_t, CachedRow>> Changed(session::PartitionId partition) const;

  size_t dirty_bytes() const { return dirty_bytes_; }
  size_t size() const { return rows_.size(); }

  // A row straight from the database, at the snapshot if there is one; false: there is none.
  static bool ReadLive(Database* database, const session::SessionKey& key,
                       const rocksdb::Snapshot* snapshot, SessionRow* row);

 private:
  struct KeyHash {
    size_t operator()(const session::SessionKey& key) const {
      return static_cast<size_t>((key.number ^ uint64_t{key.partition} << 48) *
                                 0x9E3779B97F4A7C15u);
    }
  };

  void MarkDirty(CachedRow* cached);
  void DropClean();
  void WriteRow(CachedRow* cached, rocksdb::WriteBatch* batch);
  void WriteDoomed(CachedRow* cached, rocksdb::WriteBatch* batch);

  Database* const database_;
  const size_t max_clean_;
  absl::flat_hash_map<session::SessionKey, std::unique_ptr<CachedRow>, KeyHash> rows_;
  // By partition. A new session has a higher number than all before, and need not be looked for.
  std::vector<uint64_t> highest_;
  std::vector<CachedRow*> dirty_;
  size_t dirty_bytes_ = 0;
  std::string scratch_;
};

}  // namespace skein::storage
