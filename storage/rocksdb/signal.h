// Wakes a thread that waits for work.
//
// Purpose: Raise() on any thread ends the Wait() of one; raised while nobody waits, it ends the
// next one. Many raises count as one. Thread: Raise() any, Wait() one.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace skein::storage {

class Signal {
 public:
  void Raise() {
    if (raised_.exchange(true)) return;
    { std::lock_guard<std::mutex> lock(mutex_); }  // a waiter is before its check or in its sleep
    condition_.notify_one();
  }

  // Returns once raised, or after the time.
  void Wait(std::chrono::milliseconds at_most) {
    if (raised_.exchange(false)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    condition_.wait_for(lock, at_most, [this] { return raised_.load(); });
    raised_.store(false);
  }

 private:
  std::atomic<bool> raised_{false};
  std::mutex mutex_;
  std::condition_variable condition_;
};

}  // namespace skein::storage
