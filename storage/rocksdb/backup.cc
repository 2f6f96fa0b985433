#include "storage/rocksdb/backup.h"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>

#include <rocksdb/utilities/checkpoint.h>

#include "absl/strings/str_cat.h"
#include "storage/rocksdb/database.h"

namespace skein::storage {
namespace {

namespace fs = std::filesystem;

// The database first: a folder without FORMAT is no data directory, so half a backup is none.
constexpr const char* kBeside[] = {"cluster", "FORMAT"};

absl::Status CheckPlace(const std::string& path, const std::string& data_dir) {
  std::error_code error;
  if (fs::exists(path, error))
    return absl::AlreadyExistsError(absl::StrCat(path, " is there already; take another name"));
  fs::create_directories(path, error);
  if (error)
    return absl::UnavailableError(absl::StrCat("cannot make ", path, ": ", error.message()));
  struct stat here {};
  struct stat there {};
  if (stat(data_dir.c_str(), &here) != 0 || stat(path.c_str(), &there) != 0)
    return absl::UnavailableError(absl::StrCat("cannot look at ", path));
  if (here.st_dev == there.st_dev) return absl::OkStatus();
  fs::remove(path, error);
  return absl::FailedPreconditionError(
      "backup.directory is not on the file system of data_dir; make the backup there and copy it");
}

uint64_t BytesOf(const std::string& path) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

}  // namespace

absl::StatusOr<uint64_t> BackupDesk::Ask(const std::string& path,
                                         const std::function<void()>& wake) {
  std::unique_lock lock(mutex_);
  if (busy_) return absl::UnavailableError("another backup is being made");
  busy_ = true;
  path_ = path;
  const uint64_t before = answers_;
  asked_.store(true, std::memory_order_release);
  wake();
  const bool done =
      done_.wait_for(lock, std::chrono::milliseconds(kWaitMs), [&] { return answers_ > before; });
  if (done) return answer_;
  return absl::UnavailableError("it takes long; the node's log tells when the backup is done");
}

void BackupDesk::Serve() {
  std::string path;
  {
    const std::lock_guard lock(mutex_);
    path = path_;
    asked_.store(false, std::memory_order_release);
  }
  absl::StatusOr<uint64_t> made = Make(path);
  const std::lock_guard lock(mutex_);
  answer_ = std::move(made);
  ++answers_;
  busy_ = false;
  done_.notify_all();
}

absl::StatusOr<uint64_t> BackupDesk::Make(const std::string& path) {
  if (absl::Status status = CheckPlace(path, data_dir_); !status.ok()) return status;
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(database_.db(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // All is flushed: what is left of the write-ahead log is copied as it is.
  if (status.ok()) status = checkpoint->CreateCheckpoint(path + "/db", UINT64_MAX);
  std::error_code error;
  for (const char* const file : kBeside) {
    const fs::path from = fs::path(data_dir_) / file;
    if (status.ok() && !error && fs::exists(from, error))
      fs::copy_file(from, fs::path(path) / file, error);
  }
  if (status.ok() && !error) return BytesOf(path);
  std::error_code ignored;
  fs::remove_all(path, ignored);
  return absl::UnavailableError(
      absl::StrCat("the backup failed: ", error ? error.message() : status.ToString()));
}

}  // namespace skein::storage
