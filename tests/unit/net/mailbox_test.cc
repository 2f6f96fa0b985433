#include "broker/net/mailbox.h"

#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace skein::net {
namespace {

TEST(SpscRingTest, FirstInFirstOutUpToItsCapacity) {
  SpscRing<std::unique_ptr<int>> ring(4);
  EXPECT_EQ(ring.capacity(), 4u);
  std::unique_ptr<int> out;
  EXPECT_FALSE(ring.TryPop(&out));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i)
      ASSERT_TRUE(ring.TryPush(std::make_unique<int>(i)));
    auto extra = std::make_unique<int>(99);
    EXPECT_FALSE(ring.TryPush(std::move(extra)));
    ASSERT_NE(extra, nullptr) << "a refused push must leave its value";
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(ring.TryPop(&out));
      EXPECT_EQ(*out, i);
    }
    EXPECT_FALSE(ring.TryPop(&out));
  }
}

TEST(SpscRingTest, PoppedSlotsHoldNothing) {
  SpscRing<std::shared_ptr<int>> ring(2);
  auto value = std::make_shared<int>(1);
  ASSERT_TRUE(ring.TryPush(std::shared_ptr<int>(value)));
  std::shared_ptr<int> out;
  ASSERT_TRUE(ring.TryPop(&out));
  out.reset();
  EXPECT_EQ(value.use_count(), 1);
}

TEST(SpscRingDeathTest, CapacityIsAPowerOfTwo) {
  EXPECT_DEATH(SpscRing<int>(3), "check failed");
  EXPECT_DEATH(SpscRing<int>(0), "check failed");
}

TEST(SpscRingTest, TwoThreadsKeepOrderAndLoseNothing) {
  for (const size_t capacity : {1, 2, 64}) {
    // With little room every item costs a change of threads.
    const uint64_t items = 5'000 * capacity;
    SpscRing<std::unique_ptr<uint64_t>> ring(capacity);
    std::thread producer([&ring, items] {
      for (uint64_t i = 0; i < items; ++i) {
        auto item = std::make_unique<uint64_t>(i);
        while (!ring.TryPush(std::move(item)))
          std::this_thread::yield();
      }
    });
    uint64_t wrong = 0;
    std::unique_ptr<uint64_t> item;
    for (uint64_t i = 0; i < items; ++i) {
      while (!ring.TryPop(&item))
        std::this_thread::yield();
      if (item == nullptr || *item != i) ++wrong;
    }
    producer.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_FALSE(ring.TryPop(&item));
  }
}

TEST(MailboxTest, PassesWholeBatchesAndRefusesWhenFull) {
  Mailbox<std::vector<int>> mailbox(2);
  EXPECT_TRUE(mailbox.Push({1, 2, 3}));
  EXPECT_TRUE(mailbox.Push({4}));
  std::vector<int> refused = {5, 6};
  EXPECT_FALSE(mailbox.Push(std::move(refused)));
  EXPECT_EQ(refused, (std::vector<int>{5, 6}));
  std::vector<int> batch;
  ASSERT_TRUE(mailbox.Pop(&batch));
  EXPECT_EQ(batch, (std::vector<int>{1, 2, 3}));
  EXPECT_TRUE(mailbox.Push(std::move(refused)));
  ASSERT_TRUE(mailbox.Pop(&batch));
  EXPECT_EQ(batch, std::vector<int>{4});
  ASSERT_TRUE(mailbox.Pop(&batch));
  EXPECT_EQ(batch, (std::vector<int>{5, 6}));
  EXPECT_FALSE(mailbox.Pop(&batch));
}

}  // namespace
}  // namespace skein::net
