// The RocksDB database of one node.
//
// Purpose: opens <data_dir>/db with the options that the promises need, once the directory has been
// locked, its format checked and a torn tail of the write-ahead log cut back; closes it cleanly.
// Owner: Store. Thread: Open() and the destructor on one thread; db() and family() on any. Limits:
// the memory that the options name. Errors: Open() names the directory and what to do; writing is
// the callers' and a failure there is final (Fatal() in fatal.h).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broker/base/log.h"
#include "rocksdb/db.h"
#include "rocksdb/file_system.h"
#include "storage/rocksdb/data_dir.h"

namespace skein::storage {

// The column families, docs/formats.md.
enum class Family : uint8_t { kDefault, kLog, kState, kQueue, kBodies, kRetained };
inline constexpr size_t kFamilies = 6;
inline constexpr std::array<const char*, kFamilies> kFamilyNames = {
    "default", "log", "state", "queue", "bodies", "retained"};

// A broker uses the data directory now.
bool StoreInUse(const std::string& data_dir);

struct DatabaseOptions {
  std::string data_dir;
  uint32_t partitions = 256;
  uint64_t block_cache_bytes = 64u << 20;
  uint64_t write_buffer_bytes = 64u << 20;
  // Give up what cannot be kept (`skeinmqd --repair`) rather than refuse to open.
  bool repair = false;
  // Null: the default one.
  std::shared_ptr<rocksdb::FileSystem> file_system;
  Logger* log = nullptr;
  // Counts how often writing was slowed or stopped; outlives the database. Null: nobody asks.
  std::atomic<uint64_t>* write_stalls = nullptr;
};

class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const DatabaseOptions& options);
  // Opens what is there for reading, also while a broker uses it; then it shows what that broker
  // had written a moment ago. What is written to it stays in memory (overlay_db.h). Takes no lock.
  static absl::StatusOr<std::unique_ptr<Database>> OpenForInspection(const std::string& data_dir);
  // Flushes and closes. What was written without the write-ahead log is kept, too.
  ~Database();
  Database(const Database&) = delete;

  rocksdb::DB* db() { return db_.get(); }
  rocksdb::ColumnFamilyHandle* family(Family family) {
    return families_[static_cast<size_t>(family)];
  }
  std::vector<rocksdb::ColumnFamilyHandle*> all_families() const {
    return {families_.begin(), families_.end()};
  }
  uint32_t partitions() const { return partitions_; }

  // Closes as a crash would: nothing is flushed. For tests.
  void Abandon() { flush_at_end_ = false; }

 private:
  Database() = default;

  std::unique_ptr<DataDir> dir_;
  std::shared_ptr<rocksdb::Logger> info_log_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families_{};
  uint32_t partitions_ = 0;
  bool flush_at_end_ = true;
};

}  // namespace skein::storage
