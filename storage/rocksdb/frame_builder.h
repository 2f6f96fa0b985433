// Groups the records of a commit into frames.
//
// Purpose: one frame a partition, or several where one would get too long; a message that goes to
// several queues of a partition stands once in the frame. Owner: the committer. Thread: confined to
// it. Life: Add() every record of a commit, use frames(), Reset(). Limits: kMaxFrameBytes, after
// which the partition's next frame begins.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "broker/session/store.h"
#include "storage/rocksdb/staged_record.h"

namespace google::protobuf {
class Arena;
}
namespace skein::storage::v1 {
class Frame;
class Record;
}  // namespace skein::storage::v1

namespace skein::storage {

class FrameBuilder {
 public:
  // A frame that is longer takes no more records.
  static constexpr size_t kMaxFrameBytes = size_t{16} << 20;
  // A body as short is cheaper written again than looked up.
  static constexpr size_t kMinSharedBytes = 128;

  struct Entry {
    session::PartitionId partition = 0;
    uint64_t sequence = 0;  // of the frame in its partition's log
    v1::Frame* frame = nullptr;
    size_t bytes = 0;  // about
  };

  explicit FrameBuilder(uint32_t partitions);
  ~FrameBuilder();

  // The next frame of the partition will have this sequence.
  void SetNext(session::PartitionId partition, uint64_t sequence) {
    next_sequence_[partition] = sequence;
  }

  // Not for Cancelled and RetainedChange.
  void Add(const StagedRecord& staged);

  // The frames so far; those of a partition in their order.
  const std::vector<Entry>& frames() const { return entries_; }

  // Forgets the frames.
  void Reset();

 private:
  // A message that was enqueued in this frame not long ago: a fan-out comes in one piece.
  struct Recent {
    const mqtt::Message* message = nullptr;
    v1::Record* first = nullptr;  // has the message, until it is shared
    uint64_t body = 0;            // 0 = not shared yet
  };
  struct Partition {
    size_t entry = SIZE_MAX;  // in entries_
    std::array<Recent, 4> recent;
    size_t next_recent = 0;
  };

  Entry& EntryFor(session::PartitionId partition);
  void SetContent(const mqtt::MessagePtr& message, Entry* entry, v1::Record* record);

  std::vector<char> block_;  // the arena's first block
  std::unique_ptr<google::protobuf::Arena> arena_;
  std::vector<uint64_t> next_sequence_;
  std::vector<Partition> partitions_;
  std::vector<Entry> entries_;
};

}  // namespace skein::storage
