#include "storage/rocksdb/database.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rocksdb/cache.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/table.h"
#include "storage/rocksdb/rocks_log.h"
#include "storage/rocksdb/wal_check.h"

namespace skein::storage {
namespace {

// Any of the database's threads.
class StallCounter final : public rocksdb::EventListener {
 public:
  explicit StallCounter(std::atomic<uint64_t>* stalls) : stalls_(*stalls) {}

  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    if (info.condition.prev == rocksdb::WriteStallCondition::kNormal) ++stalls_;
  }

 private:
  std::atomic<uint64_t>& stalls_;
};

rocksdb::DBOptions MakeDbOptions(const DatabaseOptions& options, rocksdb::Env* env) {
  rocksdb::DBOptions db;
  db.env = env;
  db.create_missing_column_families = true;
  // One flush of all families is one consistent cut, also of what has no write-ahead log.
  db.atomic_flush = true;
  // The log's tail has been judged by CheckWal(): whatever is wrong in it now is an error.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
  db.recycle_log_file_num = 0;
  db.allow_concurrent_memtable_write = false;  // there is one writer
  // A failed fsync is never tried again: the pages may be gone.
  db.max_bgerror_resume_count = 0;
  db.avoid_flush_during_shutdown = true;  // ~Database() flushes, or has been told not to
  db.db_write_buffer_size = options.write_buffer_bytes;
  db.max_total_wal_size = 4 * options.write_buffer_bytes;
  db.max_open_files = 1024;
  db.max_background_jobs = 2;
  db.max_log_file_size = 4u << 20;
  db.keep_log_file_num = 2;
  db.stats_dump_period_sec = 0;
  db.bytes_per_sync = 1u << 20;
  if (options.write_stalls != nullptr)
    db.listeners.push_back(std::make_shared<StallCounter>(options.write_stalls));
  return db;
}

rocksdb::ColumnFamilyOptions MakeFamilyOptions(const DatabaseOptions& options,
                                               const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes;
  family.max_write_buffer_number = 4;
  family.level_compaction_dynamic_level_bytes = true;
  family.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression,
                                  rocksdb::kLZ4Compression};
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.no_block_cache = cache == nullptr;
  table.block_size = 16u << 10;
  table.cache_index_and_filter_blocks = cache != nullptr;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

// Something that was there is gone or unreadable.
bool IsDamage(const rocksdb::Status& status) {
  return status.IsCorruption() || status.IsPathNotFound();
}

absl::Status Explain(const rocksdb::Status& status, const std::string& path) {
  if (IsDamage(status)) {
    return absl::DataLossError(absl::StrCat(
        "the database ", path, " is damaged: ", status.ToString(), "; restore a backup, or run ",
        "skeinmqd --repair, which keeps what it drops"));
  }
  return absl::UnavailableError(
      absl::StrCat("cannot open the database ", path, ": ", status.ToString()));
}

bool EndsWith(const std::string& name, const char* end) {
  return rocksdb::Slice(name).ends_with(end);
}

// RocksDB and its families, opened or being opened.
class Opening {
 public:
  Opening(rocksdb::DBOptions options, const rocksdb::ColumnFamilyOptions& family, std::string path)
      : options_(std::move(options)), path_(std::move(path)) {
    for (const char* name : kFamilyNames)
      families_.emplace_back(name, family);
  }

  rocksdb::Status Open() {
    if (rocksdb::Status looked = Look(); !looked.ok()) return looked;
    rocksdb::DB* db = nullptr;
    rocksdb::Status opened = rocksdb::DB::Open(options_, path_, families_, &handles_, &db);
    db_.reset(db);
    return opened;
  }

  // Tables whose ends are sound are opened without a look at what is between.
  rocksdb::Status ReadAll() {
    rocksdb::Status read = db_->VerifyChecksum();
    if (read.ok()) return read;
    for (rocksdb::ColumnFamilyHandle* handle : handles_)
      db_->DestroyColumnFamilyHandle(handle);
    handles_.clear();
    db_.reset();
    return read;
  }

  // Makes a database of the tables that can be read; moves the others to the folder `lost` in it.
  rocksdb::Status Repair() { return rocksdb::RepairDB(path_, options_, families_); }

  std::unique_ptr<rocksdb::DB> TakeDb() { return std::move(db_); }
  const std::vector<rocksdb::ColumnFamilyHandle*>& handles() const { return handles_; }

 private:
  // Where CURRENT is missing RocksDB would make a new database and delete the tables of the old
  // one.
  rocksdb::Status Look() {
    std::vector<std::string> names;
    rocksdb::Status listed = options_.env->GetChildren(path_, &names);
    if (listed.IsNotFound()) return rocksdb::Status::Corruption("the folder is missing");
    if (!listed.ok()) return listed;
    options_.create_if_missing = std::find(names.begin(), names.end(), "CURRENT") == names.end();
    if (!options_.create_if_missing) return listed;
    for (const std::string& name : names) {
      if (EndsWith(name, ".sst") || EndsWith(name, ".log"))
        return rocksdb::Status::Corruption("the file CURRENT is missing");
    }
    return listed;
  }

  rocksdb::DBOptions options_;
  const std::string path_;
  std::vector<rocksdb::ColumnFamilyDescriptor> families_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

// Opens what is sound. A repair reads everything first, and gives up the tables that are damaged.
rocksdb::Status OpenOrRepair(const std::string& path, bool repair, Logger* log, Opening* opening) {
  rocksdb::Status opened = opening->Open();
  if (!repair) return opened;
  if (opened.ok()) opened = opening->ReadAll();
  if (!IsDamage(opened)) return opened;
  if (log != nullptr) {
    log->Log(LogLevel::kWarn, "store.repairing",
             {{"error", opened.ToString()}, {"saved_to", absl::StrCat(path, "/lost")}});
  }
  opened = opening->Repair();
  return opened.ok() ? opening->Open() : opened;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const DatabaseOptions& options) {
  std::unique_ptr<Database> database(new Database);
  database->partitions_ = options.partitions;
  absl::StatusOr<std::unique_ptr<DataDir>> dir =
      DataDir::Open(options.data_dir, options.partitions);
  if (!dir.ok()) return dir.status();
  database->dir_ = std::move(*dir);
  if (options.file_system != nullptr)
    database->env_ = rocksdb::NewCompositeEnv(options.file_system);
  rocksdb::Env* env = database->env_ ? database->env_.get() : rocksdb::Env::Default();

  const std::string path = database->dir_->db_path();
  absl::StatusOr<WalReport> wal =
      CheckWal(env->GetFileSystem().get(), path, options.data_dir, options.repair);
  if (!wal.ok()) return wal.status();
  if (wal->dropped_bytes > 0 && options.log != nullptr) {
    options.log->Log(LogLevel::kWarn, "store.tail_cut",
                     {{"file", wal->file},
                      {"kept_bytes", wal->kept_bytes},
                      {"dropped_bytes", wal->dropped_bytes},
                      {"saved_to", wal->saved_to}});
  }

  rocksdb::DBOptions db_options = MakeDbOptions(options, env);
  if (options.log != nullptr) {
    database->info_log_ = MakeRocksLog(options.log);
    db_options.info_log = database->info_log_;
  }
  std::shared_ptr<rocksdb::Cache> cache;
  if (options.block_cache_bytes > 0) cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  const rocksdb::ColumnFamilyOptions family_options = MakeFamilyOptions(options, cache);
  Opening opening(db_options, family_options, path);
  const rocksdb::Status opened = OpenOrRepair(path, options.repair, options.log, &opening);
  if (!opened.ok()) return Explain(opened, path);
  database->db_ = opening.TakeDb();
  std::copy(opening.handles().begin(), opening.handles().end(), database->families_.begin());
  return database;
}

Database::~Database() {
  if (db_ == nullptr) return;
  if (flush_at_end_) db_->Flush(rocksdb::FlushOptions(), all_families());
  for (rocksdb::ColumnFamilyHandle* family : families_)
    db_->DestroyColumnFamilyHandle(family);
  if (flush_at_end_) db_->Close();
}

}  // namespace skein::storage
