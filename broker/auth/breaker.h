// Stops asking a back end that does not answer.
//
// Purpose: after a number of failures in a row the circuit is open: nobody is asked for a while;
// then one request is let through, and its outcome decides. Thread: any. Limits: none of its own.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "broker/base/mutex.h"
#include "broker/base/types.h"

namespace skein::auth {

class Breaker {
 public:
  Breaker(uint32_t failures, TimeMs pause_ms) : failures_allowed_(failures), pause_ms_(pause_ms) {}

  // Whether to ask now; whoever gets true reports with Succeeded() or Failed().
  bool MayAsk(TimeMs now) {
    MutexLock lock(mutex_);
    if (failures_ < failures_allowed_) return true;
    if (now < open_until_) return false;
    open_until_ = now + pause_ms_;  // for all but this one
    return true;
  }

  void Succeeded() {
    MutexLock lock(mutex_);
    failures_ = 0;
  }

  // True: the circuit has just opened.
  bool Failed(TimeMs now) {
    MutexLock lock(mutex_);
    if (failures_ < failures_allowed_) ++failures_;
    if (failures_ < failures_allowed_) return false;
    const bool opened = now >= open_until_;
    open_until_ = now + pause_ms_;
    return opened;
  }

 private:
  const uint32_t failures_allowed_;
  const TimeMs pause_ms_;
  Mutex mutex_;
  uint32_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
  TimeMs open_until_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace skein::auth
