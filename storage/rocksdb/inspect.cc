#include "storage/rocksdb/inspect.h"

#include <algorithm>
#include <utility>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "absl/strings/str_cat.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/log/frame.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/partition_states.h"
#include "storage/rocksdb/retained_value.h"

namespace skein::storage {
namespace {

constexpr uint32_t kPageMessages = 256;
constexpr uint64_t kPageBytes = 4 << 20;

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

// Big endian, behind the partition.
uint64_t FrameOf(const rocksdb::Slice& log_key) {
  uint64_t sequence = 0;
  for (size_t i = 2; i < log_key.size(); ++i)
    sequence = sequence << 8 | static_cast<uint8_t>(log_key[i]);
  return sequence;
}

absl::Status Damaged(session::PartitionId partition, uint64_t frame, const std::string& why) {
  return absl::DataLossError(
      absl::StrCat("the log of partition ", partition, " is damaged at frame ", frame, ": ", why));
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoreView>> StoreView::Open(const std::string& data_dir) {
  const bool running = StoreInUse(data_dir);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenForInspection(data_dir);
  if (!database.ok()) return database.status();
  std::unique_ptr<StoreView> view(new StoreView(std::move(*database), running));
  if (absl::Status status = view->states_->Load(); !status.ok()) return status;
  for (session::PartitionId partition = 0; partition < view->partitions(); ++partition) {
    if (absl::Status status = view->Replay(partition); !status.ok()) return status;
  }
  return view;
}

StoreView::StoreView(std::unique_ptr<Database> database, bool running)
    : database_(std::move(database)),
      running_(running),
      states_(std::make_unique<PartitionStates>(database_.get(), database_->partitions())),
      logs_(database_->partitions()) {}

StoreView::~StoreView() = default;

uint32_t StoreView::format_version() const {
  return kFormatVersion;
}
uint32_t StoreView::partitions() const {
  return database_->partitions();
}

absl::Status StoreView::Replay(session::PartitionId partition) {
  PartitionStates::Position at = states_->applied(partition);
  LogRange& log = logs_[partition];
  log.applied = log.last = at.sequence;
  const Key end = LogKey(partition, UINT64_MAX);
  const rocksdb::Slice bound = AsSlice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> each(
      database_->db()->NewIterator(options, database_->family(Family::kLog)));
  each->Seek(AsSlice(LogKey(partition, 0)));
  if (each->Valid()) log.first = FrameOf(each->key());
  v1::Frame frame;
  rocksdb::WriteBatch batch;
  for (each->Seek(AsSlice(LogKey(partition, at.sequence + 1))); each->Valid(); each->Next()) {
    ++at.sequence;
    if (each->key() != AsSlice(LogKey(partition, at.sequence)))
      return Damaged(partition, at.sequence, "the frame is missing");
    const absl::Status status =
        DecodeFrame(each->value().ToStringView(), at.chain, &frame, &at.chain);
    if (!status.ok()) return Damaged(partition, at.sequence, std::string(status.message()));
    states_->Apply(partition, at, frame, &batch);
    database_->db()->Write(rocksdb::WriteOptions(), &batch);
    batch.Clear();
  }
  log.last = at.sequence;
  if (each->status().ok()) return absl::OkStatus();
  return Damaged(partition, at.sequence + 1, each->status().ToString());
}

absl::StatusOr<PartitionSummary> StoreView::Summarize(session::PartitionId partition) {
  PartitionSummary summary;
  summary.partition = partition;
  summary.first_frame = logs_[partition].first;
  summary.last_frame = logs_[partition].last;
  summary.applied_frame = logs_[partition].applied;
  ForEachSession(partition, [&](const session::SessionImage& image) {
    ++summary.sessions;
    if (image.disconnected_at == kNever) ++summary.connected;
    summary.subscriptions += image.subscriptions.size();
    summary.queued_messages += image.queued_messages;
    summary.queued_bytes += image.queued_bytes;
  });
  return summary;
}

void StoreView::ForEachSession(session::PartitionId partition, const SessionVisit& visit) {
  states_->Recover(partition, visit);
}

absl::Status StoreView::ForEachQueued(
    const session::SessionKey& key,
    const std::function<void(const session::StoredDelivery&)>& visit) {
  session::QueueRead request;
  request.key = key;
  request.max_messages = kPageMessages;
  request.max_bytes = kPageBytes;
  session::QueuePage page;
  do {
    page = {};
    if (absl::Status status = states_->ReadPage(request, &page); !status.ok()) return status;
    for (const session::StoredDelivery& entry : page.entries)
      visit(entry);
    request.from = page.next;
  } while (!page.end);
  return absl::OkStatus();
}

absl::Status StoreView::ForEachRetained(const std::function<void(const mqtt::Message&)>& visit) {
  const std::unique_ptr<rocksdb::Iterator> each(
      database_->db()->NewIterator(rocksdb::ReadOptions(), database_->family(Family::kRetained)));
  for (each->SeekToFirst(); each->Valid(); each->Next()) {
    const mqtt::MessagePtr message =
        DecodeRetained(each->key().ToStringView(), each->value().ToStringView());
    if (!message) return absl::DataLossError("a retained message is damaged");
    if (!message->payload().empty()) visit(*message);
  }
  if (each->status().ok()) return absl::OkStatus();
  return absl::DataLossError("reading retained messages: " + each->status().ToString());
}

absl::StatusOr<RetainedSummary> StoreView::SummarizeRetained() {
  RetainedSummary summary;
  const absl::Status status = ForEachRetained([&](const mqtt::Message& message) {
    ++summary.messages;
    summary.bytes += message.cost();
  });
  if (!status.ok()) return status;
  return summary;
}

}  // namespace skein::storage
