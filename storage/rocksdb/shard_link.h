// What the store's threads tell a shard.
//
// Purpose: how far its records are, and the pages it asked for. Thread: the numbers are written by
// the committer, the pages by the reader, both read by the shard; wake() runs on either. Life: as
// long as the store; `wake` is set before the shard's first record and stays callable until the
// store has stopped.
#pragma once

#include <atomic>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/base/mutex.h"
#include "broker/session/store.h"

namespace skein::storage {

class ShardLink {
 public:
  // All records up to this one are durable; can be read from the state.
  session::Lsn durable() const { return durable_.load(std::memory_order_acquire); }
  session::Lsn applied() const { return applied_.load(std::memory_order_acquire); }
  // Never goes back.
  void set_durable(session::Lsn lsn) {
    session::Lsn known = durable_.load(std::memory_order_relaxed);
    while (known < lsn && !durable_.compare_exchange_weak(known, lsn, std::memory_order_release)) {
    }
  }
  void set_applied(session::Lsn lsn) { applied_.store(lsn, std::memory_order_release); }

  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }
  void Wake() const {
    if (wake_) wake_();
  }

  void PutPage(session::QueuePage page) {
    MutexLock lock(mutex_);
    pages_.push_back(std::move(page));
    has_pages_.store(true, std::memory_order_relaxed);
  }
  // Called often, so it takes no lock when there is nothing. The shard was woken after PutPage().
  void TakePages(std::vector<session::QueuePage>* pages) {
    if (!has_pages_.load(std::memory_order_relaxed)) return;
    MutexLock lock(mutex_);
    for (session::QueuePage& page : pages_)
      pages->push_back(std::move(page));
    pages_.clear();
    has_pages_.store(false, std::memory_order_relaxed);
  }

 private:
  alignas(64) std::atomic<session::Lsn> durable_{0};
  std::atomic<session::Lsn> applied_{0};
  std::function<void()> wake_;
  std::atomic<bool> has_pages_{false};
  Mutex mutex_;
  std::vector<session::QueuePage> pages_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein::storage
