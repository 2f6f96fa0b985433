#include "storage/rocksdb/replay.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <google/protobuf/arena.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "absl/strings/str_cat.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/log/frame.h"
#include "storage/rocksdb/checkpointer.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/partition_states.h"

namespace skein::storage {
namespace {

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

absl::Status Damaged(session::PartitionId partition, uint64_t sequence, absl::string_view why) {
  return absl::DataLossError(
      absl::StrCat("the log of partition ", partition, " is damaged at frame ", sequence, ": ", why,
                   "; restore a backup, or run skeinmqd --repair, which writes what it drops to a "
                   "file"));
}

rocksdb::ReadOptions UpTo(const rocksdb::Slice* bound) {
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = bound;
  options.readahead_size = size_t{1} << 20;
  return options;
}

uint64_t ParseLogKey(const rocksdb::Slice& key) {
  uint64_t sequence = 0;
  for (size_t i = 2; i < key.size(); ++i)
    sequence = sequence << 8 | static_cast<uint8_t>(key[i]);
  return sequence;
}

void PutNumber(uint64_t value, size_t width, std::ofstream* out) {
  for (size_t i = 0; i < width; ++i)
    out->put(static_cast<char>(value >> (8 * i) & 0xFF));
}

class Replay {
 public:
  Replay(Database* database, PartitionStates* states, Checkpointer* checkpointer,
         const ReplayOptions& options)
      : database_(database), states_(states), checkpointer_(checkpointer), options_(options) {}

  absl::Status Partition(session::PartitionId partition) {
    const absl::Status status = ApplyAll(partition);
    if (!absl::IsDataLoss(status) || options_.repair_to.empty()) return status;
    return Drop(partition, states_->applied(partition).sequence + 1, status);
  }

  const ReplayReport& report() const { return report_; }

 private:
  absl::Status ApplyAll(session::PartitionId partition) {
    PartitionStates::Position at = states_->applied(partition);
    const Key begin = LogKey(partition, at.sequence + 1);
    const Key end = LogKey(partition, UINT64_MAX);
    const rocksdb::Slice bound = AsSlice(end);
    const std::unique_ptr<rocksdb::Iterator> each(
        database_->db()->NewIterator(UpTo(&bound), database_->family(Family::kLog)));
    for (each->Seek(AsSlice(begin)); each->Valid(); each->Next()) {
      ++at.sequence;
      if (each->key() != AsSlice(LogKey(partition, at.sequence)))
        return Damaged(partition, at.sequence, "the frame is missing");
      if (absl::Status status = Apply(partition, each->value(), &at); !status.ok()) return status;
    }
    if (each->status().ok()) return absl::OkStatus();
    return Damaged(partition, at.sequence + 1, each->status().ToString());
  }

  absl::Status Apply(session::PartitionId partition, const rocksdb::Slice& value,
                     PartitionStates::Position* at) {
    google::protobuf::Arena arena;
    auto* frame = google::protobuf::Arena::CreateMessage<v1::Frame>(&arena);
    const absl::Status status = DecodeFrame(value.ToStringView(), at->chain, frame, &at->chain);
    if (!status.ok())
      return Damaged(partition, at->sequence,
                     absl::string_view(status.message().data(), status.message().size()));
    states_->Apply(partition, *at, *frame, &batch_);
    ++report_.frames;
    report_.bytes += value.size();
    checkpointer_->Applied(partition, at->sequence, value.size());
    checkpointer_->Write(&batch_);
    if (checkpointer_->due()) checkpointer_->Run();
    return absl::OkStatus();
  }

  // Moves the frames from this one on to a file.
  absl::Status Drop(session::PartitionId partition, uint64_t from, const absl::Status& why) {
    const std::filesystem::path path = std::filesystem::path(options_.repair_to) /
                                       absl::StrCat("dropped-log-", partition, "-", from, ".bin");
    std::ofstream out(path, std::ios::binary | std::ios::app);
    const Key begin = LogKey(partition, from);
    const Key end = LogKey(partition, UINT64_MAX);
    const rocksdb::Slice bound = AsSlice(end);
    const std::unique_ptr<rocksdb::Iterator> each(
        database_->db()->NewIterator(UpTo(&bound), database_->family(Family::kLog)));
    uint64_t frames = 0;
    for (each->Seek(AsSlice(begin)); each->Valid(); each->Next(), ++frames) {
      PutNumber(ParseLogKey(each->key()), 8, &out);
      PutNumber(each->value().size(), 4, &out);
      out.write(each->value().data(), static_cast<std::streamsize>(each->value().size()));
    }
    out.close();
    if (out.fail()) return absl::UnavailableError("cannot write " + path.string());
    rocksdb::WriteOptions sync;
    sync.sync = true;
    const rocksdb::Status status = database_->db()->DeleteRange(
        sync, database_->family(Family::kLog), AsSlice(begin), AsSlice(end));
    if (!status.ok()) return absl::UnavailableError(status.ToString());
    if (options_.logger != nullptr) {
      options_.logger->Log(LogLevel::kWarn, "store.log_dropped",
                           {{"partition", partition},
                            {"from_frame", from},
                            {"frames", frames},
                            {"saved_to", path.string()},
                            {"why", why.ToString()}});
    }
    return absl::OkStatus();
  }

  Database* const database_;
  PartitionStates* const states_;
  Checkpointer* const checkpointer_;
  const ReplayOptions& options_;
  rocksdb::WriteBatch batch_;
  ReplayReport report_;
};

}  // namespace

absl::StatusOr<ReplayReport> ReplayLogs(Database* database, PartitionStates* states,
                                        Checkpointer* checkpointer, const ReplayOptions& options) {
  Replay replay(database, states, checkpointer, options);
  for (session::PartitionId partition = 0; partition < database->partitions(); ++partition) {
    if (absl::Status status = replay.Partition(partition); !status.ok()) return status;
  }
  return replay.report();
}

}  // namespace skein::storage
