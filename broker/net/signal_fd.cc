#include "broker/net/signal_fd.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace skein::net {

absl::StatusOr<SignalFd> SignalFd::Create() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&signals, number);
  if (const int error = pthread_sigmask(SIG_BLOCK, &signals, nullptr); error != 0) {
    return ErrnoStatus(error, "cannot block signals");
  }
  Fd fd(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot make a signal descriptor");
  return SignalFd(std::move(fd));
}

int SignalFd::Next() {
  signalfd_siginfo info;
  ssize_t count;
  do {
    count = ::read(fd_.get(), &info, sizeof(info));
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof(info)) ? static_cast<int>(info.ssi_signo) : 0;
}

}  // namespace skein::net
