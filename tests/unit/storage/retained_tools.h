// Small things for tests of retained stores.
//
// Purpose: makes messages, and reads with a reader to its end, waiting for its wakes. Thread: each
// value is confined to its test, but a WakeCount's callback may run on any thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "broker/shard/retained_store.h"

namespace skein::storage {

using mqtt::Message;
using mqtt::MessagePtr;
using Strings = std::vector<std::string>;

inline constexpr size_t kManyTopics = 512;

inline MessagePtr Make(std::string_view topic, std::string_view payload,
                       uint32_t expiry_seconds = Message::kNoExpiry) {
  Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.retain = true;
  init.expiry_seconds = expiry_seconds;
  return Message::Make(init);
}

// Counts the wakes of a reader and waits for the next.
class WakeCount {
 public:
  std::function<void()> Callback() {
    return [this] {
      const std::lock_guard lock(mutex_);
      ++count_;
      woken_.notify_all();
    };
  }
  void Await() {
    std::unique_lock lock(mutex_);
    ++awaited_;
    ASSERT_TRUE(woken_.wait_for(lock, std::chrono::seconds(30), [this] {
      return count_ >= awaited_;
    })) << "the reader was never woken";
  }
  size_t awaited() const { return awaited_; }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  size_t count_ = 0;
  size_t awaited_ = 0;
};

// One call, after the wake if it has to wait. True: there may be more.
inline bool ReadSome(shard::RetainedReader* reader, WakeCount* wakes, TimeMs now, size_t limit,
                     std::vector<MessagePtr>* out) {
  const size_t before = out->size();
  const shard::RetainedReader::Result result = reader->Read(now, limit, out);
  EXPECT_LE(out->size() - before, limit);
  if (result == shard::RetainedReader::Result::kPending) {
    EXPECT_EQ(out->size(), before);
    wakes->Await();
  }
  return result != shard::RetainedReader::Result::kDone && !testing::Test::HasFatalFailure();
}

inline void ReadRest(shard::RetainedReader* reader, WakeCount* wakes, TimeMs now, size_t limit,
                     std::vector<MessagePtr>* out) {
  while (ReadSome(reader, wakes, now, limit, out)) {
  }
}

// "topic=payload" each.
inline Strings Texts(const std::vector<MessagePtr>& messages) {
  Strings texts;
  for (const MessagePtr& message : messages)
    texts.push_back(std::string(message->topic()) + "=" + std::string(message->payload()));
  return texts;
}

// Reads to the end in pieces of `limit`.
inline Strings ReadAll(shard::RetainedStore* store, std::string_view filter, TimeMs now = 0,
                       size_t limit = 3, size_t* calls = nullptr, size_t* waits = nullptr) {
  WakeCount wakes;
  const auto reader = store->Open(filter, wakes.Callback());
  std::vector<MessagePtr> out;
  size_t count = 1;
  while (ReadSome(reader.get(), &wakes, now, limit, &out))
    ++count;
  if (calls != nullptr) *calls = count;
  if (waits != nullptr) *waits = wakes.awaited();
  return Texts(out);
}

}  // namespace skein::storage
