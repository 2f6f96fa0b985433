// What a process has used so far, read from /proc: CPU time of all its threads and resident memory.
//
// CPU time comes from the scheduler's own account (schedstat, nanoseconds); where the kernel has
// none, from the 10 ms ticks of `stat`. A thread that ends takes its account with it, so measure
// between two moments with the same threads.
#pragma once

#include <cstdint>
#include <optional>

namespace skein::bench {

struct BrokerUsage {
  uint64_t cpu_ns = 0;
  uint64_t user_ns = 0;    // ticks: coarse
  uint64_t system_ns = 0;  // ticks: coarse
  uint64_t rss_bytes = 0;
  uint64_t pss_bytes = 0;  // 0 when smaps_rollup cannot be read
  uint64_t uss_bytes = 0;  // private pages only
};

// Only CPU time: cheap enough to be read in the middle of a run. Nothing: no such process, or it is
// not ours to read.
std::optional<BrokerUsage> ReadCpu(int pid);

// Adds memory to `usage`. With a large process this takes milliseconds.
bool ReadMemory(int pid, BrokerUsage& usage);

}  // namespace skein::bench
