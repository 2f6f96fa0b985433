// Readiness of many descriptors, and a wake-up from other threads.
//
// Purpose: one epoll instance, level-triggered. A level-triggered loop lets a shard stop reading a
// connection after its fair share and hear of it again. Owner and thread: one shard; everything is
// confined to its thread except Wake(). Life cycle: closes its own descriptors; those that were
// added belong to the caller. Limits: kMaxEvents a call; the rest comes with the next one.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "broker/net/socket.h"

namespace skein::net {

class EventLoop {
 public:
  static constexpr int kMaxEvents = 512;

  struct Event {
    uint64_t tag;
    uint32_t events;  // EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR ...
  };

  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Watches a descriptor; `tag` comes back with its events and must not be UINT64_MAX. False when
  // the kernel has no room for another watch (memory, fs.epoll.max_user_watches): treat it like a
  // refused connection.
  bool Add(int fd, uint32_t events, uint64_t tag);

  // Changes what is watched. Not for descriptors added with EPOLLEXCLUSIVE: remove and add those.
  void Modify(int fd, uint32_t events, uint64_t tag);

  // Call before closing the descriptor. Events already returned by Wait() are not taken back: the
  // caller's tags must tell.
  void Remove(int fd);

  // Waits for events until the time is over; 0 = only look, negative = without end. Returns early,
  // possibly with no event, after a Wake(). What it returns is valid until the next call. The
  // caller looks into its mailboxes after every Wait().
  std::span<const Event> Wait(int timeout_ms);

  // Any thread: ends the running Wait(), or keeps the next one from sleeping. Call it after the
  // push it announces. Cheap unless the loop sleeps: then the first Wake() writes to a descriptor,
  // later ones do not until the loop has run.
  void Wake();

 private:
  // How a wake-up is never lost. Every change of state_ is a read-modify-write, so all of them have
  // one order. Each Wait() that finds a notice, or slept, ends with an exchange to kAwake.
  // - A Wake() that comes before such an exchange: the exchange reads its kNotified, or a later one
  //   of the same release sequence, so what was pushed before the Wake() is visible to the look
  //   into the mailboxes that follows.
  // - A Wake() that comes after it: the next Wait() finds kNotified instead of kAwake, does not
  //   sleep, and ends with such an exchange itself.
  // A Wake() that finds kSleeping is the only one that writes, so there is one write a sleep at
  // most. The write may arrive after the sleep ended for another reason; then a later Wait()
  // returns early once, which is harmless.
  enum class State : uint8_t { kAwake, kSleeping, kNotified };

  EventLoop(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  int Poll(int timeout_ms);

  Fd epoll_;
  Fd wake_;
  std::array<epoll_event, kMaxEvents> ready_;
  std::array<Event, kMaxEvents> events_;
  alignas(64) std::atomic<State> state_{State::kAwake};
};

}  // namespace skein::net
