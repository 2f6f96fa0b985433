// Every session of a partition in one pass (PartitionStates::Recover).
#include <climits>
#include <memory>
#include <utility>

#include <rocksdb/db.h>

#include "broker/base/check.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/partition_states.h"
#include "storage/rocksdb/session_rows.h"
#include "storage/rocksdb/sweeper.h"

namespace skein::storage {
namespace {

rocksdb::Slice AsSlice(std::string_view key) {
  return {key.data(), key.size()};
}

// Goes through the state keys of one kind of a partition, in the order of their numbers.
class KindScan {
 public:
  KindScan(Database* database, session::PartitionId partition, StateKind kind)
      : begin_(StateKey(partition, kind)), end_(PrefixEnd(begin_.view())), bound_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &bound_;
    options.fill_cache = false;
    options.readahead_size = 256 << 10;
    iterator_.reset(database->db()->NewIterator(options, database->family(Family::kState)));
    iterator_->Seek(AsSlice(begin_.view()));
    Take();
  }

  bool valid() const { return valid_; }
  uint64_t number() const { return key_.number; }
  std::string_view rest() const { return key_.rest; }
  std::string_view value() const { return iterator_->value().ToStringView(); }

  void Next() {
    iterator_->Next();
    Take();
  }

 private:
  void Take() {
    valid_ = iterator_->Valid();
    SKEIN_CHECK(iterator_->status().ok()) << "recovery: " << iterator_->status().ToString();
    if (!valid_) return;
    const auto key = ParseStateKey(iterator_->key().ToStringView());
    SKEIN_CHECK(key.has_value()) << "a key of the state family is damaged";
    key_ = *key;
  }

  const Key begin_;
  const std::string end_;
  const rocksdb::Slice bound_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  NumberedKey key_;
  bool valid_ = false;
};

// Sessions by number: those on disk, and instead of them those that changed since.
class Recovery {
 public:
  using Visit = std::function<void(const session::SessionImage&)>;

  Recovery(Database* database, session::PartitionId partition,
           std::vector<std::pair<uint64_t, CachedRow>> changed, const Visit& visit)
      : partition_(partition),
        changed_(std::move(changed)),
        visit_(visit),
        sessions_(database, partition, StateKind::kSession),
        subscriptions_(database, partition, StateKind::kSubscription) {}

  void Run() {
    size_t next = 0;
    while (sessions_.valid() || next < changed_.size()) {
      if (next == changed_.size() ||
          (sessions_.valid() && sessions_.number() < changed_[next].first)) {
        SKEIN_CHECK(DecodeRow(sessions_.value(), &row_)) << "damaged session row";
        Yield(sessions_.number(), row_);
        sessions_.Next();
        continue;
      }
      const auto& [number, cached] = changed_[next++];
      if (sessions_.valid() && sessions_.number() == number) sessions_.Next();
      if (cached.life == RowLife::kLive) Yield(number, cached.row);
    }
  }

  uint64_t count() const { return count_; }
  // Sessions with garbage to sweep.
  const std::vector<uint64_t>& littered() const { return littered_; }

 private:
  void Yield(uint64_t number, const SessionRow& row) {
    image_.key = {partition_, number};
    RowToImage(row, &image_);
    ReadSubscriptions(number);
    if (!row.garbage.empty()) littered_.push_back(number);
    ++count_;
    visit_(image_);
  }

  void ReadSubscriptions(uint64_t number) {
    size_t used = 0;
    for (; subscriptions_.valid() && subscriptions_.number() <= number; subscriptions_.Next()) {
      if (subscriptions_.number() < number) continue;  // of a session that ended
      if (used == image_.subscriptions.size()) image_.subscriptions.emplace_back();
      auto& [filter, options] = image_.subscriptions[used++];
      filter.assign(subscriptions_.rest());
      const std::string_view value = subscriptions_.value();
      SKEIN_CHECK(value.size() <= INT_MAX &&
                  subscribed_.ParseFromArray(value.data(), static_cast<int>(value.size())))
          << "damaged subscription";
      options.qos = static_cast<Qos>(subscribed_.qos());
      options.no_local = subscribed_.no_local();
      options.retain_as_published = subscribed_.retain_as_published();
      options.retain_handling = static_cast<uint8_t>(subscribed_.retain_handling());
      options.identifier = subscribed_.identifier();
      options.since = subscribed_.since_ms();
    }
    image_.subscriptions.resize(used);
  }

  const session::PartitionId partition_;
  const std::vector<std::pair<uint64_t, CachedRow>> changed_;
  const Visit& visit_;
  KindScan sessions_;
  KindScan subscriptions_;
  SessionRow row_;
  session::SessionImage image_;
  v1::Subscribed subscribed_;
  std::vector<uint64_t> littered_;
  uint64_t count_ = 0;
};

}  // namespace

uint64_t PartitionStates::Recover(session::PartitionId partition,
                                  const std::function<void(const session::SessionImage&)>& visit) {
  std::vector<std::pair<uint64_t, CachedRow>> changed;
  {
    MutexLock lock(mutex_);
    changed = rows_->Changed(partition);
  }
  Recovery recovery(database_, partition, std::move(changed), visit);
  recovery.Run();
  MutexLock lock(mutex_);
  for (const uint64_t number : recovery.littered())
    sweeper_->Add({partition, number});
  return recovery.count();
}

}  // namespace skein::storage
