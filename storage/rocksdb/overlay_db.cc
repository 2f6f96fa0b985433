#include "storage/rocksdb/overlay_db.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <utility>

#include "rocksdb/comparator.h"
#include "rocksdb/utilities/stackable_db.h"
#include "rocksdb/utilities/write_batch_with_index.h"
#include "rocksdb/write_batch.h"

namespace skein::storage {
namespace {

// Repeats a batch into another one.
class Copier : public rocksdb::WriteBatch::Handler {
 public:
  using Families = std::map<uint32_t, rocksdb::ColumnFamilyHandle*>;

  Copier(const Families& families, rocksdb::WriteBatchWithIndex* to)
      : families_(families), to_(*to) {}

  rocksdb::Status PutCF(uint32_t id, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    return to_.Put(families_.at(id), key, value);
  }
  rocksdb::Status DeleteCF(uint32_t id, const rocksdb::Slice& key) override {
    return to_.Delete(families_.at(id), key);
  }

 private:
  const Families& families_;
  rocksdb::WriteBatchWithIndex& to_;
};

class OverlayDb : public rocksdb::StackableDB {
 public:
  OverlayDb(rocksdb::DB* base, const std::vector<rocksdb::ColumnFamilyHandle*>& families,
            std::string scratch);
  ~OverlayDb() override;

  using StackableDB::Get;
  rocksdb::Status Get(const rocksdb::ReadOptions& options, rocksdb::ColumnFamilyHandle* family,
                      const rocksdb::Slice& key, rocksdb::PinnableSlice* value) override;
  using StackableDB::MultiGet;
  void MultiGet(const rocksdb::ReadOptions& options, rocksdb::ColumnFamilyHandle* family,
                size_t count, const rocksdb::Slice* keys, rocksdb::PinnableSlice* values,
                rocksdb::Status* statuses, bool sorted) override;
  using StackableDB::NewIterator;
  rocksdb::Iterator* NewIterator(const rocksdb::ReadOptions& options,
                                 rocksdb::ColumnFamilyHandle* family) override;
  rocksdb::Status Write(const rocksdb::WriteOptions& options,
                        rocksdb::WriteBatch* updates) override;
  const rocksdb::Snapshot* GetSnapshot() override { return nullptr; }
  void ReleaseSnapshot(const rocksdb::Snapshot*) override {}

 private:
  const std::string scratch_;
  std::map<uint32_t, rocksdb::ColumnFamilyHandle*> families_;
  rocksdb::WriteBatchWithIndex changes_;
};

OverlayDb::OverlayDb(rocksdb::DB* base, const std::vector<rocksdb::ColumnFamilyHandle*>& families,
                     std::string scratch)
    : StackableDB(base),
      scratch_(std::move(scratch)),
      changes_(rocksdb::BytewiseComparator(), 0, /*overwrite_key=*/true) {
  for (rocksdb::ColumnFamilyHandle* family : families)
    families_[family->GetID()] = family;
}

OverlayDb::~OverlayDb() {
  std::error_code ignored;
  if (!scratch_.empty()) std::filesystem::remove_all(scratch_, ignored);
}

rocksdb::Status OverlayDb::Get(const rocksdb::ReadOptions& options,
                               rocksdb::ColumnFamilyHandle* family, const rocksdb::Slice& key,
                               rocksdb::PinnableSlice* value) {
  return changes_.GetFromBatchAndDB(db_, options, family, key, value);
}

void OverlayDb::MultiGet(const rocksdb::ReadOptions& options, rocksdb::ColumnFamilyHandle* family,
                         size_t count, const rocksdb::Slice* keys, rocksdb::PinnableSlice* values,
                         rocksdb::Status* statuses, bool /*sorted*/) {
  for (size_t i = 0; i < count; ++i)
    statuses[i] = Get(options, family, keys[i], &values[i]);
}

rocksdb::Iterator* OverlayDb::NewIterator(const rocksdb::ReadOptions& options,
                                          rocksdb::ColumnFamilyHandle* family) {
  rocksdb::Iterator* base = db_->NewIterator(options, family);
  return changes_.NewIteratorWithBase(family, base, &options);
}

rocksdb::Status OverlayDb::Write(const rocksdb::WriteOptions& /*options*/,
                                 rocksdb::WriteBatch* updates) {
  Copier copier(families_, &changes_);
  return updates->Iterate(&copier);
}

}  // namespace

std::unique_ptr<rocksdb::DB> MakeOverlayDb(
    std::unique_ptr<rocksdb::DB> base, const std::vector<rocksdb::ColumnFamilyHandle*>& families,
    std::string scratch) {
  return std::make_unique<OverlayDb>(base.release(), families, std::move(scratch));
}

}  // namespace skein::storage
