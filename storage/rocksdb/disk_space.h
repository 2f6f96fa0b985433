// Whether the disk has room for new durable work.
//
// Purpose: a broker that fills its disk to the last byte can neither take nor give messages any
// more. Below a reserve it refuses new durable work and goes on with the rest, until there is room
// again. Owner: the committer, which calls Check() about once a second. Thread: Check() on one;
// full() and free_bytes() on any. Limits: on a disk of less than ten times the reserve the reserve
// is a tenth of the disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "broker/base/log.h"

namespace skein::storage {

struct Space {
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
};

class DiskSpace {
 public:
  using Probe = std::function<Space()>;

  // Asks the file system of `path`.
  static Probe ProbeOf(std::string path);

  DiskSpace(Probe probe, uint64_t reserve_bytes, Logger* log)
      : probe_(std::move(probe)), reserve_bytes_(reserve_bytes), log_(log) {}

  void Check();
  bool full() const { return full_.load(std::memory_order_relaxed); }
  uint64_t free_bytes() const { return free_bytes_.load(std::memory_order_relaxed); }
  uint64_t total_bytes() const { return total_bytes_.load(std::memory_order_relaxed); }

 private:
  const Probe probe_;
  const uint64_t reserve_bytes_;
  Logger* const log_;
  std::atomic<bool> full_{false};
  std::atomic<uint64_t> free_bytes_{0};
  std::atomic<uint64_t> total_bytes_{0};
};

}  // namespace skein::storage
