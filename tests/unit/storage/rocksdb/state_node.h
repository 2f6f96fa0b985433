// A database with partition states and the log that feeds them, for tests.
//
// Purpose: plays the committer's part: builds frames, applies them, makes checkpoints; and crashes:
// what was not flushed is gone, the log is replayed. Thread: the test's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/session/store.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/partition_states.h"

namespace rocksdb {
class WriteBatch;
}

namespace skein::storage {

class StateNode {
 public:
  static constexpr uint32_t kPartitions = 3;

  explicit StateNode(size_t max_clean_rows = PartitionStates::kMaxCleanRows);
  ~StateNode();

  PartitionStates& states() { return *states_; }

  // The frame that Commit() appends to the log.
  v1::Record* Add(uint64_t session);
  // A body of the frame; returns its number.
  uint64_t AddBody(std::string_view payload);
  v1::Connected* Connect(uint64_t session, std::string_view client_id);
  v1::Enqueued* Enqueue(uint64_t session, uint64_t sequence);
  void EnqueueOwn(uint64_t session, uint64_t sequence, std::string_view payload);
  void Complete(uint64_t session, uint64_t sequence);

  // Appends the frame to the partition's log and applies it.
  void Commit();
  bool Sweep(size_t steps);
  void Checkpoint();
  void Flush();
  void SweepAll() {
    while (Sweep(1'000)) {
    }
  }
  // The process is killed and starts again. What was written since the last flush is lost, but for
  // the log, whose frames after the applied position are applied again.
  void Crash();

  void set_partition(session::PartitionId partition) { partition_ = partition; }
  session::PartitionId partition() const { return partition_; }
  session::SessionKey KeyOf(uint64_t session) const { return {partition_, session}; }
  uint64_t NextFrame() const;

  std::vector<session::SessionImage> Recover();
  session::SessionImage RecoverOne(uint64_t session);
  session::QueuePage Read(uint64_t session, uint64_t from = 1, uint32_t max_messages = 1'000'000,
                          uint64_t max_bytes = UINT64_MAX);
  // The keys and values of a family, with those of a prefix only.
  std::map<std::string, std::string> Family(Family family, std::string_view prefix = {});

 private:
  void Open();
  void Write(rocksdb::WriteBatch* batch);
  void Apply(session::PartitionId partition, const v1::Frame& frame);

  const size_t max_clean_rows_;
  std::filesystem::path root_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<PartitionStates> states_;
  session::PartitionId partition_ = 1;
  v1::Frame frame_;
  std::map<session::PartitionId, std::vector<v1::Frame>> log_;
};

// The payloads of a page, in order; "-" where there is no message.
std::vector<std::string> Payloads(const session::QueuePage& page);

}  // namespace skein::storage
