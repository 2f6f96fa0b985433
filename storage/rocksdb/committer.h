// The thread that makes records durable.
//
// Purpose: takes what all shards have handed over, writes it as frames of the partitions' logs in
// one batch with one fsync, and tells the shards; then applies the frames to the state. What comes
// meanwhile is the next commit, so a busy disk makes larger commits, not more of them.
// Owner: Store. Thread: HandedOver() and staging() on any thread; the rest of the work on its own.
// Life: Start() once the logs are replayed, Stop() writes what was handed over and makes a
// checkpoint. Errors: a failing write aborts the process; a retry would make a promise a lie.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <rocksdb/write_batch.h>

#include "broker/base/log.h"
#include "broker/base/types.h"
#include "broker/session/store.h"
#include "storage/rocksdb/checkpointer.h"
#include "storage/rocksdb/frame_builder.h"
#include "storage/rocksdb/partition_states.h"
#include "storage/rocksdb/signal.h"
#include "storage/rocksdb/staging.h"

namespace skein::storage {

class BackupDesk;
class Database;
class DiskSpace;
class QueueReader;
class RocksRetainedStore;
class ShardLink;
struct StoreStats;

// What a durable record has survived.
enum class Durability : uint8_t {
  kFsync,   // a power cut
  kOs,      // the end of the process; the operating system writes it when it likes
  kMemory,  // nothing but a clean stop
};

class Committer {
 public:
  struct Parts {  // all outlive it
    Database* database = nullptr;
    PartitionStates* states = nullptr;
    RocksRetainedStore* retained = nullptr;  // null: none
    Checkpointer* checkpointer = nullptr;
    QueueReader* reader = nullptr;
    DiskSpace* disk = nullptr;      // null: not watched
    BackupDesk* backups = nullptr;  // null: none are made
    std::vector<std::unique_ptr<ShardLink>>* links = nullptr;
    StoreStats* stats = nullptr;
    Logger* logger = nullptr;
  };
  Committer(const Parts& parts, Durability durability);
  ~Committer();

  void Start();
  void Stop();

  Staging* staging() { return &staging_; }
  // Somebody has asked for a backup.
  void Wake() { signal_.Raise(); }
  // The shard has handed over its records up to `last`.
  void HandedOver(ShardId shard, session::Lsn last);

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  bool CommitOnce();
  void Build();
  void BuildBatch();
  void WriteLog();
  void PublishDurable();
  void ApplyFrames();
  void Release();
  bool StateIsDue() const;
  void WriteState();
  bool Housekeep();
  void EverySecond();

  const Parts parts_;
  const Durability durability_;
  Staging staging_;
  Signal signal_;
  std::atomic<bool> stop_{false};
  std::thread thread_;

  // Of the thread.
  std::vector<StagedBatch> taken_;
  FrameBuilder builder_;
  std::vector<PartitionStates::Position> written_;  // by partition: the last frame in its log
  struct WrittenFrame {
    PartitionStates::Position at;
    size_t bytes = 0;
  };
  std::vector<WrittenFrame> frames_;  // of this commit, as builder_.frames()
  rocksdb::WriteBatch log_batch_;
  rocksdb::WriteBatch state_batch_;    // of frames that were applied; not written yet
  rocksdb::WriteBatch sorted_batch_;   // empty but in WriteState()
  std::vector<session::Lsn> applied_;  // by shard: the last record that state_batch_ covers
  bool state_waits_ = false;           // state_batch_ and applied_ are not written and told yet
  std::string value_;
  uint64_t records_ = 0;
  Clock::time_point next_second_{};
  int quiet_seconds_ = 0;      // since the last commit
  uint64_t commits_seen_ = 0;  // a second ago
};

}  // namespace skein::storage
