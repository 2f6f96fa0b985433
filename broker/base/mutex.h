// A mutex that clang's thread-safety analysis understands.
//
// Purpose: guards the little state that threads share (mailboxes, adapters). It wraps std::mutex,
// so that ThreadSanitizer sees it, and carries absl's annotations, so that ABSL_GUARDED_BY is
// checked. Thread: any. Never held across a system call that blocks or a call out of the owning
// class.
#pragma once

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace skein {

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds the mutex for a scope.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace skein
