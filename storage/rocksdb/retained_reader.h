// Reads what is retained under the topics that match a filter.
//
// Purpose: RocksRetainedReader is what a subscriber's replay holds; RetainedChunk is one piece of
// the merged view of overlay and database; RetainedPrefetcher fetches pieces from the disk on a
// thread of its own. Thread: a reader is confined to its owner. Limits: a piece is at most
// kChunkMessages messages and about kChunkBytes, after at most kChunkSteps topics; a reader has one
// piece in memory and at most one on order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/base/mutex.h"
#include "broker/routing/retained_scan.h"
#include "broker/shard/retained_store.h"

namespace skein::storage {

class Database;
class RocksRetainedStore;

struct RetainedChunk {
  enum class State : uint8_t { kEnd, kMore, kNotCached };

  uint64_t version = 0;  // holds what was retained when this was the newest change
  std::deque<mqtt::MessagePtr> messages;
  std::string position;  // the key where to go on
  State state = State::kMore;
};

inline constexpr size_t kChunkMessages = 64;
inline constexpr size_t kChunkBytes = 256 << 10;
inline constexpr size_t kChunkSteps = 512;

// Reads a piece from chunk->position on. cached_only: without touching the disk; when that ends it
// early, the state is kNotCached.
void ReadRetainedChunk(Database* database, const RocksRetainedStore& store,
                       const routing::RetainedScan& scan, bool cached_only, RetainedChunk* chunk);

// A piece on order. Shared by the reader and the prefetcher, whoever lets go last frees it.
class RetainedOrder {
 public:
  RetainedOrder(routing::RetainedScan scan, std::string position, std::function<void()> wake);

  bool ready() const { return ready_.load(std::memory_order_acquire); }
  RetainedChunk TakeChunk() { return std::move(chunk_); }  // needs ready()
  // `wake` will not be called any more.
  void Cancel();

 private:
  friend class RetainedPrefetcher;
  void Fill(Database* database, const RocksRetainedStore& store);

  const routing::RetainedScan scan_;
  RetainedChunk chunk_;  // the prefetcher's until ready_
  std::atomic<bool> ready_{false};
  Mutex mutex_;  // held while `wake` is called
  std::function<void()> wake_ ABSL_GUARDED_BY(mutex_);
};

class RetainedPrefetcher {
 public:
  RetainedPrefetcher(Database* database, const RocksRetainedStore* store);
  ~RetainedPrefetcher();

  void Order(std::shared_ptr<RetainedOrder> order);

 private:
  void Run();

  Database* const database_;
  const RocksRetainedStore& store_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::shared_ptr<RetainedOrder>> orders_;  // guarded by mutex_
  bool stop_ = false;                                  // guarded by mutex_
  std::thread thread_;
};

class RocksRetainedReader : public shard::RetainedReader {
 public:
  RocksRetainedReader(Database* database, const RocksRetainedStore* store,
                      RetainedPrefetcher* prefetcher, std::string_view topic_filter,
                      std::function<void()> wake);
  ~RocksRetainedReader() override;

  void StartAfter(std::string_view topic) override;
  Result Read(TimeMs now, size_t limit, std::vector<mqtt::MessagePtr>* out) override;

 private:
  // Moves messages from the piece to *out while they are current and fewer than `limit` are there.
  size_t HandOn(TimeMs now, size_t limit, std::vector<mqtt::MessagePtr>* out);

  Database* const database_;
  const RocksRetainedStore& store_;
  RetainedPrefetcher& prefetcher_;
  const routing::RetainedScan scan_;
  const std::function<void()> wake_;
  RetainedChunk chunk_;
  std::shared_ptr<RetainedOrder> order_;
};

}  // namespace skein::storage
