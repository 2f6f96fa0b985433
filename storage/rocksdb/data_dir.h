// The data directory: who may use it, and what is in it.
//
// Purpose: takes the directory's lock, so that a second process is refused; reads or writes the
// file FORMAT, which says what version wrote the rest. Owner: Database. Thread: confined to its
// owner. Life cycle: the lock is held as long as the object lives, and goes with the process.
// Errors: Open() names the directory, what was found and what is allowed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace skein::storage {

// The version of everything in a data directory; raised when an older reader would go wrong.
inline constexpr uint32_t kFormatVersion = 1;

struct Format {
  uint32_t version = kFormatVersion;
  uint32_t partitions = 0;
};

// The content of <data_dir>/FORMAT. NotFound: there is none.
absl::StatusOr<Format> ReadFormat(const std::string& data_dir);

class DataDir {
 public:
  // Makes the directory if it is missing.
  static absl::StatusOr<std::unique_ptr<DataDir>> Open(const std::string& path,
                                                       uint32_t partitions);
  ~DataDir();
  DataDir(const DataDir&) = delete;

  const std::string& path() const { return path_; }
  std::string db_path() const { return path_ + "/db"; }

 private:
  explicit DataDir(std::string path) : path_(std::move(path)) {}
  absl::Status Lock();
  absl::Status CheckFormat(uint32_t partitions);

  std::string path_;
  int lock_ = -1;
};

}  // namespace skein::storage
