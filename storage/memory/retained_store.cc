// See retained_store.h.
#include "storage/memory/retained_store.h"

#include "broker/routing/retained_scan.h"

namespace skein::storage {

using routing::RetainedScan;

MemoryRetainedStore::MemoryRetainedStore(const Limits& limits)
    : max_messages_(limits.max_retained_messages), max_bytes_(limits.max_retained_bytes) {}

shard::RetainedStore::PutResult MemoryRetainedStore::Put(const mqtt::MessagePtr& message) {
  mqtt::MessagePtr replaced;  // freed after the lock
  MutexLock lock(mutex_);
  return Store(message, &replaced);
}

shard::RetainedStore::PutResult MemoryRetainedStore::PutLatest(mqtt::MessagePtr* message) {
  const std::string key = routing::EncodeRetainedKey((*message)->topic());
  mqtt::MessagePtr replaced;
  MutexLock lock(mutex_);
  const RetainedStamp last = StampOf(key);
  if ((*message)->received_at() <= last.time) *message = (*message)->ReceivedAt(last.time + 1);
  return StoreStamped(key, *message, &replaced);
}

shard::RetainedStore::PutResult MemoryRetainedStore::Merge(const mqtt::MessagePtr& message,
                                                           TimeMs now) {
  const std::string key = routing::EncodeRetainedKey(message->topic());
  mqtt::MessagePtr replaced;
  MutexLock lock(mutex_);
  if (RetainedStamp::Of(*message) <= StampOf(key)) return PutResult::kOlder;
  const bool ended = message->payload().empty()
                         ? !tombstones_.WouldKeep(message->received_at(), now)
                         : message->expired(now);
  if (ended && !messages_.contains(key)) return PutResult::kOlder;
  return StoreStamped(key, message, &replaced);
}

std::vector<mqtt::MessagePtr> MemoryRetainedStore::Removed(
    const shard::RetainedBuckets& buckets) const {
  MutexLock lock(mutex_);
  return tombstones_.AsMessages(buckets);
}

shard::RetainedDigest MemoryRetainedStore::Digest(TimeMs now) {
  MutexLock lock(mutex_);
  return sums_.AsOf(now);
}

RetainedStamp MemoryRetainedStore::StampOf(const std::string& key) const {
  if (const auto entry = messages_.find(key); entry != messages_.end())
    return RetainedStamp::Of(*entry->second);
  return {tombstones_.Find(key).value_or(0), 0};
}

shard::RetainedStore::PutResult MemoryRetainedStore::StoreStamped(const std::string& key,
                                                                  const mqtt::MessagePtr& message,
                                                                  mqtt::MessagePtr* replaced) {
  const PutResult result = Store(message, replaced);
  if (result == PutResult::kStored) tombstones_.Erase(key);
  if (result == PutResult::kRemoved) tombstones_.Set(key, message->received_at());
  return result;
}

shard::RetainedStore::PutResult MemoryRetainedStore::Store(const mqtt::MessagePtr& message,
                                                           mqtt::MessagePtr* replaced) {
  std::string key = routing::EncodeRetainedKey(message->topic());
  auto entry = messages_.find(key);
  const bool known = entry != messages_.end();
  if (message->payload().empty()) {
    if (known) *replaced = Replace(entry, mqtt::MessagePtr());
    return PutResult::kRemoved;
  }
  const uint64_t before = known ? entry->second->cost() : 0;
  const uint64_t after = message->cost();
  const bool too_many = !known && messages_.size() >= max_messages_;
  const bool too_large = after > before && bytes_ - before + after > max_bytes_;
  if (too_many || too_large) {
    ++refused_;
    return PutResult::kFull;
  }
  if (!known) entry = messages_.try_emplace(std::move(key)).first;
  *replaced = Replace(entry, message);
  return PutResult::kStored;
}

class MemoryRetainedStore::Reader : public shard::RetainedReader {
 public:
  Reader(MemoryRetainedStore* store, std::string_view topic_filter)
      : store_(*store),
        scan_(topic_filter.empty() ? RetainedScan() : RetainedScan(topic_filter)),
        cursor_(scan_.first_key()) {}

  void StartAfter(std::string_view topic) override {
    cursor_ = std::max(cursor_, routing::EncodeRetainedKey(topic) + '\0');
  }

  Result Read(TimeMs now, size_t limit, std::vector<mqtt::MessagePtr>* out) override {
    size_t found = 0;
    MutexLock lock(store_.mutex_);
    Messages& messages = store_.messages_;
    auto entry = messages.lower_bound(cursor_);
    for (size_t step = 0; step < kMaxSteps; ++step) {
      if (entry == messages.end()) return Result::kDone;
      if (found == limit) break;
      switch (scan_.Check(entry->first, &cursor_)) {
        case RetainedScan::Step::kMatch:
          if (!entry->second->expired(now)) {
            out->push_back(entry->second);
            ++found;
          }
          ++entry;
          break;
        case RetainedScan::Step::kSeek:
          entry = messages.lower_bound(cursor_);
          break;
        case RetainedScan::Step::kDone:
          return Result::kDone;
      }
    }
    if (entry == messages.end()) return Result::kDone;
    cursor_ = entry->first;
    return Result::kMore;
  }

 private:
  MemoryRetainedStore& store_;
  const RetainedScan scan_;
  std::string cursor_;  // where to go on
};

std::unique_ptr<shard::RetainedReader> MemoryRetainedStore::Open(std::string_view topic_filter,
                                                                 std::function<void()> /*wake*/) {
  return std::make_unique<Reader>(this, topic_filter);
}

void MemoryRetainedStore::Sweep(TimeMs now, size_t max_steps) {
  std::vector<mqtt::MessagePtr> dropped;  // freed after the lock
  MutexLock lock(mutex_);
  sums_.AsOf(now);
  while (dropped.size() < max_steps && !expiries_.empty() && expiries_.begin()->first <= now) {
    dropped.push_back(Replace(messages_.find(expiries_.begin()->second), mqtt::MessagePtr()));
  }
  for (size_t step = 0; step < max_steps && tombstones_.Expire(now); ++step) {
  }
}

shard::RetainedStore::Stats MemoryRetainedStore::stats() const {
  MutexLock lock(mutex_);
  return {messages_.size(), bytes_, refused_};
}

mqtt::MessagePtr MemoryRetainedStore::Replace(Messages::iterator entry, mqtt::MessagePtr message) {
  mqtt::MessagePtr before = std::move(entry->second);
  if (before) {
    bytes_ -= before->cost();
    sums_.Flip(entry->first, RetainedStamp::Of(*before), before->expires_at());
    if (before->has_expiry()) expiries_.erase({before->expires_at(), entry->first});
  }
  if (!message) {
    messages_.erase(entry);
    return before;
  }
  bytes_ += message->cost();
  sums_.Flip(entry->first, RetainedStamp::Of(*message), message->expires_at());
  if (message->has_expiry()) expiries_.emplace(message->expires_at(), entry->first);
  entry->second = std::move(message);
  return before;
}

}  // namespace skein::storage
