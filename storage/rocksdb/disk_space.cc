#include "storage/rocksdb/disk_space.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

namespace skein::storage {

DiskSpace::Probe DiskSpace::ProbeOf(std::string path) {
  return [path = std::move(path)] {
    struct statvfs disk {};
    // A disk that does not answer is not taken for a full one: writing will tell.
    if (statvfs(path.c_str(), &disk) != 0) return Space{UINT64_MAX, UINT64_MAX};
    const uint64_t block = disk.f_frsize;
    return Space{disk.f_bavail * block, disk.f_blocks * block};
  };
}

void DiskSpace::Check() {
  const Space space = probe_();
  const uint64_t reserve = std::min(reserve_bytes_, space.total_bytes / 10);
  free_bytes_.store(space.free_bytes, std::memory_order_relaxed);
  total_bytes_.store(space.total_bytes, std::memory_order_relaxed);
  const bool was = full();
  // Full again a little later than full no more, so that it does not flicker.
  const bool now = was ? space.free_bytes < reserve + reserve / 10 : space.free_bytes < reserve;
  if (now == was) return;
  full_.store(now, std::memory_order_relaxed);
  if (log_ == nullptr) return;
  log_->Log(now ? LogLevel::kError : LogLevel::kInfo,
            now ? "store.disk_full" : "store.disk_has_room",
            {{"free_bytes", space.free_bytes}, {"reserve_bytes", reserve}});
}

}  // namespace skein::storage
