#include "broker/mqtt/out_queue.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

namespace skein::mqtt {
namespace {

MessagePtr MakePayload(std::string_view payload) {
  Message::Init init;
  init.topic = "t";
  init.payload = payload;
  return Message::Make(init);
}

std::string Contents(const OutQueue& queue) {
  iovec iov[512];
  const size_t count = queue.Gather(iov, 512);
  std::string bytes;
  for (size_t i = 0; i < count; ++i)
    bytes.append(static_cast<const char*>(iov[i].iov_base), iov[i].iov_len);
  return bytes;
}

TEST(OutQueueTest, SmallPacketsShareOneEntry) {
  ChunkPool pool;
  OutQueue queue;
  EXPECT_TRUE(queue.empty());
  queue.Append(pool, "abc");
  std::memcpy(queue.Reserve(pool, 2), "de", 2);
  queue.Append(pool, "");
  iovec iov[4];
  ASSERT_EQ(queue.Gather(iov, 4), 1u);
  EXPECT_EQ(Contents(queue), "abcde");
  EXPECT_EQ(queue.bytes(), 5u);
  queue.Clear(pool);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.Gather(iov, 4), 0u);
}

TEST(OutQueueTest, PayloadIsReferencedNotCopied) {
  ChunkPool pool;
  OutQueue queue;
  MessagePtr message = MakePayload(std::string(100'000, 'p'));
  const char* const at = message->payload().data();
  queue.Append(pool, "head");
  queue.AppendPayload(pool, message, message->payload());
  queue.AppendPayload(pool, message, {});
  queue.Append(pool, "next");
  message = MessagePtr();  // the queue's own reference keeps it
  iovec iov[8];
  ASSERT_EQ(queue.Gather(iov, 8), 3u);
  EXPECT_EQ(iov[1].iov_base, at);
  EXPECT_EQ(iov[1].iov_len, 100'000u);
  EXPECT_EQ(queue.bytes(), 100'008u);
  EXPECT_EQ(queue.Gather(iov, 2), 2u);
  queue.Consume(pool, 4 + 60'000);
  ASSERT_EQ(queue.Gather(iov, 8), 2u);
  EXPECT_EQ(iov[0].iov_base, at + 60'000);
  queue.Consume(pool, 40'000);
  EXPECT_EQ(Contents(queue), "next");
  queue.Consume(pool, 4);
  EXPECT_TRUE(queue.empty());
}

TEST(OutQueueTest, LargestReservationsAndLongAppends) {
  ChunkPool pool;
  OutQueue queue;
  std::string expected;
  for (int i = 0; i < 5; ++i) {
    std::memset(queue.Reserve(pool, OutQueue::kMaxReserve), 'a' + i, OutQueue::kMaxReserve);
    expected.append(OutQueue::kMaxReserve, static_cast<char>('a' + i));
  }
  std::string longer(50'000, '\0');
  for (size_t i = 0; i < longer.size(); ++i)
    longer[i] = static_cast<char>(i * 7);
  queue.Append(pool, longer);
  EXPECT_EQ(Contents(queue), expected + longer);
  queue.Clear(pool);
}

TEST(OutQueueTest, MovingTakesTheBytesAlong) {
  ChunkPool pool;
  OutQueue first;
  first.Append(pool, "bytes");
  OutQueue second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(Contents(second), "bytes");
  first.Append(pool, "again");
  EXPECT_EQ(Contents(first), "again");
  first.Clear(pool);
  second.Clear(pool);
}

TEST(OutQueueTest, PoolRecyclesUpToItsBound) {
  ChunkPool pool(1);
  OutQueue queue;
  queue.Append(pool, std::string(20'000, 'x'));
  iovec iov[16];
  ASSERT_GT(queue.Gather(iov, 16), 4u);
  queue.Clear(pool);
  // The one chunk that was kept serves the next queue.
  queue.Append(pool, "y");
  ASSERT_EQ(queue.Gather(iov, 16), 1u);
  const void* const place = iov[0].iov_base;
  queue.Clear(pool);
  queue.Append(pool, "z");
  ASSERT_EQ(queue.Gather(iov, 16), 1u);
  EXPECT_EQ(iov[0].iov_base, place);
  queue.Clear(pool);
}

TEST(OutQueueTest, AnyMixOfAppendsAndPartialWritesKeepsTheStream) {
  std::mt19937 random(1);
  ChunkPool pool(8);
  OutQueue queue;
  std::string expected;  // what is in the queue
  const MessagePtr message = MakePayload(std::string(9'000, 'P'));
  for (int step = 0; step < 20'000; ++step) {
    const size_t size = 1 + random() % 3'000;
    switch (random() % 4) {
      case 0:
        std::memset(queue.Reserve(pool, size), step & 0xFF, size);
        expected.append(size, static_cast<char>(step & 0xFF));
        break;
      case 1:
        queue.Append(pool, std::string(size, 'A'));
        expected.append(size, 'A');
        break;
      case 2:
        queue.AppendPayload(pool, message, message->payload().substr(0, size));
        expected.append(size, 'P');
        break;
      default: {
        const size_t taken = std::min(expected.size(), size * 3);
        ASSERT_EQ(Contents(queue).substr(0, taken), expected.substr(0, taken));
        queue.Consume(pool, taken);
        expected.erase(0, taken);
      }
    }
    ASSERT_EQ(queue.bytes(), expected.size());
    if (expected.size() > 200'000) {
      queue.Clear(pool);
      expected.clear();
    }
  }
  queue.Clear(pool);
}

TEST(OutQueueDeathTest, DestroyedWithBytesIsOurMistake) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        ChunkPool pool;
        OutQueue queue;
        queue.Append(pool, "x");
      },
      "check failed");
}

}  // namespace
}  // namespace skein::mqtt
