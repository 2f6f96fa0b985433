// Thin functions over the system's sockets, and a descriptor that closes itself.
//
// Purpose: the few calls a connection needs, with results a switch can take apart. All retry EINTR;
// none blocks on the non-blocking descriptors that Listener::Accept() gives. Thread: any; a
// descriptor's user sees to it that only one thread uses it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace skein::net {

// Owns a descriptor. Empty: -1.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Reset(); }
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  // Closes what it holds and takes `fd`.
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

enum class IoStatus : uint8_t {
  kOk,          // `bytes` > 0 were moved, perhaps fewer than asked
  kWouldBlock,  // wait for EPOLLIN or EPOLLOUT
  kClosed,      // Read() only: the peer has finished sending
  kError,       // `error` is the errno; close the connection
};

struct IoResult {
  IoStatus status;
  size_t bytes = 0;
  int error = 0;
};

// size > 0.
IoResult Read(int fd, char* buffer, size_t size);

// Never raises SIGPIPE. Entries beyond the system's IOV_MAX are left for the next call.
IoResult Writev(int fd, const iovec* parts, int count);

// Tells the peer that nothing more comes; what was written is still delivered. Ignores a connection
// that is gone already.
void ShutdownWrite(int fd);

void Close(int fd);

// Lifts the process's soft limit of open descriptors to its hard limit. Returns the limit that
// holds afterwards.
uint64_t RaiseFileLimit();

// "Address already in use": thread-safe, for error texts.
std::string ErrnoText(int error);

// INTERNAL (or RESOURCE_EXHAUSTED for want of descriptors or memory): "<what>: <text of the
// errno>".
absl::Status ErrnoStatus(int error, std::string_view what);

}  // namespace skein::net
