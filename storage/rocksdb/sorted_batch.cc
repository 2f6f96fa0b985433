#include "storage/rocksdb/sorted_batch.h"

#include <endian.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace skein::storage {
namespace {

struct Change {
  uint32_t family = 0;
  bool put = false;
  rocksdb::Slice key;  // into the batch, so of two the later is the higher one
  rocksdb::Slice value;
  // The key's first 16 bytes as numbers that sort alike, zeros where it is shorter: most
  // comparisons end here.
  std::array<uint64_t, 2> head{};
};

std::array<uint64_t, 2> HeadOf(const rocksdb::Slice& key) {
  std::array<uint64_t, 2> head{};
  std::memcpy(head.data(), key.data(), std::min(key.size(), sizeof(head)));
  for (uint64_t& part : head)
    part = be64toh(part);
  return head;
}

bool Before(const Change& a, const Change& b) {
  if (a.family != b.family) return a.family < b.family;
  if (a.head != b.head) return a.head < b.head;
  const int order = a.key.compare(b.key);
  return order != 0 ? order < 0 : a.key.data() < b.key.data();
}

class Collector : public rocksdb::WriteBatch::Handler {
 public:
  rocksdb::Status PutCF(uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    changes.push_back({family, true, key, value, HeadOf(key)});
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(uint32_t family, const rocksdb::Slice& key) override {
    changes.push_back({family, false, key, {}, HeadOf(key)});
    return rocksdb::Status::OK();
  }

  std::vector<Change> changes;
};

}  // namespace

rocksdb::Status SortBatch(const rocksdb::WriteBatch& from,
                          std::span<rocksdb::ColumnFamilyHandle* const> families,
                          rocksdb::WriteBatch* to) {
  Collector collector;
  collector.changes.reserve(from.Count());
  rocksdb::Status status = from.Iterate(&collector);
  std::sort(collector.changes.begin(), collector.changes.end(), Before);
  for (const Change& change : collector.changes) {
    const auto family = std::find_if(families.begin(), families.end(), [&change](const auto* each) {
      return each->GetID() == change.family;
    });
    if (family == families.end()) return rocksdb::Status::InvalidArgument("unknown family");
    if (status.ok()) {
      status =
          change.put ? to->Put(*family, change.key, change.value) : to->Delete(*family, change.key);
    }
  }
  return status;
}

}  // namespace skein::storage
