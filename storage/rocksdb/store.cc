#include "storage/rocksdb/store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "rocksdb/transaction_log.h"
#include "storage/rocksdb/checkpointer.h"
#include "storage/rocksdb/disk_space.h"
#include "storage/rocksdb/partition_states.h"
#include "storage/rocksdb/queue_reader.h"
#include "storage/rocksdb/replay.h"
#include "storage/rocksdb/retained_store.h"
#include "storage/rocksdb/session_store.h"
#include "storage/rocksdb/shard_link.h"

namespace skein::storage {

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options) {
  std::unique_ptr<Store> store(new Store(options));
  if (absl::Status status = store->Load(); !status.ok()) return status;
  if (absl::Status status = store->Replay(); !status.ok()) return status;
  store->Start();
  return store;
}

Store::Store(const StoreOptions& options) : options_(options), logger_(options.database.log) {
  for (ShardId shard = 0; shard < options.shards; ++shard)
    links_.push_back(std::make_unique<ShardLink>());
}

Store::~Store() {
  Stop();
}

absl::Status Store::Load() {
  DatabaseOptions options = options_.database;
  options.write_stalls = &stats_.write_stalls;
  auto database = Database::Open(options);
  if (!database.ok()) return database.status();
  database_ = std::move(*database);
  auto retained = RocksRetainedStore::Create(database_.get(), options_.limits);
  if (!retained.ok()) return retained.status();
  retained_ = std::move(*retained);
  disk_ = std::make_unique<DiskSpace>(DiskSpace::ProbeOf(options_.database.data_dir),
                                      options_.disk_reserve_bytes, logger_);
  disk_->Check();
  states_ = std::make_unique<PartitionStates>(database_.get(), database_->partitions());
  const uint64_t checkpoint_bytes =
      std::min(options_.checkpoint_bytes, options_.database.write_buffer_bytes / 3);
  checkpointer_ = std::make_unique<Checkpointer>(database_.get(), states_.get(), checkpoint_bytes,
                                                 &stats_, logger_);
  return states_->Load();
}

absl::Status Store::Replay() {
  const auto before = std::chrono::steady_clock::now();
  ReplayOptions options;
  if (options_.database.repair) options.repair_to = options_.database.data_dir;
  options.logger = logger_;
  const absl::StatusOr<ReplayReport> report =
      ReplayLogs(database_.get(), states_.get(), checkpointer_.get(), options);
  if (!report.ok()) return report.status();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - before);
  stats_.replayed_frames = report->frames;
  if (logger_ != nullptr) {
    logger_->Log(
        LogLevel::kInfo, "store.replayed",
        {{"frames", report->frames}, {"bytes", report->bytes}, {"milliseconds", took.count()}});
  }
  return absl::OkStatus();
}

void Store::Start() {
  reader_ = std::make_unique<QueueReader>(states_.get(), &links_, &stats_, logger_);
  Committer::Parts parts;
  parts.database = database_.get();
  parts.states = states_.get();
  parts.retained = retained_.get();
  parts.checkpointer = checkpointer_.get();
  parts.reader = reader_.get();
  parts.disk = disk_.get();
  backups_ = std::make_unique<BackupDesk>(database_.get(), options_.database.data_dir);
  parts.backups = backups_.get();
  parts.links = &links_;
  parts.stats = &stats_;
  parts.logger = logger_;
  committer_ = std::make_unique<Committer>(parts, options_.durability);
  reader_->Start();
  committer_->Start();
}

std::unique_ptr<session::SessionStore> Store::MakeSessionStore(ShardId shard,
                                                               std::function<void()> wake) {
  links_[shard]->set_wake(std::move(wake));
  RocksSessionStore::Parts parts;
  parts.committer = committer_.get();
  parts.states = states_.get();
  parts.reader = reader_.get();
  parts.disk = disk_.get();
  parts.link = links_[shard].get();
  parts.partitions = database_->partitions();
  parts.shard = shard;
  parts.shards = options_.shards;
  return std::make_unique<RocksSessionStore>(parts);
}

StoreFigures Store::Figures() const {
  using Properties = rocksdb::DB::Properties;
  StoreFigures figures;
  rocksdb::DB* const db = database_->db();
  const auto sum = [db](const std::string& property) {
    uint64_t value = 0;
    db->GetAggregatedIntProperty(property, &value);
    return value;
  };
  figures.compaction_pending_bytes = sum(Properties::kEstimatePendingCompactionBytes);
  figures.database_bytes = sum(Properties::kTotalSstFilesSize);
  uint64_t stopped = 0;
  db->GetIntProperty(Properties::kIsWriteStopped, &stopped);
  figures.write_stopped = stopped != 0 || disk_->full();
  rocksdb::VectorLogPtr logs;
  if (db->GetSortedWalFiles(logs).ok()) {
    for (const auto& log : logs)
      figures.wal_bytes += log->SizeFileBytes();
  }
  figures.disk_free_bytes = disk_->free_bytes();
  figures.disk_size_bytes = disk_->total_bytes();
  return figures;
}

TimeMs Store::Busy() const {
  const int64_t since = stats_.committing_since.value();
  if (since == 0) return 0;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count() - since;
}

shard::RetainedStore* Store::retained() {
  return retained_.get();
}

absl::StatusOr<uint64_t> Store::Backup(const std::string& path) {
  return backups_->Ask(path, [this] { committer_->Wake(); });
}

void Store::Stop() {
  if (committer_ == nullptr) return;
  committer_->Stop();
  reader_->Stop();
  committer_.reset();
  reader_.reset();
  checkpointer_.reset();
  states_.reset();
  retained_.reset();
  disk_.reset();
  database_.reset();
}

}  // namespace skein::storage
