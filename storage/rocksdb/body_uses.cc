// Counts on demand, and all changed ones at once.
#include "storage/rocksdb/body_uses.h"

#include <algorithm>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "broker/base/check.h"
#include "skein/storage/v1/state.pb.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"

namespace skein::storage {
namespace {

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

}  // namespace

void BodyUses::Add(session::PartitionId partition, uint64_t body, uint64_t uses, bool is_new) {
  const BodyId id{partition, body};
  Count& count = is_new ? counts_[id] : Load(id);
  count.uses += uses;
  Touch(id, count);
}

void BodyUses::Release(session::PartitionId partition, uint64_t body) {
  const BodyId id{partition, body};
  Count& count = Load(id);
  count.uses -= std::min<uint64_t>(count.uses, 1);
  Touch(id, count);
}

BodyUses::Count& BodyUses::Load(const BodyId& body) {
  const auto [found, is_new] = counts_.try_emplace(body);
  Count& count = found->second;
  if (!is_new) return count;
  std::string value;
  const Key key = StateKey(body.first, StateKind::kBodyUses, body.second);
  const rocksdb::Status status = database_->db()->Get(
      rocksdb::ReadOptions(), database_->family(Family::kState), AsSlice(key), &value);
  if (status.IsNotFound()) return count;
  SKEIN_CHECK(status.ok()) << "reading a body's uses: " << status.ToString();
  v1::BodyUses stored;
  SKEIN_CHECK(stored.ParseFromString(value)) << "damaged count of a body's uses";
  count.uses = stored.count();
  count.stored = true;
  return count;
}

void BodyUses::Touch(const BodyId& body, Count& count) {
  if (count.dirty) return;
  count.dirty = true;
  dirty_.push_back(body);
}

void BodyUses::Write(rocksdb::WriteBatch* batch) {
  if (counts_.size() - dirty_.size() > max_clean_) {
    absl::erase_if(counts_, [](const auto& each) { return !each.second.dirty; });
  }
  rocksdb::ColumnFamilyHandle* state = database_->family(Family::kState);
  v1::BodyUses stored;
  std::string value;
  for (const BodyId& body : dirty_) {
    const auto found = counts_.find(body);
    Count& count = found->second;
    const Key key = StateKey(body.first, StateKind::kBodyUses, body.second);
    if (count.uses > 0) {
      stored.set_count(count.uses);
      stored.SerializeToString(&value);
      batch->Put(state, AsSlice(key), value);
      count = {count.uses, /*dirty=*/false, /*stored=*/true};
      continue;
    }
    batch->Delete(database_->family(Family::kBodies), AsSlice(BodyKey(body.first, body.second)));
    if (count.stored) batch->Delete(state, AsSlice(key));
    counts_.erase(found);
  }
  dirty_.clear();
}

}  // namespace skein::storage
