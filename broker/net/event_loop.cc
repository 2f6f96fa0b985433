#include "broker/net/event_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "broker/base/check.h"

namespace skein::net {
namespace {

constexpr uint64_t kWakeTag = UINT64_MAX;

epoll_event MakeEvent(uint32_t events, uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return event;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus(errno, "cannot make an epoll instance");
  Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.valid()) return ErrnoStatus(errno, "cannot make an event descriptor");
  epoll_event event = MakeEvent(EPOLLIN, kWakeTag);
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return ErrnoStatus(errno, "cannot watch an event descriptor");
  }
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(wake)));
}

bool EventLoop::Add(int fd, uint32_t events, uint64_t tag) {
  SKEIN_CHECK(tag != kWakeTag);
  epoll_event event = MakeEvent(events, tag);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return true;
  const int error = errno;
  SKEIN_CHECK(error == ENOSPC || error == ENOMEM) << "epoll_ctl: " << ErrnoText(error);
  return false;
}

void EventLoop::Modify(int fd, uint32_t events, uint64_t tag) {
  SKEIN_CHECK(tag != kWakeTag);
  epoll_event event = MakeEvent(events, tag);
  const int result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
  SKEIN_CHECK(result == 0) << "epoll_ctl: " << ErrnoText(errno);
}

void EventLoop::Remove(int fd) {
  const int result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  SKEIN_CHECK(result == 0) << "epoll_ctl: " << ErrnoText(errno);
}

std::span<const EventLoop::Event> EventLoop::Wait(int timeout_ms) {
  State expected = State::kAwake;
  const bool sleeps = timeout_ms != 0 && state_.compare_exchange_strong(expected, State::kSleeping,
                                                                        std::memory_order_acq_rel,
                                                                        std::memory_order_acquire);
  const int count = Poll(sleeps ? timeout_ms : 0);
  // A notice this load misses stays for the next Wait().
  if (sleeps || state_.load(std::memory_order_relaxed) == State::kNotified) {
    state_.exchange(State::kAwake, std::memory_order_acq_rel);
  }

  size_t reported = 0;
  for (int i = 0; i < count; ++i) {
    if (ready_[i].data.u64 != kWakeTag) {
      events_[reported++] = {ready_[i].data.u64, ready_[i].events};
      continue;
    }
    uint64_t unused;
    while (::read(wake_.get(), &unused, sizeof(unused)) < 0 && errno == EINTR) {
    }
  }
  return {events_.data(), reported};
}

int EventLoop::Poll(int timeout_ms) {
  using SteadyClock = std::chrono::steady_clock;
  int count = ::epoll_wait(epoll_.get(), ready_.data(), kMaxEvents, timeout_ms);
  if (count >= 0) return count;
  const auto end = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  while (count < 0) {
    const int error = errno;
    SKEIN_CHECK(error == EINTR) << "epoll_wait: " << ErrnoText(error);
    int left = timeout_ms;
    if (timeout_ms > 0) {
      const auto rest = std::chrono::ceil<std::chrono::milliseconds>(end - SteadyClock::now());
      left = static_cast<int>(std::max<int64_t>(0, rest.count()));
    }
    count = ::epoll_wait(epoll_.get(), ready_.data(), kMaxEvents, left);
  }
  return count;
}

void EventLoop::Wake() {
  if (state_.exchange(State::kNotified, std::memory_order_acq_rel) != State::kSleeping) return;
  const uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

}  // namespace skein::net
