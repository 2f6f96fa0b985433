// A question about a shard's tables, or an order to it, from another thread.
//
// Purpose: the shard's thread answers it in slices, between two turns of its loop, so no state is
// shared and no client waits long. Thread: made and awaited on the asker's; `step` runs on the
// shard's. Limits: kMaxQuestions wait for a shard; more are refused (Shard::Ask). Errors: an asker
// that does not wait any longer abandons the question, and the shard drops it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <semaphore>
#include <utility>

#include "broker/base/types.h"

namespace skein::shard {

class Core;
struct ShardState;

class Question {
 public:
  static constexpr size_t kMaxQuestions = 32;
  // What is left after a slice, of a millisecond or so. kWaits: nothing can be done until something
  // happens that wakes the shard anyway.
  enum class Left : uint8_t { kNothing, kMore, kWaits };
  // True: that was all.
  using Step = std::function<bool(const ShardState&)>;
  // What it changes leaves with the rest of the tick.
  using Order = std::function<Left(Core*)>;

  explicit Question(Step step) : step_(std::move(step)) {}
  explicit Question(Order order) : order_(std::move(order)) {}

  // False: there is no answer within that time, and there will be none.
  bool Await(TimeMs ms) {
    if (done_.try_acquire_for(std::chrono::milliseconds(ms))) return true;
    abandoned_.store(true, std::memory_order_relaxed);
    return false;
  }

  // The shard's. kNothing: it is over.
  Left Answer(Core* core);

 private:
  const Step step_;
  const Order order_;
  std::atomic<bool> abandoned_{false};
  std::binary_semaphore done_{0};
};

}  // namespace skein::shard
