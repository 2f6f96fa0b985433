// Brings the state up to the end of the logs.
//
// Purpose: at start, applies the frames after each partition's applied position, and verifies on
// the way that none is missing and that the chain of hashes holds. Thread: confined. Limits: the
// memory of a frame and what follows from it; checkpoints as often as the committer does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "broker/base/log.h"

namespace skein::storage {

class Checkpointer;
class Database;
class PartitionStates;

struct ReplayReport {
  uint64_t frames = 0;
  uint64_t bytes = 0;
};

struct ReplayOptions {
  // What stands in a log from a damaged frame on is moved to a file dropped-log-<partition>-<frame>
  // .bin here. Empty: damage is an error.
  std::string repair_to;
  Logger* logger = nullptr;  // may be null
};

// DataLoss: a log is damaged; the message names the partition and the frame, and what to do.
absl::StatusOr<ReplayReport> ReplayLogs(Database* database, PartitionStates* states,
                                        Checkpointer* checkpointer, const ReplayOptions& options);

}  // namespace skein::storage
