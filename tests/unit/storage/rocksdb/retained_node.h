// A retained store on a database of its own, for tests.
//
// Purpose: plays the committer's part, and starts the store anew on what is on disk. Thread: all
// methods on any thread, but for Reopen() and Flush().
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/limits.h"
#include "broker/base/mutex.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/retained_store.h"

namespace skein::storage {

class RetainedNode {
 public:
  explicit RetainedNode(const Limits& limits);
  ~RetainedNode();

  RocksRetainedStore& store() { return *store_; }
  Database& database() { return *database_; }

  // Collects what the topics have now, writes it and says so.
  void Commit(const std::vector<std::string>& topics);
  void CommitExpired(size_t max);
  // The blocks on disk are cold afterwards.
  void Flush();
  // Ends the store and opens it again; what was not committed is gone.
  void Reopen();
  // The topics on disk, whether the store gives them out or not.
  std::vector<std::string> TopicsOnDisk();
  // Puts raw bytes into the family.
  void Damage(std::string_view topic, std::string_view value);
  absl::Status TryReopen();

 private:
  Limits limits_;
  std::filesystem::path root_;
  Mutex mutex_;  // one commit at a time
  std::unique_ptr<Database> database_;
  std::unique_ptr<RocksRetainedStore> store_;
};

}  // namespace skein::storage
