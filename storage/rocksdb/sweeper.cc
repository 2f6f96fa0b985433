// One session after the other, as far as the steps go.
#include "storage/rocksdb/sweeper.h"

#include <algorithm>
#include <climits>
#include <string>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "broker/base/check.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"

namespace skein::storage {
namespace {

// A seek takes as long as reading so many entries in a row.
constexpr size_t kSeekSteps = 8;

void Take(size_t count, size_t* steps) {
  *steps -= std::min(count, *steps);
}

rocksdb::Slice AsSlice(std::string_view key) {
  return {key.data(), key.size()};
}

void CheckRead(const rocksdb::Iterator& iterator) {
  SKEIN_CHECK(iterator.status().ok()) << "sweeping: " << iterator.status().ToString();
}

}  // namespace

void Sweeper::Add(const session::SessionKey& key) {
  if (waiting_.emplace(key.partition, key.number).second) work_.push_back(key);
}

bool Sweeper::Run(size_t max_steps, rocksdb::WriteBatch* batch) {
  size_t steps = max_steps;
  while (steps > 0 && !work_.empty()) {
    const session::SessionKey key = work_.front();
    if (!SweepSession(key, &steps, batch)) break;
    work_.pop_front();
    waiting_.erase({key.partition, key.number});
  }
  queue_.reset();
  return !work_.empty();
}

bool Sweeper::SweepSession(const session::SessionKey& key, size_t* steps,
                           rocksdb::WriteBatch* batch) {
  Take(kSeekSteps, steps);
  CachedRow* cached = rows_->LoadEnded(key);
  if (cached->life == RowLife::kAbsent) return true;
  rows_->Touch(cached);
  if (!ReleaseGarbage(cached, steps)) return false;
  if (cached->life == RowLife::kLive) {
    if (cached->row.queued_messages == 0) cached->row.may_share_bodies = false;
    return true;
  }
  if (!DeleteSubscriptions(key, steps, batch)) return false;
  cached->life = RowLife::kAbsent;
  return true;
}

bool Sweeper::ReleaseGarbage(CachedRow* cached, size_t* steps) {
  SessionRow& row = cached->row;
  row.DoomUnshared();
  if (row.garbage.empty()) return true;
  if (queue_ == nullptr) {
    queue_.reset(
        database_->db()->NewIterator(rocksdb::ReadOptions(), database_->family(Family::kQueue)));
  }
  while (!row.garbage.empty()) {
    const Interval run = row.garbage.intervals().front();
    uint64_t next = run.first;
    const Key end = QueueKey(cached->key, run.last + 1);
    queue_->Seek(AsSlice(QueueKey(cached->key, run.first).view()));
    for (; next <= run.last; queue_->Next()) {
      if (*steps == 0) break;
      if (!queue_->Valid() || queue_->key().compare(AsSlice(end.view())) >= 0) {
        CheckRead(*queue_);
        next = run.last + 1;
        break;
      }
      --*steps;
      ReleaseBody(cached->key, queue_->value().ToStringView());
      next = ParseQueueKey(queue_->key().ToStringView()).value_or(run.last) + 1;
      if (next > run.last) break;  // what lies behind may be a long run of deleted entries
    }
    if (next > run.first) row.doomed.Add(run.first, next - 1);
    row.garbage.RemoveBelow(next);
    if (*steps == 0) break;
  }
  return row.garbage.empty();
}

void Sweeper::ReleaseBody(const session::SessionKey& key, std::string_view entry) {
  thread_local v1::Enqueued enqueued;
  SKEIN_CHECK(entry.size() <= INT_MAX &&
              enqueued.ParseFromArray(entry.data(), static_cast<int>(entry.size())))
      << "damaged queue entry";
  if (enqueued.body() != 0) bodies_->Release(key.partition, enqueued.body());
}

bool Sweeper::DeleteSubscriptions(const session::SessionKey& key, size_t* steps,
                                  rocksdb::WriteBatch* batch) {
  const Key begin = StateKey(key.partition, StateKind::kSubscription, key.number);
  const std::string end = PrefixEnd(begin.view());
  const rocksdb::Slice bound(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  rocksdb::ColumnFamilyHandle* family = database_->family(Family::kState);
  const std::unique_ptr<rocksdb::Iterator> each(database_->db()->NewIterator(options, family));
  for (each->Seek(AsSlice(begin.view())); each->Valid(); each->Next()) {
    if (*steps == 0) return false;
    --*steps;
    batch->Delete(family, each->key());
  }
  CheckRead(*each);
  return true;
}

}  // namespace skein::storage
