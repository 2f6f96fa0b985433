// The index and the overlay; retained_reader.cc reads.
#include "storage/rocksdb/retained_store.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/retained_reader.h"
#include "storage/rocksdb/retained_value.h"

namespace skein::storage {
namespace {

using routing::RetainedScan;

// Changes a reader looks at in one go.
constexpr size_t kMaxChanges = 256;

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

rocksdb::Slice AsSlice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksRetainedStore>> RocksRetainedStore::Create(
    Database* database, const Limits& limits) {
  std::unique_ptr<RocksRetainedStore> store(new RocksRetainedStore(database, limits));
  if (absl::Status status = store->Load(); !status.ok()) return status;
  return store;
}

RocksRetainedStore::RocksRetainedStore(Database* database, const Limits& limits)
    : database_(database),
      max_messages_(limits.max_retained_messages),
      max_bytes_(limits.max_retained_bytes),
      seed_(RandomSeed()),
      prefetcher_(std::make_unique<RetainedPrefetcher>(database, this)) {}

RocksRetainedStore::~RocksRetainedStore() = default;

absl::Status RocksRetainedStore::Load() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> each(
      database_->db()->NewIterator(options, database_->family(Family::kRetained)));
  MutexLock lock(mutex_);
  for (each->SeekToFirst(); each->Valid(); each->Next()) {
    const std::string_view key = each->key().ToStringView();
    const mqtt::MessagePtr message = DecodeRetained(key, each->value().ToStringView());
    if (!message) {
      return absl::DataLossError(absl::StrCat("the retained message of topic '",
                                              routing::DecodeRetainedKey(key), "' is damaged"));
    }
    if (message->payload().empty()) {
      tombstones_.Set(key, message->received_at());
    } else {
      Insert(key, index_.try_emplace(Hash(key)).first, *message);
    }
  }
  if (each->status().ok()) return absl::OkStatus();
  return absl::DataLossError("reading retained messages: " + each->status().ToString() +
                             "; restore a backup, or run skeinmqd --repair");
}

uint64_t RocksRetainedStore::Hash(std::string_view key) const {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed_);
}

shard::RetainedStore::PutResult RocksRetainedStore::Put(const mqtt::MessagePtr& message) {
  const std::string key = routing::EncodeRetainedKey(message->topic());
  mqtt::MessagePtr replaced;  // freed after the lock
  MutexLock lock(mutex_);
  if (message->payload().empty()) return Remove(key, false, &replaced);
  return Store(key, message, &replaced);
}

shard::RetainedStore::PutResult RocksRetainedStore::PutLatest(mqtt::MessagePtr* message) {
  const std::string key = routing::EncodeRetainedKey((*message)->topic());
  mqtt::MessagePtr replaced;
  MutexLock lock(mutex_);
  const RetainedStamp last = StampOf(key);
  if ((*message)->received_at() <= last.time) *message = (*message)->ReceivedAt(last.time + 1);
  return StoreStamped(key, *message, &replaced);
}

shard::RetainedStore::PutResult RocksRetainedStore::Merge(const mqtt::MessagePtr& message,
                                                          TimeMs now) {
  const std::string key = routing::EncodeRetainedKey(message->topic());
  mqtt::MessagePtr replaced;
  MutexLock lock(mutex_);
  if (RetainedStamp::Of(*message) <= StampOf(key)) return PutResult::kOlder;
  const bool ended = message->payload().empty()
                         ? !tombstones_.WouldKeep(message->received_at(), now)
                         : message->expired(now);
  if (ended && !index_.contains(Hash(key))) return PutResult::kOlder;
  return StoreStamped(key, message, &replaced);
}

std::vector<mqtt::MessagePtr> RocksRetainedStore::Removed(
    const shard::RetainedBuckets& buckets) const {
  MutexLock lock(mutex_);
  return tombstones_.AsMessages(buckets);
}

shard::RetainedDigest RocksRetainedStore::Digest(TimeMs now) {
  MutexLock lock(mutex_);
  return sums_.AsOf(now);
}

RetainedStamp RocksRetainedStore::StampOf(const std::string& key) const {
  if (const auto entry = index_.find(Hash(key)); entry != index_.end())
    return {entry->second.time, entry->second.tie};
  return {tombstones_.Find(key).value_or(0), 0};
}

shard::RetainedStore::PutResult RocksRetainedStore::StoreStamped(const std::string& key,
                                                                 const mqtt::MessagePtr& message,
                                                                 mqtt::MessagePtr* replaced) {
  if (!message->payload().empty()) {
    const PutResult result = Store(key, message, replaced);
    if (result == PutResult::kStored) tombstones_.Erase(key);
    return result;
  }
  if (std::optional<std::string> forgotten = tombstones_.Set(key, message->received_at()))
    expired_.push_back(std::move(*forgotten));
  return Remove(key, true, replaced);
}

shard::RetainedStore::PutResult RocksRetainedStore::Remove(const std::string& key, bool must_record,
                                                           mqtt::MessagePtr* replaced) {
  const auto entry = index_.find(Hash(key));
  if (entry == index_.end() && !must_record) return PutResult::kRemoved;
  if (entry != index_.end()) Erase(key, entry);
  Change& change = overlay_[key];
  *replaced = std::exchange(change.message, {});
  change.version = ++version_;
  return PutResult::kRemoved;
}

shard::RetainedStore::PutResult RocksRetainedStore::Store(const std::string& key,
                                                          const mqtt::MessagePtr& message,
                                                          mqtt::MessagePtr* replaced) {
  const uint64_t hash = Hash(key);
  auto entry = index_.find(hash);
  const bool known = entry != index_.end();
  const uint64_t before = known ? entry->second.cost : 0;
  const uint64_t after = message->cost();
  const bool too_many = !known && index_.size() >= max_messages_;
  const bool too_large = after > before && bytes_ - before + after > max_bytes_;
  if (too_many || too_large) {
    ++refused_;
    return PutResult::kFull;
  }
  if (known) {
    Forget(key, entry->second);
  } else {
    entry = index_.try_emplace(hash).first;
  }
  ++version_;
  Insert(key, entry, *message);
  Change& change = overlay_[key];
  *replaced = std::exchange(change.message, message);
  change.version = version_;
  return PutResult::kStored;
}

void RocksRetainedStore::Insert(std::string_view key, Index::iterator entry,
                                const mqtt::Message& message) {
  const RetainedStamp stamp = RetainedStamp::Of(message);
  entry->second = {static_cast<uint32_t>(message.cost()), stamp.tie, stamp.time, version_,
                   message.expires_at()};
  bytes_ += entry->second.cost;
  sums_.Flip(key, stamp, message.expires_at());
  if (message.has_expiry()) expiries_.emplace(message.expires_at(), key);
}

void RocksRetainedStore::Forget(std::string_view key, const Entry& entry) {
  bytes_ -= entry.cost;
  sums_.Flip(key, {entry.time, entry.tie}, entry.expires_at);
  if (entry.expires_at != kNever) expiries_.erase({entry.expires_at, std::string(key)});
}

void RocksRetainedStore::Erase(std::string_view key, Index::iterator entry) {
  Forget(key, entry->second);
  index_.erase(entry);
}

std::unique_ptr<shard::RetainedReader> RocksRetainedStore::Open(std::string_view topic_filter,
                                                                std::function<void()> wake) {
  return std::make_unique<RocksRetainedReader>(database_, this, prefetcher_.get(), topic_filter,
                                               std::move(wake));
}

void RocksRetainedStore::Sweep(TimeMs now, size_t max_steps) {
  std::vector<mqtt::MessagePtr> dropped;  // freed after the lock
  MutexLock lock(mutex_);
  sums_.AsOf(now);
  for (size_t step = 0; step < max_steps; ++step) {
    if (expiries_.empty() || expiries_.begin()->first > now) break;
    std::string key = expiries_.begin()->second;
    Erase(key, index_.find(Hash(key)));
    if (const auto changed = overlay_.find(key); changed != overlay_.end()) {
      dropped.push_back(std::exchange(changed->second.message, {}));
      changed->second.version = ++version_;
    }
    expired_.push_back(std::move(key));
  }
  for (size_t step = 0; step < max_steps; ++step) {
    std::optional<std::string> key = tombstones_.Expire(now);
    if (!key) return;
    expired_.push_back(std::move(*key));
  }
}

shard::RetainedStore::Stats RocksRetainedStore::stats() const {
  MutexLock lock(mutex_);
  return {index_.size(), bytes_, refused_};
}

void RocksRetainedStore::Collect(std::string_view topic, rocksdb::WriteBatch* batch) {
  const std::string key = routing::EncodeRetainedKey(topic);
  MutexLock lock(mutex_);
  CollectChange(key, batch);
  CollectSomeExpired(kExpiredAtOnce, batch);
}

void RocksRetainedStore::CollectExpired(size_t max, rocksdb::WriteBatch* batch) {
  MutexLock lock(mutex_);
  CollectSomeExpired(max, batch);
}

void RocksRetainedStore::CollectSomeExpired(size_t max, rocksdb::WriteBatch* batch) {
  for (size_t i = 0; i < max && !expired_.empty(); ++i) {
    const std::string key = std::move(expired_.back());
    expired_.pop_back();
    if (CollectChange(key, batch)) continue;
    if (index_.contains(Hash(key)) || tombstones_.Find(key)) continue;  // set anew since
    batch->Delete(database_->family(Family::kRetained), key);
  }
}

bool RocksRetainedStore::CollectChange(std::string_view key, rocksdb::WriteBatch* batch) {
  const auto found = overlay_.find(key);
  if (found == overlay_.end()) return false;
  Change& change = found->second;
  if (change.collected == change.version) return true;
  change.collected = change.version;
  collected_.emplace_back(found->first, change.version);
  if (change.message) {
    batch->Put(database_->family(Family::kRetained), AsSlice(key), EncodeRetained(*change.message));
  } else if (const std::optional<TimeMs> stamp = tombstones_.Find(key)) {
    batch->Put(database_->family(Family::kRetained), AsSlice(key), EncodeRemoval(key, *stamp));
  } else {
    batch->Delete(database_->family(Family::kRetained), AsSlice(key));
  }
  return true;
}

void RocksRetainedStore::Written() {
  std::vector<mqtt::MessagePtr> dropped;  // freed after the lock
  MutexLock lock(mutex_);
  for (const auto& [key, version] : collected_) {
    const auto found = overlay_.find(key);
    if (found == overlay_.end() || found->second.version != version) continue;
    dropped.push_back(std::move(found->second.message));
    overlay_.erase(found);
  }
  collected_.clear();
}

RocksRetainedStore::Changes RocksRetainedStore::ChangesFrom(std::string_view key,
                                                            const RetainedScan& scan) const {
  Changes changes;
  std::string seek_to;
  MutexLock lock(mutex_);
  changes.version = version_;
  auto each = overlay_.lower_bound(key);
  for (size_t step = 0; each != overlay_.end(); ++step) {
    if (step == kMaxChanges) {
      changes.end = each->first;
      return changes;
    }
    const RetainedScan::Step next = scan.Check(each->first, &seek_to);
    if (next == RetainedScan::Step::kDone) break;
    if (next == RetainedScan::Step::kMatch) {
      changes.entries.emplace_back(each->first, each->second.message);
      ++each;
    } else {
      each = overlay_.lower_bound(seek_to);
    }
  }
  changes.complete = true;
  return changes;
}

RocksRetainedStore::Currency RocksRetainedStore::Check(uint64_t version,
                                                       mqtt::MessagePtr* message) const {
  const std::string key = routing::EncodeRetainedKey((*message)->topic());
  const uint64_t hash = Hash(key);
  MutexLock lock(mutex_);
  const auto found = index_.find(hash);
  if (found == index_.end()) return Currency::kGone;
  if (found->second.version <= version) return Currency::kCurrent;
  *message = {};
  if (const auto changed = overlay_.find(key); changed != overlay_.end()) {
    *message = changed->second.message;
  }
  return Currency::kReplaced;
}

bool RocksRetainedStore::Exists(std::string_view topic) const {
  const uint64_t hash = Hash(routing::EncodeRetainedKey(topic));
  MutexLock lock(mutex_);
  return index_.contains(hash);
}

}  // namespace skein::storage
