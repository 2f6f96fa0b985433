// Threads, a bounded queue, and an end that does not hang.
#include "broker/auth/worker_pool.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>

#include "tests/unit/auth/worker_holder.h"

namespace skein::auth {
namespace {

TEST(WorkerPoolTest, JobsRunOnOtherThreadsSideBySide) {
  std::promise<std::thread::id> third;  // before the pool, whose end waits for the jobs
  WorkerPool pool(2, 10);
  WorkerHolder one(&pool);
  WorkerHolder two(&pool);  // returns only if a second thread has begun
  ASSERT_TRUE(pool.Post([&] { third.set_value(std::this_thread::get_id()); }));
  one.LetGo();
  EXPECT_NE(third.get_future().get(), std::this_thread::get_id());
  two.LetGo();
}

TEST(WorkerPoolTest, AFullQueueRefusesAndCounts) {
  std::promise<void> last;
  WorkerPool pool(1, 2);
  WorkerHolder holder(&pool);
  EXPECT_TRUE(pool.Post([] {}));
  EXPECT_TRUE(pool.Post([&] { last.set_value(); }));
  EXPECT_FALSE(pool.Post([] { ADD_FAILURE() << "refused, but run"; }));
  EXPECT_FALSE(pool.Post([] { ADD_FAILURE() << "refused, but run"; }));
  EXPECT_EQ(pool.refused(), 2u);
  holder.LetGo();
  last.get_future().wait();
  EXPECT_TRUE(pool.Post([] {})) << "there is room again";
}

TEST(WorkerPoolTest, TheEndDropsWhatHasNotBegun) {
  const auto held = std::make_shared<int>(0);
  bool finished = false;
  {
    std::promise<void> running;
    std::promise<void> go;
    WorkerPool pool(1, 10);
    ASSERT_TRUE(pool.Post([&] {
      running.set_value();
      go.get_future().wait();
      finished = true;
    }));
    running.get_future().wait();
    ASSERT_TRUE(pool.Post([held] { ADD_FAILURE() << "dropped, but run"; }));
    std::thread stopper([&pool] { pool.Stop(); });
    // Stop() has dropped the queue once nothing else holds the value.
    while (held.use_count() > 1)
      std::this_thread::yield();
    go.set_value();
    stopper.join();
    EXPECT_TRUE(finished) << "a job that runs is waited for";
    EXPECT_FALSE(pool.Post([] {})) << "after the end";
    pool.Stop();
  }
}

}  // namespace
}  // namespace skein::auth
