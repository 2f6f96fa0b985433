#include "tests/unit/storage/rocksdb/retained_node.h"

#include <stdlib.h>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "broker/base/check.h"
#include "broker/routing/retained_scan.h"

namespace skein::storage {
namespace {

std::unique_ptr<Database> OpenDatabase(const std::filesystem::path& root) {
  DatabaseOptions options;
  options.data_dir = root.string();
  auto database = Database::Open(options);
  SKEIN_CHECK(database.ok()) << std::string(database.status().message());
  return std::move(*database);
}

}  // namespace

RetainedNode::RetainedNode(const Limits& limits) : limits_(limits) {
  std::string name = (std::filesystem::temp_directory_path() / "retained.XXXXXX").string();
  SKEIN_CHECK(mkdtemp(name.data()) != nullptr);
  root_ = name;
  database_ = OpenDatabase(root_);
  SKEIN_CHECK(TryReopen().ok());
}

RetainedNode::~RetainedNode() {
  store_.reset();
  database_.reset();
  std::filesystem::remove_all(root_);
}

void RetainedNode::Commit(const std::vector<std::string>& topics) {
  MutexLock lock(mutex_);
  rocksdb::WriteBatch batch;
  for (const std::string& topic : topics)
    store_->Collect(topic, &batch);
  SKEIN_CHECK(database_->db()->Write(rocksdb::WriteOptions(), &batch).ok());
  store_->Written();
}

void RetainedNode::CommitExpired(size_t max) {
  MutexLock lock(mutex_);
  rocksdb::WriteBatch batch;
  store_->CollectExpired(max, &batch);
  SKEIN_CHECK(database_->db()->Write(rocksdb::WriteOptions(), &batch).ok());
  store_->Written();
}

void RetainedNode::Flush() {
  SKEIN_CHECK(
      database_->db()->Flush(rocksdb::FlushOptions(), database_->family(Family::kRetained)).ok());
}

void RetainedNode::Reopen() {
  store_.reset();
  database_.reset();
  database_ = OpenDatabase(root_);
  SKEIN_CHECK(TryReopen().ok());
}

absl::Status RetainedNode::TryReopen() {
  store_.reset();
  auto store = RocksRetainedStore::Create(database_.get(), limits_);
  if (!store.ok()) return store.status();
  store_ = std::move(*store);
  return absl::OkStatus();
}

std::vector<std::string> RetainedNode::TopicsOnDisk() {
  std::vector<std::string> topics;
  const std::unique_ptr<rocksdb::Iterator> each(
      database_->db()->NewIterator(rocksdb::ReadOptions(), database_->family(Family::kRetained)));
  for (each->SeekToFirst(); each->Valid(); each->Next())
    topics.push_back(routing::DecodeRetainedKey(each->key().ToStringView()));
  return topics;
}

void RetainedNode::Damage(std::string_view topic, std::string_view value) {
  const rocksdb::Status status = database_->db()->Put(
      rocksdb::WriteOptions(), database_->family(Family::kRetained),
      routing::EncodeRetainedKey(topic), rocksdb::Slice(value.data(), value.size()));
  SKEIN_CHECK(status.ok());
}

}  // namespace skein::storage
