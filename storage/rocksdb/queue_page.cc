// Entries first, in one pass of an iterator; then the bodies they share, in one MultiGet.
#include "storage/rocksdb/queue_page.h"

#include <algorithm>
#include <climits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rocksdb/db.h>

#include "skein/storage/v1/record.pb.h"
#include "storage/log/message_codec.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"

namespace skein::storage {
namespace {

// Over a longer run of messages that are not queued any more the iterator jumps.
constexpr uint64_t kMaxSkip = 16;

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

bool Parse(const rocksdb::Slice& value, google::protobuf::MessageLite* message) {
  return value.size() <= INT_MAX &&
         message->ParseFromArray(value.data(), static_cast<int>(value.size()));
}

class PageReader {
 public:
  PageReader(Database* database, const rocksdb::Snapshot* snapshot, const QueueOutline& queue,
             const session::QueueRead& request, session::QueuePage* page)
      : database_(database), queue_(queue), request_(request), page_(page) {
    options_.snapshot = snapshot;
  }

  absl::Status Read();

 private:
  absl::Status ReadEntries();
  absl::Status AddEntry(uint64_t sequence, const rocksdb::Slice& value);
  absl::Status ReadBodies();
  // Those of one queue are mostly of one group.
  const routing::ShareRef& ShareOf(std::string_view text) {
    if (share_.text() != text) share_ = routing::ShareRef(text);
    return share_;
  }
  bool Full() const {
    return !page_->entries.empty() &&
           (page_->entries.size() >= request_.max_messages || bytes_ >= request_.max_bytes);
  }

  Database* const database_;
  const QueueOutline& queue_;
  const session::QueueRead& request_;
  session::QueuePage* const page_;
  rocksdb::ReadOptions options_;
  v1::Enqueued enqueued_;
  uint64_t bytes_ = 0;
  routing::ShareRef share_;                          // of the last entry that had one
  std::vector<std::pair<uint64_t, size_t>> shared_;  // body number, index of the entry
};

absl::Status PageReader::Read() {
  page_->entries.clear();
  page_->next = request_.from;
  page_->end = true;
  if (absl::Status status = ReadEntries(); !status.ok()) return status;
  return ReadBodies();
}

absl::Status PageReader::ReadEntries() {
  const uint64_t from = std::max(request_.from, queue_.first_sequence);
  if (from > queue_.last_sequence) return absl::OkStatus();
  const Key end = QueueKey(request_.key, queue_.last_sequence + 1);
  const rocksdb::Slice bound = AsSlice(end);
  options_.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> each(
      database_->db()->NewIterator(options_, database_->family(Family::kQueue)));
  options_.iterate_upper_bound = nullptr;
  each->Seek(AsSlice(QueueKey(request_.key, queue_.gone.NextAbsent(from))));
  while (each->Valid()) {
    const auto sequence = ParseQueueKey({each->key().data(), each->key().size()});
    if (!sequence) return absl::DataLossError("a key of the queue family is damaged");
    const uint64_t queued = queue_.gone.NextAbsent(*sequence);
    if (queued > *sequence + kMaxSkip) {
      each->Seek(AsSlice(QueueKey(request_.key, queued)));
      continue;
    }
    if (queued == *sequence) {
      if (Full()) {
        page_->end = false;
        return absl::OkStatus();
      }
      absl::Status status = AddEntry(*sequence, each->value());
      if (!status.ok()) return status;
    }
    each->Next();
  }
  if (each->status().ok()) return absl::OkStatus();
  return absl::DataLossError("reading a queue: " + each->status().ToString());
}

absl::Status PageReader::AddEntry(uint64_t sequence, const rocksdb::Slice& value) {
  if (!Parse(value, &enqueued_)) return absl::DataLossError("a queue entry is damaged");
  session::StoredDelivery& entry = page_->entries.emplace_back();
  entry.sequence = sequence;
  entry.qos = static_cast<Qos>(enqueued_.qos());
  entry.retain = enqueued_.retain();
  entry.cost = enqueued_.cost();
  entry.subscription_ids.assign(enqueued_.subscription_ids().begin(),
                                enqueued_.subscription_ids().end());
  if (!enqueued_.share().empty()) entry.share = ShareOf(enqueued_.share());
  if (const SentMessage* sent = queue_.sent.Find(sequence); sent != nullptr) {
    entry.packet_id = sent->packet_id;
    entry.released = sent->released;
  }
  bytes_ += entry.cost;
  page_->next = sequence + 1;
  if (entry.released) return absl::OkStatus();
  if (enqueued_.body() != 0) {
    shared_.emplace_back(enqueued_.body(), page_->entries.size() - 1);
  } else {
    entry.message = DecodeMessage(enqueued_.message());
  }
  return absl::OkStatus();
}

absl::Status PageReader::ReadBodies() {
  if (shared_.empty()) return absl::OkStatus();
  std::sort(shared_.begin(), shared_.end());
  std::vector<Key> keys;
  keys.reserve(shared_.size());
  for (size_t i = 0; i < shared_.size(); ++i) {
    if (i == 0 || shared_[i].first != shared_[i - 1].first) {
      keys.push_back(BodyKey(request_.key.partition, shared_[i].first));
    }
  }
  std::vector<rocksdb::Slice> slices;
  slices.reserve(keys.size());
  for (const Key& key : keys)
    slices.push_back(AsSlice(key));
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  database_->db()->MultiGet(options_, database_->family(Family::kBodies), keys.size(),
                            slices.data(), values.data(), statuses.data(), /*sorted_input=*/true);
  v1::Message body;
  size_t at = 0;
  for (size_t i = 0; i < shared_.size(); ++i) {
    session::StoredDelivery& entry = page_->entries[shared_[i].second];
    if (i > 0 && shared_[i].first == shared_[i - 1].first) {
      entry.message = page_->entries[shared_[i - 1].second].message;
      continue;
    }
    if (!statuses[at].ok() || !Parse(values[at], &body)) {
      return absl::DataLossError("a message body is missing or damaged: " +
                                 statuses[at].ToString());
    }
    entry.message = DecodeMessage(body);
    ++at;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadQueuePage(Database* database, const rocksdb::Snapshot* snapshot,
                           const QueueOutline& queue, const session::QueueRead& request,
                           session::QueuePage* page) {
  return PageReader(database, snapshot, queue, request, page).Read();
}

}  // namespace skein::storage
