// How a piece is merged: the overlay is looked at first, the database after. So what the database
// shows is at least as new as the overlay that was seen, and whatever changed in between has a
// higher version than the piece: the reader notices when it hands the message on. A topic that was
// set for the first time in between may be missed; its publish reaches the subscriber as such.
#include "storage/rocksdb/retained_reader.h"

#include <algorithm>
#include <utility>

#include <rocksdb/db.h>

#include "broker/base/check.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/retained_store.h"
#include "storage/rocksdb/retained_value.h"

namespace skein::storage {
namespace {

using routing::RetainedScan;
using State = RetainedChunk::State;

std::string KeyAfter(std::string_view key) {
  std::string after(key);
  after.push_back('\0');
  return after;
}

// The merged walk over one chunk.
class Merge {
 public:
  Merge(RocksRetainedStore::Changes changes, RetainedChunk* chunk)
      : changes_(std::move(changes)), chunk_(*chunk) {}

  // Walks both until one of the bounds is reached.
  State Walk(rocksdb::Iterator* stored, const RetainedScan& scan);

 private:
  bool Full() const { return chunk_.messages.size() >= kChunkMessages || bytes_ >= kChunkBytes; }
  // Takes the changes before the key; true: there is no room for more.
  bool TakeChangesBefore(std::string_view key);
  State TakeRemainingChanges();
  void Take(mqtt::MessagePtr message) {
    bytes_ += message->cost();
    chunk_.messages.push_back(std::move(message));
  }

  RocksRetainedStore::Changes changes_;
  RetainedChunk& chunk_;
  size_t next_ = 0;  // of the changes
  size_t bytes_ = 0;
};

bool Merge::TakeChangesBefore(std::string_view key) {
  for (; next_ < changes_.entries.size() && changes_.entries[next_].first < key; ++next_) {
    if (Full()) return true;
    auto& [topic_key, message] = changes_.entries[next_];
    chunk_.position = KeyAfter(topic_key);
    if (message) Take(std::move(message));
  }
  return Full();
}

State Merge::TakeRemainingChanges() {
  while (next_ < changes_.entries.size()) {
    if (Full()) return State::kMore;
    auto& [topic_key, message] = changes_.entries[next_++];
    chunk_.position = KeyAfter(topic_key);
    if (message) Take(std::move(message));
  }
  if (changes_.complete) return State::kEnd;
  chunk_.position = changes_.end;
  return State::kMore;
}

State Merge::Walk(rocksdb::Iterator* stored, const RetainedScan& scan) {
  std::string seek_to = chunk_.position;
  stored->Seek(seek_to);
  for (size_t step = 0; stored->Valid(); ++step) {
    const std::string_view key = stored->key().ToStringView();
    if (!changes_.complete && key >= changes_.end) return TakeRemainingChanges();
    const RetainedScan::Step next = scan.Check(key, &seek_to);
    if (next == RetainedScan::Step::kDone) return TakeRemainingChanges();
    const std::string_view until = next == RetainedScan::Step::kSeek ? seek_to : key;
    if (TakeChangesBefore(until)) return State::kMore;
    if (step == kChunkSteps) {
      chunk_.position = std::string(until);
      return State::kMore;
    }
    if (next == RetainedScan::Step::kSeek) {
      chunk_.position = seek_to;
      stored->Seek(seek_to);
      continue;
    }
    if (next_ < changes_.entries.size() && changes_.entries[next_].first == key) {
      mqtt::MessagePtr& message = changes_.entries[next_++].second;
      if (message) Take(std::move(message));
    } else {
      mqtt::MessagePtr message = DecodeRetained(key, stored->value().ToStringView());
      SKEIN_CHECK(message) << "a retained message is damaged";
      if (!message->payload().empty()) Take(std::move(message));
    }
    chunk_.position = KeyAfter(key);
    if (Full()) return State::kMore;
    stored->Next();
  }
  if (stored->status().IsIncomplete()) return State::kNotCached;
  SKEIN_CHECK(stored->status().ok())
      << "reading retained messages: " << stored->status().ToString();
  return TakeRemainingChanges();
}

}  // namespace

void ReadRetainedChunk(Database* database, const RocksRetainedStore& store,
                       const RetainedScan& scan, bool cached_only, RetainedChunk* chunk) {
  RocksRetainedStore::Changes changes = store.ChangesFrom(chunk->position, scan);
  chunk->version = changes.version;
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  if (cached_only) options.read_tier = rocksdb::kBlockCacheTier;
  const std::unique_ptr<rocksdb::Iterator> stored(
      database->db()->NewIterator(options, database->family(Family::kRetained)));
  chunk->state = Merge(std::move(changes), chunk).Walk(stored.get(), scan);
}

RetainedOrder::RetainedOrder(RetainedScan scan, std::string position, std::function<void()> wake)
    : scan_(std::move(scan)), wake_(std::move(wake)) {
  chunk_.position = std::move(position);
}

void RetainedOrder::Cancel() {
  MutexLock lock(mutex_);
  wake_ = nullptr;
}

void RetainedOrder::Fill(Database* database, const RocksRetainedStore& store) {
  {
    MutexLock lock(mutex_);
    if (!wake_) return;  // cancelled
  }
  ReadRetainedChunk(database, store, scan_, false, &chunk_);
  MutexLock lock(mutex_);
  ready_.store(true, std::memory_order_release);
  if (wake_) wake_();
}

RetainedPrefetcher::RetainedPrefetcher(Database* database, const RocksRetainedStore* store)
    : database_(database), store_(*store), thread_([this] { Run(); }) {}

RetainedPrefetcher::~RetainedPrefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void RetainedPrefetcher::Order(std::shared_ptr<RetainedOrder> order) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
  }
  work_.notify_one();
}

void RetainedPrefetcher::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [this] { return stop_ || !orders_.empty(); });
    if (stop_) return;
    const std::shared_ptr<RetainedOrder> order = std::move(orders_.front());
    orders_.pop_front();
    lock.unlock();
    order->Fill(database_, store_);
    lock.lock();
  }
}

RocksRetainedReader::RocksRetainedReader(Database* database, const RocksRetainedStore* store,
                                         RetainedPrefetcher* prefetcher,
                                         std::string_view topic_filter, std::function<void()> wake)
    : database_(database),
      store_(*store),
      prefetcher_(*prefetcher),
      scan_(topic_filter.empty() ? RetainedScan() : RetainedScan(topic_filter)),
      wake_(wake ? std::move(wake) : [] {}) {
  chunk_.position = scan_.first_key();
  const bool one_topic =
      !topic_filter.empty() && topic_filter.find_first_of("+#") == std::string_view::npos;
  if (one_topic && !store_.Exists(topic_filter)) chunk_.state = State::kEnd;
}

void RocksRetainedReader::StartAfter(std::string_view topic) {
  chunk_.position = std::max(scan_.first_key(), KeyAfter(routing::EncodeRetainedKey(topic)));
}

RocksRetainedReader::~RocksRetainedReader() {
  if (order_ != nullptr) order_->Cancel();
}

shard::RetainedReader::Result RocksRetainedReader::Read(TimeMs now, size_t limit,
                                                        std::vector<mqtt::MessagePtr>* out) {
  if (order_ != nullptr) {
    if (!order_->ready()) return Result::kPending;
    chunk_ = order_->TakeChunk();
    order_.reset();
  }
  size_t found = HandOn(now, limit, out);
  if (chunk_.messages.empty() && chunk_.state == State::kMore && found == 0) {
    ReadRetainedChunk(database_, store_, scan_, true, &chunk_);
    found = HandOn(now, limit, out);
  }
  if (!chunk_.messages.empty()) return Result::kMore;
  if (chunk_.state == State::kEnd) return Result::kDone;
  if (chunk_.state == State::kMore || found > 0) return Result::kMore;
  order_ = std::make_shared<RetainedOrder>(scan_, chunk_.position, wake_);
  prefetcher_.Order(order_);
  return Result::kPending;
}

size_t RocksRetainedReader::HandOn(TimeMs now, size_t limit, std::vector<mqtt::MessagePtr>* out) {
  size_t found = 0;
  while (found < limit && !chunk_.messages.empty()) {
    mqtt::MessagePtr message = std::move(chunk_.messages.front());
    chunk_.messages.pop_front();
    std::string key = routing::EncodeRetainedKey(message->topic());
    switch (store_.Check(chunk_.version, &message)) {
      case RocksRetainedStore::Currency::kGone:
        continue;
      case RocksRetainedStore::Currency::kReplaced:
        if (!message) {  // read it again, with all that follows
          chunk_.messages.clear();
          chunk_.position = std::move(key);
          chunk_.state = State::kMore;
          return found;
        }
        break;
      case RocksRetainedStore::Currency::kCurrent:
        break;
    }
    if (message->expired(now)) continue;
    out->push_back(std::move(message));
    ++found;
  }
  return found;
}

}  // namespace skein::storage
