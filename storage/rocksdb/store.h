// The store of a node.
//
// Purpose: everything that is on disk behind one door: opens the database, brings its state up to
// the end of the logs, runs the committer and the queue reader, and gives each shard its end.
// Owner: cmd/. Thread: Open(), Stop() and the destructor on one; a session store belongs to its
// shard, retained() and stats() to any. Life: Open(); MakeSessionStore() once a shard, before that
// shard runs; shards end; Stop(). Errors: Open() says what is wrong and what to do; later failures
// abort the process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/base/limits.h"
#include "broker/base/types.h"
#include "broker/session/store.h"
#include "broker/shard/retained_store.h"
#include "storage/rocksdb/backup.h"
#include "storage/rocksdb/committer.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/store_stats.h"

namespace skein::storage {

struct StoreOptions {
  DatabaseOptions database;
  ShardId shards = 1;
  Durability durability = Durability::kFsync;
  // Of frames between checkpoints: what a restart may have to replay. A third of
  // database.write_buffer_bytes is used if that is less: with larger ones the database would flush
  // frames that are about to be deleted.
  uint64_t checkpoint_bytes = 48u << 20;
  // Free bytes of the disk below which new durable work is refused.
  uint64_t disk_reserve_bytes = 512u << 20;
  Limits limits;
};

class Store {
 public:
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options);
  ~Store();
  Store(const Store&) = delete;

  // wake: runs on a thread of the store when durable() moved or a page came, until Stop().
  std::unique_ptr<session::SessionStore> MakeSessionStore(ShardId shard,
                                                          std::function<void()> wake);
  shard::RetainedStore* retained();
  const StoreStats& stats() const { return stats_; }
  // Asks the database and the disk; any thread, until Stop().
  StoreFigures Figures() const;
  // For how long the committer has been at what it does now, milliseconds; a disk that does not
  // answer makes it long. Any thread.
  TimeMs Busy() const;
  Database* database() { return database_.get(); }

  // A copy of it all as of now, in a folder that is not there yet; see backup.h. Any thread, until
  // Stop().
  absl::StatusOr<uint64_t> Backup(const std::string& path);

  // Writes what was committed, makes a checkpoint and closes. The next start replays nothing.
  void Stop();

 private:
  explicit Store(const StoreOptions& options);
  absl::Status Load();
  absl::Status Replay();
  void Start();

  const StoreOptions options_;
  Logger* const logger_;
  StoreStats stats_;
  std::vector<std::unique_ptr<ShardLink>> links_;  // by shard
  // In the order in which they need each other.
  std::unique_ptr<Database> database_;
  std::unique_ptr<DiskSpace> disk_;
  std::unique_ptr<RocksRetainedStore> retained_;
  std::unique_ptr<PartitionStates> states_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<QueueReader> reader_;
  std::unique_ptr<BackupDesk> backups_;
  std::unique_ptr<Committer> committer_;
};

}  // namespace skein::storage
