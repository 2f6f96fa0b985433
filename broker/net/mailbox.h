// The way from one thread to one other.
//
// Purpose: a bounded queue without locks for exactly one producer and one consumer. Shards exchange
// batches through it, so that one push, and one EventLoop::Wake(), serves everything a tick has for
// the other side. Thread: TryPush()/Push() on the producer's, TryPop()/Pop() on the consumer's;
// construction and destruction while neither runs. Limits: the capacity; at the bound a push
// returns false and takes nothing, the producer keeps the value and tries again.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

#include "broker/base/check.h"

namespace skein::net {

// T: default-constructible and movable.
template <class T>
class SpscRing {
 public:
  // capacity: a power of two.
  explicit SpscRing(size_t capacity) : mask_(capacity - 1), slots_(new T[capacity]) {
    SKEIN_CHECK(std::has_single_bit(capacity));
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  size_t capacity() const { return mask_ + 1; }

  // Moves from `value` only when it returns true.
  bool TryPush(T&& value) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - cached_head_ > mask_) {
      cached_head_ = head_.load(std::memory_order_acquire);
      if (tail - cached_head_ > mask_) return false;
    }
    slots_[tail & mask_] = std::move(value);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  bool TryPop(T* value) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == cached_tail_) {
      cached_tail_ = tail_.load(std::memory_order_acquire);
      if (head == cached_tail_) return false;
    }
    *value = std::move(slots_[head & mask_]);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

 private:
  static constexpr size_t kCacheLine = 64;

  const size_t mask_;
  const std::unique_ptr<T[]> slots_;
  // Positions count up without end; each side keeps its last view of the other's, and so touches
  // the other's line only when it must.
  alignas(kCacheLine) std::atomic<size_t> tail_{0};  // the producer's line
  size_t cached_head_ = 0;
  alignas(kCacheLine) std::atomic<size_t> head_{0};  // the consumer's line
  size_t cached_tail_ = 0;
};

// Batches (a vector of mail each) from one shard to one other.
template <class Batch>
class Mailbox {
 public:
  static constexpr size_t kDefaultCapacity = 1024;

  explicit Mailbox(size_t capacity = kDefaultCapacity) : ring_(capacity) {}

  // Producer. False when full: the batch is left as it was. After a true the producer calls the
  // consumer's EventLoop::Wake().
  bool Push(Batch&& batch) { return ring_.TryPush(std::move(batch)); }

  // Consumer. False when empty.
  bool Pop(Batch* batch) { return ring_.TryPop(batch); }

 private:
  SpscRing<Batch> ring_;
};

}  // namespace skein::net
