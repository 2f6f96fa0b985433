// Backups of a running store.
//
// Purpose: a copy of the database as of one moment, by hard links, with what else a data directory
// needs: so it can be verified, inspected and started from like one. Owner: Store. Thread: Ask() on
// any, which waits; Serve() on the committer's, so that nothing is written meanwhile. Limits: one
// at a time; the folder has to be on the file system of the data directory, for then a copy takes
// no longer than writing what is in memory (64 MiB by default). Errors: what is wrong, and nothing
// is left of the attempt.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace skein::storage {

class Database;

class BackupDesk {
 public:
  static constexpr int kWaitMs = 3'500;

  BackupDesk(Database* database, std::string data_dir)
      : database_(*database), data_dir_(std::move(data_dir)) {}

  // Makes `path`, which must not be there, and returns its bytes. AlreadyExists,
  // FailedPrecondition, Unavailable.
  // wake: makes the committer look.
  absl::StatusOr<uint64_t> Ask(const std::string& path, const std::function<void()>& wake);

  // Somebody waits for Serve().
  bool asked() const { return asked_.load(std::memory_order_acquire); }
  // What was written before has to be flushed.
  void Serve();

 private:
  absl::StatusOr<uint64_t> Make(const std::string& path);

  Database& database_;
  const std::string data_dir_;
  std::atomic<bool> asked_{false};
  std::mutex mutex_;
  std::condition_variable done_;
  std::string path_;
  uint64_t answers_ = 0;
  absl::StatusOr<uint64_t> answer_ = 0;
  bool busy_ = false;
};

}  // namespace skein::storage
