// The process as the kernel sees it.
//
// Purpose: the process_... metrics under the names that all exporters use. Thread: any; reads a few
// files of /proc. Errors: what cannot be read is left out.
#pragma once

#include <cstdint>

#include "broker/metrics/sheet.h"

namespace skein::metrics {

struct ProcessFigures {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double threads = 0;
  double open_fds = 0;
  double max_fds = 0;
  double start_time = 0;  // seconds since 1970
};

struct MemoryFigures {
  uint64_t resident_bytes = 0;
  uint64_t most_resident_bytes = 0;  // since the process started
};

ProcessFigures ReadProcess();
MemoryFigures ReadMemory();
void AddProcess(const ProcessFigures& figures, Sheet* sheet);

}  // namespace skein::metrics
