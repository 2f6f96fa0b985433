#include "storage/rocksdb/sorted_batch.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"

namespace skein::storage {
namespace {

using ::testing::ElementsAre;

class Family : public rocksdb::ColumnFamilyHandle {
 public:
  explicit Family(uint32_t id) : id_(id) {}
  const std::string& GetName() const override { return name_; }
  uint32_t GetID() const override { return id_; }
  rocksdb::Status GetDescriptor(rocksdb::ColumnFamilyDescriptor*) override {
    return rocksdb::Status::NotSupported();
  }
  const rocksdb::Comparator* GetComparator() const override {
    return rocksdb::BytewiseComparator();
  }

 private:
  const uint32_t id_;
  const std::string name_;
};

class Printer : public rocksdb::WriteBatch::Handler {
 public:
  rocksdb::Status PutCF(uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    lines.push_back(std::to_string(family) + " put " + key.ToString() + " " + value.ToString());
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(uint32_t family, const rocksdb::Slice& key) override {
    lines.push_back(std::to_string(family) + " delete " + key.ToString());
    return rocksdb::Status::OK();
  }
  std::vector<std::string> lines;
};

TEST(SortBatch, OrdersByFamilyAndKeyAndKeepsTheOrderOfOneKey) {
  Family one(1);
  Family two(2);
  rocksdb::ColumnFamilyHandle* const families[] = {&one, &two};
  rocksdb::WriteBatch from;
  const std::string longer(16, 'b');
  from.Put(&two, "b", "1");
  from.Put(&two, "a", "2");
  from.Put(&one, longer + "2", "3");
  from.Put(&one, longer + "1", "4");
  from.Delete(&one, longer + "2");
  from.Put(&one, std::string("\xFF", 1), "5");
  from.Put(&one, "b", "6");
  from.Put(&two, "a", "7");
  rocksdb::WriteBatch to;
  ASSERT_TRUE(SortBatch(from, families, &to).ok());
  Printer printer;
  ASSERT_TRUE(to.Iterate(&printer).ok());
  EXPECT_THAT(printer.lines, ElementsAre("1 put b 6", "1 put " + longer + "1 4",
                                         "1 put " + longer + "2 3", "1 delete " + longer + "2",
                                         "1 put \xFF 5", "2 put a 2", "2 put a 7", "2 put b 1"));
}

TEST(SortBatch, RefusesWhatItCannotSort) {
  Family one(1);
  rocksdb::ColumnFamilyHandle* const families[] = {&one};
  rocksdb::WriteBatch from;
  from.DeleteRange(&one, "a", "b");
  rocksdb::WriteBatch to;
  EXPECT_FALSE(SortBatch(from, families, &to).ok());
}

}  // namespace
}  // namespace skein::storage
