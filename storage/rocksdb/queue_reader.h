// Reads pages of queues for the shards.
//
// Purpose: a read may have to wait for the disk, so it is done on a thread of its own. A shard's
// requests are answered in their order, each when the state shows what the shard had recorded up to
// request.after. Thread: Ask() and Applied() any; Start(), Stop() the store's. Life: started before
// the first Ask(); after Stop() what was not answered never is. Limits: a session asks for one page
// at a time. Errors: a read that fails aborts the process.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/base/log.h"
#include "broker/base/mutex.h"
#include "broker/base/types.h"
#include "broker/session/store.h"
#include "storage/rocksdb/signal.h"

namespace skein::storage {

class PartitionStates;
class ShardLink;
struct StoreStats;

class QueueReader {
 public:
  // All outlive it.
  QueueReader(PartitionStates* states, std::vector<std::unique_ptr<ShardLink>>* links,
              StoreStats* stats, Logger* logger);
  ~QueueReader();

  void Start();
  void Stop();

  void Ask(ShardId shard, const session::QueueRead& request);
  // ShardLink::applied() of a shard moved.
  void Applied();
  // A request was not taken up yet.
  bool waiting() const { return waiting_.load(std::memory_order_relaxed) > 0; }

 private:
  void Run();
  bool ServeSome();
  void TakeReady(size_t shard, std::vector<session::QueueRead>* ready);
  void Serve(ShardLink* link, const session::QueueRead& request);

  PartitionStates* const states_;
  std::vector<std::unique_ptr<ShardLink>>& links_;
  StoreStats* const stats_;
  Logger* const logger_;

  Mutex mutex_;
  std::vector<std::deque<session::QueueRead>> asked_ ABSL_GUARDED_BY(mutex_);  // by shard
  std::atomic<uint64_t> waiting_{0};
  std::atomic<bool> stop_{false};
  Signal signal_;
  std::thread thread_;
};

}  // namespace skein::storage
