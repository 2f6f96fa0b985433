// What the store counts.
//
// Purpose: the numbers behind the store's metrics. Thread: written by the store's threads, read by
// any.
#pragma once

#include <atomic>
#include <cstdint>

namespace skein::storage {

struct StoreStats {
  using Count = std::atomic<uint64_t>;

  Count commits{0};
  Count records_written{0};
  Count records_cancelled{0};  // acknowledged before they were written
  Count bytes_written{0};      // of frames
  Count fsyncs{0};
  Count fsync_nanoseconds{0};  // in writes with fsync
  Count last_commit_records{0};
  Count checkpoints{0};
  Count replayed_frames{0};  // at start
  Count pages_read{0};

  static void Add(Count* count, uint64_t by) { count->fetch_add(by, std::memory_order_relaxed); }
};

}  // namespace skein::storage
