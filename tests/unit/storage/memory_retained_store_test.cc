// MemoryRetainedStore: the retained rules, the bounds, reading in pieces, expiry, several threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "broker/routing/topic.h"
#include "storage/memory/retained_store.h"
#include "tests/unit/routing/random_topics.h"

namespace skein::storage {
namespace {

using mqtt::Message;
using mqtt::MessagePtr;
using PutResult = shard::RetainedStore::PutResult;

MessagePtr Make(std::string_view topic, std::string_view payload,
                uint32_t expiry_seconds = Message::kNoExpiry) {
  Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.retain = true;
  init.expiry_seconds = expiry_seconds;
  return Message::Make(init);
}

// Reads to the end in pieces of `limit`; "topic=payload" each.
std::vector<std::string> ReadAll(MemoryRetainedStore* store, std::string_view filter,
                                 TimeMs now = 0, size_t limit = 3, size_t* calls = nullptr) {
  std::vector<std::string> result;
  std::string cursor;
  bool done = false;
  for (size_t call = 0; !done; ++call) {
    if (calls != nullptr) *calls = call + 1;
    std::vector<MessagePtr> piece;
    done = store->Read(filter, now, limit, &cursor, &piece);
    EXPECT_LE(piece.size(), limit);
    EXPECT_TRUE(done || !cursor.empty());
    for (const MessagePtr& message : piece) {
      result.push_back(std::string(message->topic()) + "=" + std::string(message->payload()));
    }
  }
  return result;
}

using Strings = std::vector<std::string>;

TEST(MemoryRetainedStoreTest, StoresReplacesRemoves) {
  MemoryRetainedStore store{Limits()};
  EXPECT_EQ(store.Put(Make("a/b", "1")), PutResult::kStored);
  EXPECT_EQ(store.Put(Make("a/c", "2")), PutResult::kStored);
  EXPECT_EQ(store.Put(Make("a/b", "3")), PutResult::kStored);
  EXPECT_EQ(ReadAll(&store, "a/+"), (Strings{"a/b=3", "a/c=2"}));
  EXPECT_EQ(store.stats().messages, 2u);
  EXPECT_EQ(store.stats().bytes, Make("a/b", "3")->cost() + Make("a/c", "2")->cost());
  EXPECT_EQ(store.Put(Make("a/b", "")), PutResult::kRemoved);
  EXPECT_EQ(store.Put(Make("never", "")), PutResult::kRemoved);
  EXPECT_EQ(ReadAll(&store, "#"), (Strings{"a/c=2"}));
  store.Put(Make("a/c", ""));
  EXPECT_EQ(store.stats().messages, 0u);
  EXPECT_EQ(store.stats().bytes, 0u);
  EXPECT_EQ(store.stats().refused, 0u);
}

TEST(MemoryRetainedStoreTest, RefusesMoreMessagesThanAllowed) {
  Limits limits;
  limits.max_retained_messages = 2;
  MemoryRetainedStore store(limits);
  EXPECT_EQ(store.Put(Make("a", "1")), PutResult::kStored);
  EXPECT_EQ(store.Put(Make("b", "1")), PutResult::kStored);
  EXPECT_EQ(store.Put(Make("c", "1")), PutResult::kFull);
  EXPECT_EQ(store.Put(Make("a", "a longer one")), PutResult::kStored);
  EXPECT_EQ(store.Put(Make("c", "")), PutResult::kRemoved);
  EXPECT_EQ(store.Put(Make("b", "")), PutResult::kRemoved);
  EXPECT_EQ(store.Put(Make("c", "1")), PutResult::kStored);
  EXPECT_EQ(ReadAll(&store, "#"), (Strings{"a=a longer one", "c=1"}));
  EXPECT_EQ(store.stats().refused, 1u);
}

TEST(MemoryRetainedStoreTest, RefusesMoreBytesThanAllowed) {
  const std::string payload(1'000, 'x');
  Limits limits;
  limits.max_retained_bytes = 2 * Make("a", payload)->cost();
  MemoryRetainedStore store(limits);
  EXPECT_EQ(store.Put(Make("a", payload)), PutResult::kStored);
  EXPECT_EQ(store.Put(Make("b", payload)), PutResult::kStored);
  EXPECT_EQ(store.stats().bytes, limits.max_retained_bytes);
  EXPECT_EQ(store.Put(Make("c", "1")), PutResult::kFull);
  EXPECT_EQ(store.Put(Make("a", payload + "x")), PutResult::kFull);
  EXPECT_EQ(ReadAll(&store, "a"), (Strings{"a=" + payload})) << "the one before is kept";
  std::string other = payload;
  other[0] = 'y';
  EXPECT_EQ(store.Put(Make("a", other)), PutResult::kStored);
  EXPECT_EQ(store.Put(Make("a", "short")), PutResult::kStored);
  EXPECT_EQ(store.Put(Make("c", "1")), PutResult::kStored);
  EXPECT_LE(store.stats().bytes, limits.max_retained_bytes);
  EXPECT_EQ(store.stats().refused, 2u);
}

TEST(MemoryRetainedStoreTest, SkipsAndSweepsExpiredMessages) {
  MemoryRetainedStore store{Limits()};
  for (int i = 0; i < 10; ++i)
    store.Put(Make("old/" + std::to_string(i), "1", 1));
  store.Put(Make("new", "1", 100));
  store.Put(Make("ever", "1"));
  store.Put(Make("old/0", "renewed"));
  EXPECT_EQ(ReadAll(&store, "#", 999).size(), 12u);
  EXPECT_EQ(ReadAll(&store, "#", 1'000), (Strings{"ever=1", "new=1", "old/0=renewed"}));
  store.Sweep(999, 100);
  EXPECT_EQ(store.stats().messages, 12u);
  store.Sweep(1'000, 4);
  EXPECT_EQ(store.stats().messages, 8u);
  store.Sweep(1'000, 100);
  EXPECT_EQ(store.stats().messages, 3u);
  store.Put(Make("new", ""));
  store.Sweep(1'000'000, 100);
  EXPECT_EQ(ReadAll(&store, "#", 1'000'000), (Strings{"ever=1", "old/0=renewed"}));
}

TEST(MemoryRetainedStoreTest, ReadsInBoundedPieces) {
  MemoryRetainedStore store{Limits()};
  constexpr size_t kTopics = 5 * MemoryRetainedStore::kMaxSteps;
  for (size_t i = 0; i < kTopics; ++i)
    store.Put(Make("t/" + std::to_string(i) + "/x", "1", 1));
  size_t calls = 0;
  EXPECT_EQ(ReadAll(&store, "t/#", 0, 100, &calls).size(), kTopics);
  EXPECT_GE(calls, kTopics / 100);
  // Nothing to find costs calls, not one long one.
  EXPECT_EQ(ReadAll(&store, "t/+/y", 0, 100, &calls).size(), 0u);
  EXPECT_GE(calls, 5u);
  EXPECT_EQ(ReadAll(&store, "t/#", 5'000, 100, &calls).size(), 0u);
  EXPECT_GE(calls, 5u);
  EXPECT_EQ(ReadAll(&store, "t/7/x", 0, 100, &calls).size(), 1u);
  EXPECT_EQ(calls, 1u);
}

TEST(MemoryRetainedStoreTest, TheCursorHoldsWhenTopicsComeAndGo) {
  MemoryRetainedStore store{Limits()};
  for (const char* topic : {"a", "b", "c", "d"})
    store.Put(Make(topic, "1"));
  std::string cursor;
  std::vector<MessagePtr> out;
  EXPECT_FALSE(store.Read("#", 0, 2, &cursor, &out));
  store.Put(Make("c", ""));
  store.Put(Make("aa", "1"));
  store.Put(Make("cc", "1"));
  EXPECT_TRUE(store.Read("#", 0, 10, &cursor, &out));
  Strings topics;
  for (const MessagePtr& message : out)
    topics.emplace_back(message->topic());
  EXPECT_EQ(topics, (Strings{"a", "b", "cc", "d"}));
}

TEST(MemoryRetainedStoreTest, AgreesWithTheReference) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    routing::RandomTopics random(seed);
    MemoryRetainedStore store{Limits()};
    std::map<std::string, std::string> naive;
    for (int step = 0; step < 2'000; ++step) {
      const std::string topic = random.Topic();
      const std::string payload = random.Below(3) == 0 ? "" : std::to_string(step);
      store.Put(Make(topic, payload));
      naive.erase(topic);
      if (!payload.empty()) naive[topic] = payload;
      const std::string filter = random.Filter();
      Strings expected;
      for (const auto& [name, value] : naive) {
        if (routing::TopicMatchesFilter(name, filter)) expected.push_back(name + "=" + value);
      }
      Strings got = ReadAll(&store, filter, 0, 1 + random.Below(5));
      std::sort(got.begin(), got.end());
      std::sort(expected.begin(), expected.end());
      ASSERT_EQ(got, expected) << "seed " << seed << " filter " << filter;
      ASSERT_EQ(store.stats().messages, naive.size());
    }
  }
}

TEST(MemoryRetainedStoreTest, ServesSeveralThreads) {
  Limits limits;
  limits.max_retained_messages = 300;
  MemoryRetainedStore store(limits);
  std::atomic<int> writers{2};
  std::atomic<bool> wrong{false};
  const auto write = [&](int id) {
    for (int i = 0; i < 4'000; ++i) {
      const std::string topic = "w" + std::to_string(id) + "/" + std::to_string(i % 200);
      store.Put(Make(topic, i % 7 == 0 ? "" : topic, i % 3 == 0 ? 1 : Message::kNoExpiry));
    }
    --writers;
  };
  const auto read = [&] {
    while (writers > 0) {
      std::string cursor;
      std::vector<MessagePtr> out;
      while (!store.Read("+/#", 0, 16, &cursor, &out)) {
      }
      std::set<std::string_view> topics;
      for (const MessagePtr& message : out) {
        if (message->payload() != message->topic()) wrong = true;
        if (!topics.insert(message->topic()).second) wrong = true;
      }
    }
  };
  const auto sweep = [&] {
    while (writers > 0)
      store.Sweep(2'000, 8);
  };
  {
    std::vector<std::jthread> threads;
    for (int id = 0; id < 2; ++id)
      threads.emplace_back(write, id);
    threads.emplace_back(read);
    threads.emplace_back(sweep);
  }
  EXPECT_FALSE(wrong);
  EXPECT_LE(store.stats().messages, 300u);
  store.Sweep(2'000, 10'000);
  const size_t messages = ReadAll(&store, "#", 2'000, 50).size();
  EXPECT_EQ(messages, store.stats().messages);
  for (const std::string& row : ReadAll(&store, "#", 0, 50)) {
    store.Put(Make(row.substr(0, row.find('=')), ""));
  }
  EXPECT_EQ(store.stats().bytes, 0u);
}

}  // namespace
}  // namespace skein::storage
