// What the store counts.
//
// Purpose: the numbers behind the store's metrics. Thread: written by the store's threads, read by
// any; the histograms and committing_since by the committer alone.
#pragma once

#include <atomic>
#include <cstdint>

#include "broker/base/counter.h"

namespace skein::storage {

struct StoreStats {
  using Count = std::atomic<uint64_t>;

  Count commits{0};
  Count records_written{0};
  Count records_cancelled{0};  // acknowledged before they were written
  Count bytes_written{0};      // of frames
  Count fsyncs{0};
  Count last_commit_records{0};
  Count checkpoints{0};
  Count replayed_frames{0};  // at start
  Count pages_read{0};
  Count write_stalls{0};  // times that the database slowed or stopped writing

  SizeHistogram batch_records;  // of a commit
  LatencyHistogram commit;      // from taking the records to telling the shards; microseconds
  LatencyHistogram fsync;       // writing a commit to the log and syncing it; microseconds
  // When the committer began what it does now, on the steady clock in milliseconds; 0: it rests.
  Gauge committing_since;

  static void Add(Count* count, uint64_t by) { count->fetch_add(by, std::memory_order_relaxed); }
};

// What the database and the disk say when they are asked.
struct StoreFigures {
  uint64_t wal_bytes = 0;
  uint64_t compaction_pending_bytes = 0;
  uint64_t database_bytes = 0;  // of sorted files
  bool write_stopped = false;   // by the database, or by the reserve of the disk
  uint64_t disk_free_bytes = 0;
  uint64_t disk_size_bytes = 0;
};

}  // namespace skein::storage
