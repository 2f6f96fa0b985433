#include "broker/shard/shard.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "broker/net/socket.h"

namespace skein::shard {
namespace {

// Listeners have tags of their own; connection tags have small generations in the upper half.
constexpr uint64_t kListenerTag = uint64_t{1} << 63;
constexpr TimeMs kListenPauseMs = 100;
constexpr TimeMs kSweepEveryMs = 1'000;
constexpr size_t kSweepSteps = 1'000;
constexpr int kAcceptsATurn = 64;

std::string PeerName(const Connection& connection) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(connection.fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return "unknown";
  if (address.ss_family == AF_INET6) {
    return net::PeerAddress(reinterpret_cast<const sockaddr_in6&>(address)).ToString();
  }
  return net::PeerAddress(reinterpret_cast<const sockaddr_in&>(address)).ToString();
}

}  // namespace

Shard::Shard(const ShardOptions& options, Ports ports, BrokerShared* shared,
             std::unique_ptr<net::EventLoop> loop)
    : options_(options),
      shared_(*shared),
      loop_(std::move(loop)),
      log_(ports.log),
      read_buffer_(new char[kReadBytes]) {
  ports.stats = &stats_;
  ports.peer_name = PeerName;
  ports.wake = [this] { loop_->Wake(); };
  ports.auth_answer = [this](ConnectionSlot slot, uint32_t generation, auth::Decision decision) {
    {
      MutexLock lock(auth_mutex_);
      auth_answers_.push_back({slot, generation, std::move(decision)});
    }
    loop_->Wake();
  };
  core_ = std::make_unique<Core>(options_, ports, shared_.clock.Now());
}

Shard::~Shard() = default;

// Clients are let in when every shard knows the routes of every recovered session: else an early
// publish would miss one.
void Shard::Recover() {
  core_->BeginTick(shared_.clock.Now());
  core_->Recover();
  CarryOut();
  const auto stopping = [this] { return stop_.load(std::memory_order_acquire); };
  while (!stopping() && !core_->Settled())
    Turn(100);
  if (shared_.settled.fetch_add(1) + 1 == options_.count) {
    for (auto& shard : shared_.shards)
      shard->Wake();
  }
  while (!stopping() && shared_.settled.load() < options_.count)
    Turn(100);
  core_->BeginTick(shared_.clock.Now());
  core_->FinishRecovery();
  CarryOut();
}

void Shard::Run() {
  Recover();
  WatchListeners(true);
  while (!stop_.load(std::memory_order_acquire)) {
    int timeout_ms = 0;
    if (!more_work_) {
      const TimeMs now = shared_.clock.Now();
      const TimeMs wake = std::min({core_->NextWake(), listen_again_at_, next_sweep_});
      timeout_ms = static_cast<int>(std::clamp<TimeMs>(wake - now, 0, 1'000));
    }
    Turn(timeout_ms);
  }
  Stop();
}

void Shard::Turn(int timeout_ms) {
  const auto events = loop_->Wait(timeout_ms);
  core_->BeginTick(shared_.clock.Now());
  HandleEvents(events);
  TakeMail();
  TakeAuthAnswers();
  core_->OnStore();
  const TimeMs now = core_->state().now;
  if (now >= listen_again_at_) WatchListeners(true);
  core_->Tick();
  more_work_ = false;
  if (options_.id == 0 && now >= next_sweep_) {
    core_->state().ports.retained->Sweep(now, kSweepSteps);
    next_sweep_ = now + kSweepEveryMs;
  } else if (options_.id != 0) {
    next_sweep_ = kNever;
  }
  CarryOut();
  more_work_ |= core_->more_work();
}

void Shard::HandleEvents(std::span<const net::EventLoop::Event> events) {
  for (const net::EventLoop::Event& event : events) {
    if ((event.tag & kListenerTag) != 0) {
      AcceptFrom(static_cast<uint16_t>(event.tag & UINT16_MAX));
      continue;
    }
    Connection* connection =
        core_->state().connections.Find(static_cast<ConnectionSlot>(event.tag & UINT32_MAX),
                                        static_cast<uint32_t>(event.tag >> 32));
    if (connection == nullptr) continue;  // closed earlier in this turn
    if ((event.events & EPOLLOUT) != 0) core_->state().MarkDirty(*connection);
    // A hang-up is reported whether asked for or not: nothing can be answered any more, so the rest
    // is not read.
    if (connection->read_paused && (event.events & (EPOLLHUP | EPOLLERR)) != 0) {
      TransportGone(*connection);
    } else if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
      ReadFrom(*connection);
    }
  }
}

void Shard::AcceptFrom(uint16_t listener) {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    net::AcceptResult accepted = shared_.listeners[listener].Accept();
    if (accepted.status == net::AcceptResult::Status::kNone) return;
    if (accepted.status == net::AcceptResult::Status::kRetry) continue;
    if (accepted.status == net::AcceptResult::Status::kExhausted) {
      log_->Log(LogLevel::kError, "listener.exhausted",
                {{"listener", options_.listeners[listener].name},
                 {"error", net::ErrnoText(accepted.error)}});
      WatchListeners(false);
      listen_again_at_ = core_->state().now + kListenPauseMs;
      return;
    }
    if (!Admit(listener)) {
      stats_.connections_refused.Add();
      continue;  // the descriptor closes
    }
    stats_.connections_accepted.Add();
    Connection& connection = core_->Accept(accepted.fd.Release(), listener, core_->state().now);
    if (!loop_->Add(connection.fd, EPOLLIN, Tag(connection))) CloseDescriptor(connection);
  }
}

bool Shard::Admit(uint16_t listener) {
  std::atomic<uint32_t>& here = shared_.listener_connections[listener];
  const bool node_full = shared_.connections.fetch_add(1, std::memory_order_relaxed) >=
                         options_.limits.max_connections;
  const bool listener_full =
      here.fetch_add(1, std::memory_order_relaxed) >= options_.listeners[listener].max_connections;
  if (!node_full && !listener_full) return true;
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  here.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void Shard::Adopt(std::unique_ptr<MovedConnection> moved) {
  Connection& connection = core_->Accept(moved->fd, moved->listener, moved->accepted_at);
  if (!loop_->Add(connection.fd, EPOLLIN, Tag(connection))) return CloseDescriptor(connection);
  core_->Receive(connection, moved->unread);
}

void Shard::WatchListeners(bool on) {
  if (on == listening_) return;
  listening_ = on;
  listen_again_at_ = kNever;
  for (size_t i = 0; i < shared_.listeners.size(); ++i) {
    const int fd = shared_.listeners[i].fd();
    if (!on) {
      loop_->Remove(fd);
    } else if (!loop_->Add(fd, EPOLLIN | EPOLLEXCLUSIVE, kListenerTag | i)) {
      log_->Log(LogLevel::kError, "listener.unwatched", {{"listener", options_.listeners[i].name}});
    }
  }
}

void Shard::ReadFrom(Connection& connection) {
  size_t left = std::max<size_t>(options_.limits.read_slice_bytes, 1);
  while (!connection.read_paused && left > 0) {
    const size_t wanted = std::min(left, kReadBytes);
    const net::IoResult got = net::Read(connection.fd, read_buffer_.get(), wanted);
    if (got.status == net::IoStatus::kWouldBlock) return;
    if (got.status != net::IoStatus::kOk) return TransportGone(connection);
    core_->Receive(connection, {read_buffer_.get(), got.bytes});
    if (got.bytes < wanted || connection.state == Connection::State::kMoved) return;
    left -= got.bytes;
  }
}

void Shard::TransportGone(Connection& connection) {
  core_->OnTransportClosed(connection);
  core_->state().MarkDirty(connection);
}

void Shard::TakeMail() {
  MailBatch batch;
  for (ShardId from = 0; from < options_.count; ++from) {
    if (from == options_.id) continue;
    ShardMailbox& box = *shared_.mailboxes[from][options_.id];
    // Bounded: what is pushed meanwhile waits for the next turn.
    for (size_t i = 0; i < ShardMailbox::kDefaultCapacity && box.Pop(&batch); ++i) {
      for (Mail& mail : batch) {
        if (auto* moved = std::get_if<std::unique_ptr<MovedConnection>>(&mail)) {
          Adopt(std::move(*moved));
        } else {
          core_->OnMail(from, std::move(mail));
        }
      }
      batch.clear();
    }
  }
}

void Shard::TakeAuthAnswers() {
  std::vector<AuthAnswerEntry> answers;
  {
    MutexLock lock(auth_mutex_);
    std::swap(answers, auth_answers_);
  }
  for (AuthAnswerEntry& answer : answers)
    core_->OnAuthDecision(answer.slot, answer.generation, answer.decision);
}

}  // namespace skein::shard
