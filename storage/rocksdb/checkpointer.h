// Checkpoints: the state becomes durable and the logs are cut off behind it.
//
// Purpose: writes the rows that changed, the applied positions, and the deletion of the frames up
// to there as one batch without WAL, and starts a flush of all families. The flush is atomic: after
// a crash there is either all of it, or the frames are still in the WAL. A frame that is deleted
// before it was flushed is never written a second time.
// Owner: the committer. Thread: confined to its owner's. Errors: a failing write aborts the
// process.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "broker/base/log.h"
#include "broker/session/store.h"

namespace rocksdb {
class WriteBatch;
}

namespace skein::storage {

class Database;
class PartitionStates;
struct StoreStats;

class Checkpointer {
 public:
  // A checkpoint is due when the frames since the last one, or the rows that changed, have `bytes`.
  // All outlive it.
  Checkpointer(Database* database, PartitionStates* states, uint64_t bytes, StoreStats* stats,
               Logger* logger);

  // A frame of so many bytes was applied.
  void Applied(session::PartitionId partition, uint64_t sequence, uint64_t bytes);

  // Writes a batch that follows from the log, and clears it.
  void Write(rocksdb::WriteBatch* batch);

  bool due() const;
  // There is something to write.
  bool dirty() const;

  // Makes a checkpoint; its flush goes on in the background.
  void Run();
  // Makes a checkpoint and waits for its flush.
  void RunAndWait();

 private:
  void WriteCheckpoint();
  void Flush(bool wait);

  Database* const database_;
  PartitionStates* const states_;
  const uint64_t bytes_;
  StoreStats* const stats_;
  Logger* const logger_;
  // By partition: the last frame that was applied, the last one that was deleted.
  std::vector<uint64_t> applied_;
  std::vector<uint64_t> deleted_;
  uint64_t frame_bytes_ = 0;  // since the last checkpoint
};

}  // namespace skein::storage
