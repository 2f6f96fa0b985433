#include "tests/unit/storage/rocksdb/state_node.h"

#include <cstdlib>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "gtest/gtest.h"
#include "storage/rocksdb/keys.h"

namespace skein::storage {

StateNode::StateNode(size_t max_clean_rows) : max_clean_rows_(max_clean_rows) {
  std::string pattern = (std::filesystem::temp_directory_path() / "skein-state-XXXXXX").string();
  root_ = ::mkdtemp(pattern.data());
  Open();
}

StateNode::~StateNode() {
  states_.reset();
  database_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

void StateNode::Open() {
  DatabaseOptions options;
  options.data_dir = root_.string();
  options.partitions = kPartitions;
  auto database = Database::Open(options);
  ASSERT_TRUE(database.ok()) << std::string(database.status().message());
  database_ = std::move(*database);
  states_ = std::make_unique<PartitionStates>(database_.get(), kPartitions, max_clean_rows_);
  ASSERT_TRUE(states_->Load().ok());
}

v1::Record* StateNode::Add(uint64_t session) {
  v1::Record* record = frame_.add_records();
  record->set_session(session);
  return record;
}

uint64_t StateNode::NextFrame() const {
  const auto found = log_.find(partition_);
  return found == log_.end() ? 1 : found->second.size() + 1;
}

uint64_t StateNode::AddBody(std::string_view payload) {
  const uint64_t number = BodyNumber(NextFrame(), static_cast<uint16_t>(frame_.bodies_size()));
  v1::Body* body = frame_.add_bodies();
  body->set_number(number);
  body->mutable_message()->set_topic("t");
  body->mutable_message()->set_payload(std::string(payload));
  return number;
}

v1::Connected* StateNode::Connect(uint64_t session, std::string_view client_id) {
  v1::Connected* connected = Add(session)->mutable_connected();
  connected->set_client_id(std::string(client_id));
  connected->set_version(5);
  return connected;
}

v1::Enqueued* StateNode::Enqueue(uint64_t session, uint64_t sequence) {
  v1::Enqueued* enqueued = Add(session)->mutable_enqueued();
  enqueued->set_sequence(sequence);
  enqueued->set_qos(1);
  enqueued->set_cost(1);
  return enqueued;
}

void StateNode::EnqueueOwn(uint64_t session, uint64_t sequence, std::string_view payload) {
  v1::Message* message = Enqueue(session, sequence)->mutable_message();
  message->set_topic("t");
  message->set_payload(std::string(payload));
}

void StateNode::Complete(uint64_t session, uint64_t sequence) {
  v1::Completed* completed = Add(session)->mutable_completed();
  completed->set_sequence(sequence);
  completed->set_cost(1);
}

void StateNode::Commit() {
  auto& log = log_[partition_];
  log.push_back(std::exchange(frame_, {}));
  Apply(partition_, log.back());
}

void StateNode::Apply(session::PartitionId partition, const v1::Frame& frame) {
  const uint64_t sequence = states_->applied(partition).sequence + 1;
  rocksdb::WriteBatch batch;
  states_->Apply(partition, {sequence, sequence * 7}, frame, &batch);
  Write(&batch);
}

void StateNode::Write(rocksdb::WriteBatch* batch) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status status = database_->db()->Write(options, batch);
  ASSERT_TRUE(status.ok()) << status.ToString();
}

bool StateNode::Sweep(size_t steps) {
  rocksdb::WriteBatch batch;
  const bool more = states_->Sweep(steps, &batch);
  Write(&batch);
  return more;
}

void StateNode::Checkpoint() {
  rocksdb::WriteBatch batch;
  states_->Checkpoint(&batch);
  Write(&batch);
}

void StateNode::Flush() {
  const rocksdb::Status status =
      database_->db()->Flush(rocksdb::FlushOptions(), database_->all_families());
  ASSERT_TRUE(status.ok()) << status.ToString();
}

void StateNode::Crash() {
  states_.reset();
  database_->Abandon();
  database_.reset();
  Open();
  for (const auto& [partition, log] : log_) {
    while (states_->applied(partition).sequence < log.size()) {
      Apply(partition, log[states_->applied(partition).sequence]);
    }
    EXPECT_EQ(states_->applied(partition).chain, log.size() * 7);
  }
}

std::vector<session::SessionImage> StateNode::Recover() {
  std::vector<session::SessionImage> images;
  const uint64_t count = states_->Recover(
      partition_, [&](const session::SessionImage& image) { images.push_back(image); });
  EXPECT_EQ(count, images.size());
  return images;
}

session::SessionImage StateNode::RecoverOne(uint64_t session) {
  for (session::SessionImage& image : Recover()) {
    if (image.key.number == session) return std::move(image);
  }
  return {};
}

session::QueuePage StateNode::Read(uint64_t session, uint64_t from, uint32_t max_messages,
                                   uint64_t max_bytes) {
  session::QueueRead request;
  request.key = KeyOf(session);
  request.token = 42;
  request.from = from;
  request.max_messages = max_messages;
  request.max_bytes = max_bytes;
  session::QueuePage page;
  const absl::Status status = states_->ReadPage(request, &page);
  EXPECT_TRUE(status.ok()) << std::string(status.message());
  EXPECT_EQ(page.key, request.key);
  EXPECT_EQ(page.token, 42u);
  return page;
}

std::map<std::string, std::string> StateNode::Family(storage::Family family,
                                                     std::string_view prefix) {
  std::map<std::string, std::string> content;
  const std::unique_ptr<rocksdb::Iterator> each(
      database_->db()->NewIterator(rocksdb::ReadOptions(), database_->family(family)));
  // An empty string_view may have no address, which a Slice must have.
  const rocksdb::Slice start = prefix.empty() ? "" : rocksdb::Slice(prefix.data(), prefix.size());
  for (each->Seek(start); each->Valid() && each->key().starts_with(start); each->Next()) {
    content.emplace(each->key().ToString(), each->value().ToString());
  }
  return content;
}

std::vector<std::string> Payloads(const session::QueuePage& page) {
  std::vector<std::string> payloads;
  for (const session::StoredDelivery& entry : page.entries) {
    payloads.emplace_back(entry.message ? entry.message->payload() : "-");
  }
  return payloads;
}

}  // namespace skein::storage
