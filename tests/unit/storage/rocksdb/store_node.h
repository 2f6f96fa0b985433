// A store on a real disk that can crash, for tests.
//
// Purpose: opens a store in a directory of its own, appends records and waits until they are
// durable; and crashes: the directory is copied while the store runs, and the copy is opened, so
// that it holds what a process leaves that is killed. Thread: the test's.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "broker/session/store.h"
#include "storage/rocksdb/store.h"

namespace skein::storage {

class StoreNode {
 public:
  static constexpr uint32_t kPartitions = 4;

  explicit StoreNode(StoreOptions options = {});
  ~StoreNode();

  StoreOptions& options() { return options_; }
  Store& store() { return *store_; }
  session::SessionStore& shard(ShardId shard = 0) { return *shards_[shard]; }
  std::filesystem::path directory() const { return root_ / std::to_string(generation_); }

  // Ends the store cleanly or not, and opens what is on disk.
  absl::Status Restart();
  absl::Status Crash();

  // Waits; false: it took far too long.
  bool AwaitDurable(session::Lsn lsn, ShardId shard = 0);
  // Commits and waits until the record is durable.
  bool Settle(session::Lsn lsn, ShardId shard = 0);

  // Records of a session in partition number % kPartitions.
  static session::SessionKey Key(uint64_t number) {
    return {uint32_t(number % kPartitions), number};
  }
  session::Lsn Connect(uint64_t number, std::string_view client_id = "client");
  session::Lsn Enqueue(uint64_t number, uint64_t sequence, std::string_view payload,
                       const session::CommitGroupPtr& group = {}, ShardId shard = 0);
  static mqtt::MessagePtr Message(std::string_view payload, std::string_view topic = "topic");

  // By number of the session.
  std::map<uint64_t, session::SessionImage> Recover();
  session::QueuePage Read(uint64_t number, session::Lsn after = 0, uint64_t from = 1,
                          ShardId shard = 0);
  std::vector<std::string> Payloads(uint64_t number, session::Lsn after = 0);

 private:
  absl::Status Open();
  void Close();
  template <typename Condition>
  bool Await(const Condition& condition);

  StoreOptions options_;
  std::filesystem::path root_;
  int generation_ = 0;
  std::mutex mutex_;
  std::condition_variable woken_;
  uint64_t wakes_ = 0;
  std::unique_ptr<Store> store_;
  std::vector<std::unique_ptr<session::SessionStore>> shards_;
};

}  // namespace skein::storage
