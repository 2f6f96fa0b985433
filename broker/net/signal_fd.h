// The signals that stop or reload the process, as a descriptor for an event loop.
//
// Purpose: SIGTERM, SIGINT and SIGHUP are read like any input instead of interrupting a thread
// anywhere. SIGPIPE is ignored on the way. Thread: Create() on the main thread before any other
// thread starts, since threads inherit what is blocked; the rest on one thread.
#pragma once

#include "absl/status/statusor.h"
#include "broker/net/socket.h"

namespace skein::net {

class SignalFd {
 public:
  // Blocks the three signals in the calling thread.
  static absl::StatusOr<SignalFd> Create();

  // Readable when a signal is waiting.
  int fd() const { return fd_.get(); }

  // The next signal's number, or 0 when none is waiting.
  int Next();

 private:
  explicit SignalFd(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace skein::net
