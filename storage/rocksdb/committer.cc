#include "storage/rocksdb/committer.h"

#include <pthread.h>

#include <variant>

#include <rocksdb/db.h>

#include "skein/storage/v1/record.pb.h"
#include "storage/log/frame.h"
#include "storage/rocksdb/backup.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/disk_space.h"
#include "storage/rocksdb/fatal.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/queue_reader.h"
#include "storage/rocksdb/retained_store.h"
#include "storage/rocksdb/shard_link.h"
#include "storage/rocksdb/sorted_batch.h"
#include "storage/rocksdb/store_stats.h"

namespace skein::storage {
namespace {

constexpr size_t kSweepSteps = 256;  // after each commit, and at a time when idle
constexpr int kQuietSeconds = 10;    // without a commit
constexpr size_t kExpiredASecond = 1'000;
// What follows from several commits is written together, the more the cheaper, unless a page waits
// for it.
constexpr size_t kMaxStateBatch = size_t{2} << 20;
// Records of a shard that count as durable before they are written (Durability::kMemory);
// publishers of more wait for their acknowledgements.
constexpr session::Lsn kMaxAhead = 65'536;

uint64_t MicrosSince(std::chrono::steady_clock::time_point before) {
  const auto took = std::chrono::steady_clock::now() - before;
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

}  // namespace

Committer::Committer(const Parts& parts, Durability durability)
    : parts_(parts),
      durability_(durability),
      staging_(static_cast<ShardId>(parts.links->size())),
      builder_(parts.database->partitions()),
      applied_(parts.links->size()) {}

Committer::~Committer() {
  Stop();
}

void Committer::Start() {
  for (session::PartitionId each = 0; each < parts_.database->partitions(); ++each) {
    written_.push_back(parts_.states->applied(each));
    builder_.SetNext(each, written_.back().sequence + 1);
  }
  thread_ = std::thread([this] { Run(); });
}

void Committer::Stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  signal_.Raise();
  thread_.join();
}

void Committer::HandedOver(ShardId shard, session::Lsn last) {
  // Nothing is promised but that a clean stop keeps it; yet what waits in memory has a bound.
  if (durability_ == Durability::kMemory && last - staging_.taken(shard) < kMaxAhead)
    (*parts_.links)[shard]->set_durable(last);
  signal_.Raise();
}

void Committer::Run() {
  pthread_setname_np(pthread_self(), "committer");
  bool more = false;  // housekeeping
  while (true) {
    const bool stopping = stop_.load();  // what was handed over before is taken below
    parts_.stats->committing_since.Set(
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
            .count());
    if (CommitOnce()) {
      if (!StateIsDue()) continue;
    } else if (stopping) {
      break;
    } else if (!state_waits_ && !more) {
      parts_.stats->committing_since.Set(0);
      signal_.Wait(std::chrono::seconds(1));
    }
    WriteState();
    more = Housekeep();
    if (parts_.backups != nullptr && parts_.backups->asked()) {
      parts_.checkpointer->RunAndWait();
      parts_.backups->Serve();
    }
  }
  WriteState();
  parts_.checkpointer->RunAndWait();
}

bool Committer::CommitOnce() {
  if (!staging_.Take(&taken_)) return false;
  const Clock::time_point before = Clock::now();
  Build();
  BuildBatch();
  if (log_batch_.Count() > 0) WriteLog();
  PublishDurable();
  parts_.stats->commit.Observe(MicrosSince(before));
  if (records_ > 0) parts_.stats->batch_records.Observe(records_);
  ApplyFrames();
  Release();
  return true;
}

// Frames and retained changes out of the records.
void Committer::Build() {
  uint64_t cancelled = 0;
  records_ = 0;
  for (const StagedBatch& batch : taken_) {
    for (const StagedRecord& staged : batch.records) {
      if (std::holds_alternative<Cancelled>(staged.body)) {
        ++cancelled;
        continue;
      }
      ++records_;
      if (const auto* change = std::get_if<RetainedChange>(&staged.body)) {
        if (parts_.retained != nullptr)
          parts_.retained->Collect(change->message->topic(), &log_batch_);
      } else {
        builder_.Add(staged);
      }
    }
  }
  StoreStats::Add(&parts_.stats->records_cancelled, cancelled);
}

void Committer::BuildBatch() {
  uint64_t bytes = 0;
  for (const FrameBuilder::Entry& entry : builder_.frames()) {
    PartitionStates::Position& at = written_[entry.partition];
    at = {entry.sequence, EncodeFrame(*entry.frame, at.chain, &value_)};
    log_batch_.Put(parts_.database->family(Family::kLog),
                   AsSlice(LogKey(entry.partition, entry.sequence)), value_);
    frames_.push_back({at, value_.size()});
    bytes += value_.size();
  }
  StoreStats::Add(&parts_.stats->bytes_written, bytes);
}

void Committer::WriteLog() {
  rocksdb::WriteOptions options;
  options.sync = durability_ == Durability::kFsync;
  options.disableWAL = durability_ == Durability::kMemory;
  const Clock::time_point before = Clock::now();
  const rocksdb::Status status = parts_.database->db()->Write(options, &log_batch_);
  if (!status.ok()) Fatal(parts_.logger, "writing the log", status.ToString());
  if (options.sync) {
    StoreStats::Add(&parts_.stats->fsyncs, 1);
    parts_.stats->fsync.Observe(MicrosSince(before));
  }
  log_batch_.Clear();
  if (parts_.retained != nullptr) parts_.retained->Written();
  StoreStats::Add(&parts_.stats->commits, 1);
  StoreStats::Add(&parts_.stats->records_written, records_);
  parts_.stats->last_commit_records.store(records_, std::memory_order_relaxed);
}

void Committer::PublishDurable() {
  for (size_t shard = 0; shard < taken_.size(); ++shard) {
    if (taken_[shard].records.empty()) continue;
    ShardLink& link = *(*parts_.links)[shard];
    link.set_durable(taken_[shard].next() - 1);
    link.Wake();
  }
}

void Committer::ApplyFrames() {
  for (size_t i = 0; i < frames_.size(); ++i) {
    const FrameBuilder::Entry& entry = builder_.frames()[i];
    const WrittenFrame& written = frames_[i];
    parts_.states->Apply(entry.partition, written.at, *entry.frame, &state_batch_);
    parts_.checkpointer->Applied(entry.partition, written.at.sequence, written.bytes);
  }
  for (size_t shard = 0; shard < taken_.size(); ++shard) {
    if (!taken_[shard].records.empty()) applied_[shard] = taken_[shard].next() - 1;
  }
  state_waits_ = true;  // also if nothing follows: who asks for a page waits for applied_
}

void Committer::Release() {
  builder_.Reset();
  frames_.clear();
  for (StagedBatch& batch : taken_) {
    batch.records.clear();
    batch.marks.clear();
  }
}

bool Committer::StateIsDue() const {
  return state_batch_.GetDataSize() >= kMaxStateBatch || parts_.reader->waiting() ||
         Clock::now() >= next_second_;
}

// Writes what follows from the frames that were applied, and tells the reader.
void Committer::WriteState() {
  const rocksdb::Status status =
      SortBatch(state_batch_, parts_.database->all_families(), &sorted_batch_);
  if (!status.ok()) Fatal(parts_.logger, "sorting a batch", status.ToString());
  state_batch_.Clear();
  state_waits_ = false;
  parts_.checkpointer->Write(&sorted_batch_);
  for (size_t shard = 0; shard < applied_.size(); ++shard)
    (*parts_.links)[shard]->set_applied(applied_[shard]);
  parts_.reader->Applied();
}

// True: there is more to do.
bool Committer::Housekeep() {
  if (const Clock::time_point now = Clock::now(); now >= next_second_) {
    next_second_ = now + std::chrono::seconds(1);
    EverySecond();
  }
  const bool more = parts_.states->Sweep(kSweepSteps, &state_batch_);
  parts_.checkpointer->Write(&state_batch_);
  if (parts_.checkpointer->due()) parts_.checkpointer->Run();
  return more;
}

void Committer::EverySecond() {
  if (parts_.retained != nullptr) {
    parts_.retained->CollectExpired(kExpiredASecond, &log_batch_);
    records_ = 0;
    if (log_batch_.Count() > 0) WriteLog();
  }
  // A node that has become quiet makes its checkpoint: garbage goes, and a start replays nothing.
  const uint64_t commits = parts_.stats->commits.load(std::memory_order_relaxed);
  quiet_seconds_ = commits == commits_seen_ ? quiet_seconds_ + 1 : 0;
  commits_seen_ = commits;
  const bool due = quiet_seconds_ > 0 && quiet_seconds_ % kQuietSeconds == 0;
  if (due && parts_.checkpointer->dirty()) parts_.checkpointer->Run();
  if (parts_.disk == nullptr) return;
  parts_.disk->Check();
  // Only a checkpoint gives back what left the queues.
  if (parts_.disk->full() && parts_.checkpointer->dirty()) parts_.checkpointer->Run();
}

}  // namespace skein::storage
