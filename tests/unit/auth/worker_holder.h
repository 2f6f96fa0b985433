// Keeps one thread of a pool busy until it is let go.
//
// Purpose: makes a pool's queue fill up without waiting for time to pass. Thread: made and let go
// by the test's; what the pool's thread looks at belongs to the job too, so it may outlive this.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "broker/auth/worker_pool.h"

namespace skein::auth {

class WorkerHolder {
 public:
  // Returns when a thread has begun.
  explicit WorkerHolder(WorkerPool* pool) {
    EXPECT_TRUE(pool->Post([shared = shared_] {
      shared->running.set_value();
      shared->go.get_future().wait();
    }));
    shared_->running.get_future().wait();
  }
  ~WorkerHolder() { LetGo(); }
  WorkerHolder(const WorkerHolder&) = delete;

  void LetGo() {
    if (!held_) return;
    held_ = false;
    shared_->go.set_value();
  }

 private:
  struct Shared {
    std::promise<void> running;
    std::promise<void> go;
  };
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  bool held_ = true;
};

}  // namespace skein::auth
