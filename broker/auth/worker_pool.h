// Threads for what would hold up a shard.
//
// Purpose: hashing passwords, checking signatures. Owner: cmd/. Thread: Post() on any; the jobs run
// on the pool's threads. Life cycle: Stop() (or the end) lets running jobs finish and drops the
// rest. Limits: a bounded queue; Post() refuses when it is full, counted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace skein::auth {

class WorkerPool {
 public:
  WorkerPool(int threads, size_t max_queue);
  ~WorkerPool() { Stop(); }

  // False: the queue is full, or the pool has stopped.
  bool Post(std::function<void()> job);
  void Stop();

  // Jobs that found the queue full.
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  void Run();

  const size_t max_queue_;
  std::mutex mutex_;  // guards jobs_ and stopping_
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::atomic<uint64_t> refused_{0};
  std::vector<std::thread> threads_;
};

}  // namespace skein::auth
