#include "broker/net/socket.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "broker/base/check.h"

namespace skein::net {
namespace {

IoResult Failure() {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::kWouldBlock};
  return {IoStatus::kError, 0, errno};
}

}  // namespace

void Fd::Reset(int fd) {
  if (fd_ >= 0) Close(fd_);
  fd_ = fd;
}

IoResult Read(int fd, char* buffer, size_t size) {
  SKEIN_CHECK(size > 0);
  ssize_t count;
  do {
    count = ::recv(fd, buffer, size, 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return Failure();
  if (count == 0) return {IoStatus::kClosed};
  return {IoStatus::kOk, static_cast<size_t>(count)};
}

IoResult Writev(int fd, const iovec* parts, int count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);  // sendmsg only reads it
  message.msg_iovlen = static_cast<size_t>(std::min(count, IOV_MAX));
  ssize_t sent;
  do {
    sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return Failure();
  return {IoStatus::kOk, static_cast<size_t>(sent)};
}

void ShutdownWrite(int fd) {
  ::shutdown(fd, SHUT_WR);
}

// Linux releases the descriptor even when close() reports EINTR: repeating it could close someone
// else's.
void Close(int fd) {
  const int result = ::close(fd);
  SKEIN_CHECK(result == 0 || errno != EBADF);
}

uint64_t RaiseFileLimit() {
  rlimit limit{};
  SKEIN_CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit wanted = limit;
    wanted.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) limit = wanted;
  }
  return limit.rlim_cur;
}

std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

absl::Status ErrnoStatus(int error, std::string_view what) {
  const std::string text = absl::StrCat(std::string(what), ": ", ErrnoText(error));
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

}  // namespace skein::net
