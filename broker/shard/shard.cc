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

}  // namespace

net::PeerAddress Shard::PeerOfDescriptor(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return net::PeerAddress();
  if (address.ss_family == AF_INET6)
    return net::PeerAddress(reinterpret_cast<const sockaddr_in6&>(address));
  return net::PeerAddress(reinterpret_cast<const sockaddr_in&>(address));
}

Shard::Shard(const ShardOptions& options, Ports ports, BrokerShared* shared,
             std::unique_ptr<net::EventLoop> loop)
    : options_(options),
      shared_(*shared),
      loop_(std::move(loop)),
      log_(ports.log),
      read_buffer_(new char[kReadBytes]) {
  ports.stats = &stats_;
  ports.peer = [this](const Connection& connection) { return PeerOf(connection); };
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

void Shard::SetRules(std::shared_ptr<const auth::AccessRules> rules) {
  {
    MutexLock lock(auth_mutex_);
    new_rules_ = std::move(rules);
    has_new_rules_ = true;
    rules_waiting_.store(true);
  }
  loop_->Wake();
}

void Shard::PublishOwn(std::vector<OwnMessage> messages) {
  {
    MutexLock lock(auth_mutex_);
    own_messages_ = std::move(messages);
    own_waiting_.store(true, std::memory_order_relaxed);
  }
  loop_->Wake();
}

void Shard::PublishOwnWaiting() {
  std::vector<OwnMessage> own;
  {
    MutexLock lock(auth_mutex_);
    std::swap(own, own_messages_);
    own_waiting_.store(false, std::memory_order_relaxed);
  }
  for (const OwnMessage& message : own)
    core_->PublishOwn(message);
}

Peer Shard::PeerOf(const Connection& connection) const {
  const net::Transport* const transport = TransportOf(connection);
  const net::PeerAddress* const told = transport == nullptr ? nullptr : transport->peer();
  const net::PeerAddress address = told == nullptr ? PeerOfDescriptor(connection.fd) : *told;
  Peer peer{address.ToString(), address.AddressText(), nullptr};
  if (transport != nullptr) peer.certificate = transport->certificate();
  return peer;
}

// Clients are let in when every shard knows the routes of every recovered session: else an early
// publish would miss one.
void Shard::Recover() {
  core_->BeginTick(shared_.clock.Now());
  TakeAuthAnswers();  // the rules, before any will
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
  recovered_ = true;  // what peers are told from now on is complete
  peers_waiting_.store(true, std::memory_order_release);
  AwaitPeers();
  core_->BeginTick(shared_.clock.Now());
  core_->FinishRecovery();
  CarryOut();
  // A client that another shard lets in and sends here must not meet a session whose last
  // connection has not been seen off.
  if (shared_.finished.fetch_add(1) + 1 == options_.count) {
    for (auto& shard : shared_.shards)
      shard->Wake();
  }
  while (!stopping() && shared_.finished.load() < options_.count)
    Turn(100);
}

// Whoever connects before the other nodes' routes are known would publish past their subscribers,
// and so would a will.
void Shard::AwaitPeers() {
  const TimeMs deadline = shared_.clock.Now() + options_.join_timeout_ms;
  while (!stop_.load(std::memory_order_acquire) && !core_->view().Joined()) {
    const TimeMs left = deadline - shared_.clock.Now();
    if (left <= 0) return;
    Turn(static_cast<int>(std::min<TimeMs>(left, 100)));
  }
}

void Shard::Run() {
  Recover();
  ServeRelays();
  WatchListeners(true);
  shared_.serving.fetch_add(1);
  turn_ended_ = shared_.clock.NowMicros();
  while (!stop_.load(std::memory_order_acquire)) {
    int timeout_ms = 0;
    if (!more_work_) {
      const TimeMs now = turn_ended_ / 1'000;
      const TimeMs wake = std::min({core_->NextWake(), listen_again_at_, next_sweep_});
      timeout_ms = static_cast<int>(std::clamp<TimeMs>(wake - now, 0, 1'000));
    }
    Turn(timeout_ms);
  }
  Stop();
}

void Shard::Turn(int timeout_ms) {
  const auto events = loop_->Wait(timeout_ms);
  const int64_t began = shared_.clock.NowMicros();
  core_->BeginTurn(began);
  HandleEvents(events);
  ReadAgain();
  TakeMail();
  if (recovered_) TakePeers();
  TakeAuthAnswers();
  core_->OnStore();
  const TimeMs now = core_->state().now;
  if (now >= listen_again_at_) WatchListeners(true);
  more_work_ = AnswerQuestions();
  core_->Tick();
  if (options_.id == 0 && now >= next_sweep_) {
    core_->state().ports.retained->Sweep(now, kSweepSteps);
    next_sweep_ = now + kSweepEveryMs;
  } else if (options_.id != 0) {
    next_sweep_ = kNever;
  }
  CarryOut();
  more_work_ |= core_->more_work() || !read_again_.empty();
  EndTurn(began);
}

void Shard::EndTurn(int64_t began) {
  turn_ended_ = shared_.clock.NowMicros();
  const int64_t took = turn_ended_ - began;
  overloaded_ = took > int64_t{options_.limits.max_loop_lag_ms} * 1'000;
  stats_.loop_lag.Observe(static_cast<uint64_t>(took));
  stats_.heartbeat.Set(turn_ended_);
  ShardState& state = core_->state();
  if (state.timed.empty()) return;
  state.timed.Flush(turn_ended_, [this](uint8_t kind) -> LatencyHistogram& {
    return kind < ShardState::kSentOf ? stats_.publish_ack[kind]
                                      : stats_.publish_deliver[kind - ShardState::kSentOf];
  });
}

void Shard::HandleEvents(std::span<const net::EventLoop::Event> events) {
  for (const net::EventLoop::Event& event : events) {
    if ((event.tag & kListenerTag) != 0) {
      AcceptFrom(static_cast<uint16_t>(event.tag & UINT16_MAX));
      continue;
    }
    if (HandleRelayEvent(event)) continue;
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
    if (const Refusal refusal = Admit(listener, accepted.peer)) {
      core_->state().events.Add(core_->state().now, EventKind::kRefused, {},
                                options_.listeners[listener].name, accepted.peer.ToString(),
                                refusal.why);
      Shed(listener, refusal);
      continue;  // the descriptor closes
    }
    stats_.connections_accepted.Add();
    stats_.listeners[listener].accepted.Add();
    const int fd = accepted.fd.Release();
    const MakeTransport& make = shared_.make_transport[listener];
    Open(fd, make ? make(fd) : nullptr, listener, core_->state().now);
  }
}

Connection& Shard::Open(int fd, std::unique_ptr<net::Transport> transport, uint16_t listener,
                        TimeMs accepted_at, std::string_view assigned_id) {
  Connection& connection = core_->Accept(fd, listener, accepted_at, assigned_id);
  connection.handshaking = true;
  if (transport != nullptr) {
    if (transports_.size() <= connection.slot) transports_.resize(connection.slot + 1);
    transports_[connection.slot] = std::move(transport);
  }
  if (!loop_->Add(connection.fd, EPOLLIN, Tag(connection))) CloseDescriptor(connection);
  return connection;
}

// One line a second at most.
void Shard::LogShed(uint16_t listener, const char* why) {
  ++shed_;
  if (core_->state().now - shed_logged_at_ < 1'000) return;
  shed_logged_at_ = core_->state().now;
  log_->Log(
      LogLevel::kWarn, "listener.refusing",
      {{"listener", options_.listeners[listener].name}, {"why", why}, {"connections", shed_}});
  shed_ = 0;
}

void Shard::Shed(uint16_t listener, const Refusal& refusal) {
  stats_.connections_refused.Add();
  stats_.listeners[listener].shed.Add(refusal.reason);
  if (refusal.reason == ShedReason::kOverloaded) stats_.Hit(LimitHit::kMaxLoopLag);
  if (refusal.reason == ShedReason::kMaxConnections) stats_.Hit(LimitHit::kMaxConnections);
  LogShed(listener, refusal.why);
}

Refusal Shard::Admit(uint16_t listener, const net::PeerAddress& peer) {
  if (retired_) return {"the node is drained", ShedReason::kDrained};
  if (overloaded_)
    return {"the node is overloaded (limits.max_loop_lag_ms)", ShedReason::kOverloaded};
  if (shared_.gatekeeper != nullptr) {
    const Refusal refusal = shared_.gatekeeper->Refuse(listener, peer, core_->state().now);
    if (refusal) return refusal;
  }
  std::atomic<uint32_t>& here = shared_.listener_connections[listener];
  std::atomic<uint32_t>& handshakes = shared_.listener_handshakes[listener];
  const ListenerInfo& info = options_.listeners[listener];
  constexpr auto kRelaxed = std::memory_order_relaxed;
  Refusal refusal;
  if (shared_.connections.fetch_add(1, kRelaxed) >= options_.limits.max_connections)
    refusal = {"limits.max_connections", ShedReason::kMaxConnections};
  if (here.fetch_add(1, kRelaxed) >= info.max_connections)
    refusal = {"the listener's max_connections", ShedReason::kListenerMaximum};
  if (handshakes.fetch_add(1, kRelaxed) >= info.max_handshakes)
    refusal = {"the listener's max_handshakes", ShedReason::kMaxHandshakes};
  if (!refusal) return refusal;
  shared_.connections.fetch_sub(1, kRelaxed);
  here.fetch_sub(1, kRelaxed);
  handshakes.fetch_sub(1, kRelaxed);
  return refusal;
}

void Shard::Adopt(std::unique_ptr<MovedConnection> moved) {
  Connection& connection = Open(moved->fd, std::move(moved->transport), moved->listener,
                                moved->accepted_at, moved->assigned_id);
  if (connection.state == Connection::State::kFree) return;
  const net::Transport* const transport = TransportOf(connection);
  core_->Receive(connection, moved->unread);
  if (transport == nullptr) return;
  if (transport->has_input()) {
    connection.read_again = true;
    read_again_.push_back({connection.slot, connection.generation});
  }
  core_->state().MarkDirty(connection);  // it may have something to write
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
  // When a message came is compared with what other nodes' clocks say of subscriptions: the turn's
  // beginning is too coarse for that.
  if (core_->state().clustered()) core_->SetNow(shared_.clock.NowMicros());
  size_t left = std::max<size_t>(options_.limits.read_slice_bytes, 1);
  net::Transport* const transport = TransportOf(connection);
  const uint32_t generation = connection.generation;
  while (!connection.read_paused && left > 0) {
    if (!ReadOnce(connection, transport, std::min(left, kReadBytes), &left)) break;
  }
  if (transport == nullptr || connection.generation != generation) return;
  if (connection.state == Connection::State::kDead || connection.state == Connection::State::kMoved)
    return;
  if (transport->wants_write() != connection.write_armed) core_->state().MarkDirty(connection);
  if (!transport->has_input() || connection.read_again) return;
  connection.read_again = true;
  read_again_.push_back({connection.slot, connection.generation});
}

bool Shard::ReadOnce(Connection& connection, net::Transport* transport, size_t wanted,
                     size_t* left) {
  const net::IoResult got = transport == nullptr
                                ? net::Read(connection.fd, read_buffer_.get(), wanted)
                                : transport->Read(read_buffer_.get(), wanted);
  if (got.status == net::IoStatus::kWouldBlock) return false;
  if (got.status != net::IoStatus::kOk) {
    TransportFailed(connection, got);
    return false;
  }
  core_->Receive(connection, {read_buffer_.get(), got.bytes});
  if (connection.state == Connection::State::kMoved) return false;
  if (transport == nullptr && got.bytes < wanted) return false;
  *left -= got.bytes;
  return true;
}

// What no event announces: input that a transport holds, when its turn was over or its reader
// paused.
void Shard::ReadAgain() {
  const std::vector<SlotAndGeneration> waiting = std::exchange(read_again_, {});
  for (const SlotAndGeneration& entry : waiting) {
    Connection* connection = core_->state().connections.Find(entry.slot, entry.generation);
    if (connection == nullptr) continue;
    connection->read_again = false;
    if (!connection->read_paused) ReadFrom(*connection);
  }
}

void Shard::TransportFailed(Connection& connection, const net::IoResult& result) {
  if (result.status == net::IoStatus::kError) LogTransportFailure(connection);
  const net::Transport* const transport = TransportOf(connection);
  const bool failed = transport != nullptr && !transport->failure().empty();
  TransportGone(connection, failed ? EndReason::kTransportError : EndReason::kClosed);
}

// A peer that broke the rules of its transport.
void Shard::LogTransportFailure(const Connection& connection) {
  const net::Transport* const transport = TransportOf(connection);
  if (transport == nullptr || transport->failure().empty()) return;
  stats_.transport_failures.Add();
  if (connection.session == kNoSession) {
    core_->state().events.Add(core_->state().now, EventKind::kRefused, {},
                              options_.listeners[connection.listener].name, PeerOf(connection).name,
                              transport->failure());
  }
  log_->Log(LogLevel::kInfo, "client.refused",
            {{"peer", PeerOf(connection).name},
             {"listener", options_.listeners[connection.listener].name},
             {"rule", transport->failure()}});
}

void Shard::TransportGone(Connection& connection, EndReason why) {
  core_->OnTransportClosed(connection, why);
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
  if (own_waiting_.load(std::memory_order_relaxed)) PublishOwnWaiting();
  {
    MutexLock lock(auth_mutex_);
    std::swap(answers, auth_answers_);
    if (has_new_rules_) {
      has_new_rules_ = false;
      core_->SetRules(std::move(new_rules_));
      rules_waiting_.store(false);
      rules_waiting_.notify_all();
    }
  }
  for (AuthAnswerEntry& answer : answers)
    core_->OnAuthDecision(answer.slot, answer.generation, answer.decision);
}

}  // namespace skein::shard
