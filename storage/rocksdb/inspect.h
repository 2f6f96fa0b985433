// Looks into the store of a stopped or a running node.
//
// Purpose: what `skeinmqctl store` shows. StoreView brings the state up to the end of the logs in
// memory, so that nothing acknowledged is missing; it changes nothing on disk. Of a running node it
// shows what was written when it was opened. Thread: confined. Limits: memory for the part of the
// logs that is not in the state yet. Errors: DataLoss says what cannot be read; a damaged row ends
// the process, so a store in doubt is verified first (verify.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/session/store.h"

namespace skein::storage {

class Database;
class PartitionStates;

struct PartitionSummary {
  session::PartitionId partition = 0;
  uint64_t sessions = 0;
  uint64_t connected = 0;  // as far as their records say
  uint64_t subscriptions = 0;
  uint64_t queued_messages = 0;
  uint64_t queued_bytes = 0;
  // Of the frames in the log: the first that is still there (0: none is), the last there ever was,
  // and the last whose effect is in the state on disk.
  uint64_t first_frame = 0;
  uint64_t last_frame = 0;
  uint64_t applied_frame = 0;
};

struct RetainedSummary {
  uint64_t messages = 0;
  uint64_t bytes = 0;  // as they count in limits.max_retained_bytes
};

class StoreView {
 public:
  static absl::StatusOr<std::unique_ptr<StoreView>> Open(const std::string& data_dir);
  ~StoreView();

  uint32_t format_version() const;
  uint32_t partitions() const;
  bool running() const { return running_; }  // a broker used the store when it was opened

  absl::StatusOr<PartitionSummary> Summarize(session::PartitionId partition);

  using SessionVisit = std::function<void(const session::SessionImage&)>;
  void ForEachSession(session::PartitionId partition, const SessionVisit& visit);

  // The whole queue, in ascending order. A delivery without message was released (PUBREC came).
  absl::Status ForEachQueued(const session::SessionKey& key,
                             const std::function<void(const session::StoredDelivery&)>& visit);

  // In the order of RetainedScan.
  absl::Status ForEachRetained(const std::function<void(const mqtt::Message&)>& visit);
  absl::StatusOr<RetainedSummary> SummarizeRetained();

 private:
  StoreView(std::unique_ptr<Database> database, bool running);
  absl::Status Replay(session::PartitionId partition);

  std::unique_ptr<Database> database_;
  const bool running_;
  std::unique_ptr<PartitionStates> states_;
  struct LogRange {
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t applied = 0;
  };
  std::vector<LogRange> logs_;  // by partition
};

}  // namespace skein::storage
