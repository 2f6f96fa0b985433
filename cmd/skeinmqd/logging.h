// The logger of the process, over spdlog.
//
// Purpose: implements the broker's Logger port (broker/base/log.h): renders on the calling thread,
// hands the line to a queue; one thread of its own writes to standard error. Thread: Log() on any
// thread, never blocks. Life cycle: made in main() before everything else; its destructor writes
// what is queued. Limits: kLogQueue lines; beyond, the oldest is dropped and counted.
#pragma once

#include <cstdint>
#include <memory>

#include "broker/base/log.h"
#include "cmd/skeinmqd/config.h"

namespace skein::config {

inline constexpr size_t kLogQueue = 8192;

// A logger that also tells what it lost.
class ProcessLogger : public Logger {
 public:
  // Lines dropped because the queue was full.
  virtual uint64_t dropped() const = 0;
};

// Writes to `file_descriptor` (2 in the broker), which stays open and belongs to the caller.
std::unique_ptr<ProcessLogger> MakeLogger(LogLevel level, LogFormat format, int file_descriptor);

}  // namespace skein::config
