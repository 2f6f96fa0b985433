#include "tests/unit/storage/rocksdb/store_node.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "broker/base/check.h"
#include "storage/rocksdb/database.h"

namespace skein::storage {
namespace {

namespace fs = std::filesystem;

fs::path TemporaryDirectory() {
  std::string name = (fs::temp_directory_path() / "skein-store-XXXXXX").string();
  SKEIN_CHECK(mkdtemp(name.data()) != nullptr);
  return name;
}

}  // namespace

StoreNode::StoreNode(StoreOptions options)
    : options_(std::move(options)), root_(TemporaryDirectory()) {
  options_.database.partitions = kPartitions;
  options_.disk_reserve_bytes = 0;
  const absl::Status status = Open();
  SKEIN_CHECK(status.ok()) << status.ToString();
}

StoreNode::~StoreNode() {
  Close();
  fs::remove_all(root_);
}

absl::Status StoreNode::Open() {
  options_.database.data_dir = directory().string();
  auto opened = Store::Open(options_);
  if (!opened.ok()) return opened.status();
  store_ = std::move(*opened);
  for (ShardId shard = 0; shard < options_.shards; ++shard) {
    shards_.push_back(store_->MakeSessionStore(shard, [this] {
      std::lock_guard<std::mutex> lock(mutex_);
      ++wakes_;
      woken_.notify_all();
    }));
  }
  return absl::OkStatus();
}

void StoreNode::Close() {
  shards_.clear();
  store_.reset();
}

absl::Status StoreNode::Restart() {
  Close();
  return Open();
}

absl::Status StoreNode::Crash() {
  const fs::path before = directory();
  ++generation_;
  // The write-ahead log may grow meanwhile: the copy has a part of it, as after a kill. The rest
  // stands still.
  rocksdb::DB* db = store_->database()->db();
  SKEIN_CHECK(db->PauseBackgroundWork().ok());
  SKEIN_CHECK(db->DisableFileDeletions().ok());
  fs::copy(before, directory(), fs::copy_options::recursive);
  SKEIN_CHECK(db->EnableFileDeletions(/*force=*/true).ok());
  SKEIN_CHECK(db->ContinueBackgroundWork().ok());
  Close();
  fs::remove_all(before);
  return Open();
}

template <typename Condition>
bool StoreNode::Await(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::unique_lock<std::mutex> lock(mutex_);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    woken_.wait_for(lock, std::chrono::milliseconds(100));
  }
  return true;
}

bool StoreNode::AwaitDurable(session::Lsn lsn, ShardId shard) {
  return Await([&] { return shards_[shard]->durable() >= lsn; });
}

bool StoreNode::Settle(session::Lsn lsn, ShardId shard) {
  shards_[shard]->Commit();
  return AwaitDurable(lsn, shard);
}

session::Lsn StoreNode::Connect(uint64_t number, std::string_view client_id) {
  return shards_[0]->Append(Key(number), session::Connected{client_id, UINT32_MAX, 5, {}});
}

session::Lsn StoreNode::Enqueue(uint64_t number, uint64_t sequence, std::string_view payload,
                                const session::CommitGroupPtr& group, ShardId shard) {
  session::Enqueued record;
  record.sequence = sequence;
  record.message = Message(payload);
  return shards_[shard]->Append(Key(number), record, group);
}

mqtt::MessagePtr StoreNode::Message(std::string_view payload, std::string_view topic) {
  mqtt::Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.qos = Qos::kAtLeastOnce;
  return mqtt::Message::Make(init);
}

std::map<uint64_t, session::SessionImage> StoreNode::Recover() {
  std::map<uint64_t, session::SessionImage> images;
  for (const auto& shard : shards_) {
    shard->Recover([&](const session::SessionImage& image) { images[image.key.number] = image; });
  }
  return images;
}

session::QueuePage StoreNode::Read(uint64_t number, session::Lsn after, uint64_t from,
                                   ShardId shard) {
  session::QueueRead request;
  request.key = Key(number);
  request.from = from;
  request.max_messages = 1'000'000;
  request.max_bytes = UINT64_MAX;
  request.after = after;
  shards_[shard]->ReadQueue(request);
  std::vector<session::QueuePage> pages;
  Await([&] {
    shards_[shard]->TakePages(&pages);
    return !pages.empty();
  });
  SKEIN_CHECK(pages.size() == 1) << "no page came";
  return std::move(pages[0]);
}

std::vector<std::string> StoreNode::Payloads(uint64_t number, session::Lsn after) {
  std::vector<std::string> payloads;
  for (const session::StoredDelivery& entry : Read(number, after).entries)
    payloads.emplace_back(entry.message ? entry.message->payload() : "-");
  return payloads;
}

}  // namespace skein::storage
