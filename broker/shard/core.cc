#include "broker/shard/core.h"

#include <algorithm>
#include <utility>

namespace skein::shard {

using mqtt::PacketType;
using mqtt::ReasonCode;

Core::Core(const ShardOptions& options, const Ports& ports, TimeMs now)
    : state_(options, ports, now),
      access_(&state_),
      sender_(&state_),
      stored_(&state_),
      feed_(&state_),
      once_book_(&state_),
      dispatcher_(&state_, &access_, &sender_, &stored_, &feed_, &once_book_),
      promises_(&state_, &sender_, &dispatcher_),
      redispatch_(&state_, &dispatcher_, &stored_),
      lifecycle_(&state_, &access_, &sender_, &dispatcher_, &promises_, &stored_, &redispatch_),
      replay_(&state_, &sender_, &dispatcher_),
      connect_handler_(&state_, &access_, &sender_, &lifecycle_),
      packet_handler_(&state_, &access_, &sender_, &dispatcher_, &promises_, &lifecycle_, &replay_),
      mover_(&state_, &dispatcher_, &lifecycle_, &once_book_),
      desk_(&state_, &dispatcher_, &lifecycle_),
      check_(&state_),
      view_(&state_, &feed_, &dispatcher_, &lifecycle_, &mover_, &check_) {
  view_.Begin();
}

Core::~Core() {
  for (ConnectionSlot slot = 0; slot < state_.connections.slots(); ++slot) {
    state_.connections[slot].out.Clear(state_.chunks);
    state_.wheel.Cancel(&state_.connections[slot].timer);
  }
  state_.sessions.ForEach([&](session::Session& session) {
    state_.wheel.Cancel(&session.timer());
    session.DropOutbound(&state_.budget);
  });
}

void Core::Recover() {
  state_.ports.store->Recover([this](const session::SessionImage& image) {
    if (redispatch_.Restore(image)) return;
    if (OnceBook::IsBook(image)) {
      once_book_.Restore(image);
    } else if (Outbox::IsQueue(image)) {
      dispatcher_.outbox().Restore(image);
    } else if (state_.IsMine(image.key.partition)) {
      lifecycle_.Restore(image);
    } else {
      mover_.Park(image);
    }
  });
  once_book_.Load();
}

Connection& Core::Accept(int fd, uint16_t listener, TimeMs accepted_at,
                         std::string_view assigned_id) {
  Connection& connection = state_.connections.Open();
  connection.fd = fd;
  connection.listener = listener;
  connection.last_activity = state_.now;
  if (!assigned_id.empty()) {
    connection.auth = std::make_unique<AuthState>();
    connection.auth->assigned_id = assigned_id;
  }
  state_.wheel.Schedule(&connection.timer, accepted_at + state_.limits.connect_timeout_ms);
  return connection;
}

void Core::Receive(Connection& connection, std::string_view bytes) {
  if (!connection.open()) return;
  connection.last_activity = state_.now;
  if (connection.read_paused || !connection.partial.empty()) {
    Keep(connection, bytes);
    ProcessKept(connection);
  } else {
    const size_t done = Process(connection, bytes);
    if (connection.open() && done < bytes.size()) Keep(connection, bytes.substr(done));
  }
  // What moves on counts where it goes.
  if (connection.state != Connection::State::kMoved) state_.stats.bytes_in.Add(bytes.size());
}

void Core::Keep(Connection& connection, std::string_view rest) {
  connection.partial.append(rest);
}

void Core::ProcessKept(Connection& connection) {
  if (connection.read_paused || connection.partial.size() < connection.partial_size) return;
  // Moved out while it is handled, since a handler may end the connection.
  std::string kept = std::exchange(connection.partial, {});
  const size_t done = Process(connection, kept);
  if (!connection.open() || done == kept.size()) return;
  if (done > 0) {
    connection.partial.assign(kept, done);
  } else {
    connection.partial = std::move(kept);
  }
}

size_t Core::Process(Connection& connection, std::string_view bytes) {
  size_t done = 0;
  connection.partial_size = 0;
  while (done < bytes.size()) {
    if (MustPause(connection)) {
      Pause(connection);
      break;
    }
    const std::string_view rest = bytes.substr(done);
    const bool stranger = connection.state == Connection::State::kAwaitConnect ||
                          connection.state == Connection::State::kAuthenticating;
    const mqtt::FrameResult next = mqtt::NextFrame(
        rest, stranger ? std::min(state_.limits.max_connect_bytes, state_.limits.max_packet_size)
                       : state_.limits.max_packet_size);
    if (next.status == mqtt::FrameStatus::kNeedMore) {
      connection.partial_size = static_cast<uint32_t>(next.needed);
      break;
    }
    if (next.status == mqtt::FrameStatus::kError) {
      if (next.error.code == ReasonCode::kPacketTooLarge)
        state_.stats.Hit(stranger ? LimitHit::kMaxConnectBytes : LimitHit::kMaxPacketSize);
      lifecycle_.Close(connection, next.error.code, next.error.rule);
      break;
    }
    HandleFrame(connection, next.frame, rest);
    const bool open = connection.open();
    // What moves on counts where it goes.
    if (open || connection.state != Connection::State::kMoved)
      state_.stats.packets_in.Add(static_cast<uint8_t>(rest[0]));
    if (!open) break;
    if (connection.awaits_partition) {
      Pause(connection);
      break;
    }
    if (next.frame.type == PacketType::kPublish && !CountRates(connection, next.frame.size)) {
      lifecycle_.Close(connection, mqtt::ReasonCode::kMessageRateTooHigh,
                       "over the listener's publish_rate for longer than publish_patience");
      break;
    }
    done += next.frame.size;
  }
  return done;
}

void Core::HandleFrame(Connection& connection, const mqtt::Frame& frame, std::string_view bytes) {
  switch (connection.state) {
    case Connection::State::kAwaitConnect:
      return connect_handler_.OnFirstPacket(connection, frame, bytes);
    case Connection::State::kAuthenticating:
      return connect_handler_.OnPacketWhileAuthenticating(connection, frame);
    default:
      if (frame.type == PacketType::kAuth && connection.v5())
        return connect_handler_.OnAuth(connection, frame);
      return packet_handler_.Handle(connection, frame);
  }
}

void Core::NoteRate() {
  state_.stats.publish_rate_limited.Add();
  state_.stats.Hit(LimitHit::kPublishRate);
}

bool Core::CountRates(Connection& connection, size_t bytes) {
  const ListenerInfo& listener = state_.options.listeners[connection.listener];
  if (listener.total != nullptr) {
    if (listener.total_publish_rate > 0)
      listener.total->messages.Take(1, listener.total_publish_rate, state_.now);
    if (listener.total_publish_bytes > 0)
      listener.total->bytes.Take(bytes, listener.total_publish_bytes, state_.now);
    if (listener.total->ready_at() > state_.now) NoteRate();
  }
  if (listener.publish_rate == 0 && listener.publish_bytes == 0) return true;
  if (connection.rates == nullptr) connection.rates = std::make_unique<PublishRates>();
  PublishRates& rates = *connection.rates;
  if (rates.even_at() <= state_.now) rates.over_since = 0;
  if (listener.publish_rate > 0) rates.messages.Take(1, listener.publish_rate, state_.now);
  if (listener.publish_bytes > 0) rates.bytes.Take(bytes, listener.publish_bytes, state_.now);
  if (rates.ready_at() <= state_.now) return true;
  NoteRate();
  if (rates.over_since == 0) rates.over_since = state_.now;
  return listener.publish_patience_ms == 0 ||
         state_.now - rates.over_since < listener.publish_patience_ms;
}

TimeMs Core::PublishReadyAt(const Connection& connection) const {
  const ListenerInfo& listener = state_.options.listeners[connection.listener];
  const TimeMs all = listener.total == nullptr ? 0 : listener.total->ready_at();
  return connection.rates == nullptr ? all : std::max(all, connection.rates->ready_at());
}

bool Core::MustPause(const Connection& connection) const {
  if (connection.state == Connection::State::kAwaitConnect)
    return connection.awaits_partition && state_.frozen.contains(connection.partition);
  if (connection.auth != nullptr && connection.auth->pending) return true;
  if (PublishReadyAt(connection) > state_.now) return true;
  return mail_congested_ || dispatcher_.congested() || StoreBehind() ||
         Promises::TooMany(connection) ||
         connection.out.bytes() >= 2 * size_t{state_.limits.max_output_bytes};
}

// Few publishes can make very many records. What is being fanned out goes on: a group of records
// that is not complete holds up all that came after it.
bool Core::StoreBehind() const {
  return state_.last_lsn > state_.ports.store->durable() + state_.limits.max_waiting_records;
}

void Core::Pause(Connection& connection) {
  connection.read_paused = true;
  state_.stats.reads_paused.Add();
  if (StoreBehind()) state_.stats.Hit(LimitHit::kMaxWaitingRecords);
  NoteReady(connection);
  paused_.push_back({connection.slot, connection.generation});
  state_.MarkDirty(connection);
}

// No event tells that a client may publish again.
void Core::NoteReady(const Connection& connection) {
  const TimeMs ready = PublishReadyAt(connection);
  if (ready > state_.now) next_ready_ = std::min(next_ready_, ready);
}

bool Core::CanResume() {
  for (const SlotAndGeneration& entry : paused_) {
    const Connection* connection = state_.connections.Find(entry.slot, entry.generation);
    if (connection != nullptr && connection->open() && !MustPause(*connection)) return true;
  }
  return false;
}

void Core::ResumePaused() {
  if (paused_.empty()) return;
  const std::vector<SlotAndGeneration> paused = std::exchange(paused_, {});
  // Who has waited longest is first in line; who pauses again while it is served goes to the end.
  std::vector<SlotAndGeneration> waiting;
  next_ready_ = kNever;
  for (const SlotAndGeneration& entry : paused) {
    Connection* connection = state_.connections.Find(entry.slot, entry.generation);
    if (connection == nullptr || !connection->open() || !connection->read_paused) continue;
    if (MustPause(*connection)) {
      waiting.push_back(entry);
      NoteReady(*connection);
      continue;
    }
    connection->read_paused = false;
    state_.MarkDirty(*connection);
    ProcessKept(*connection);
  }
  paused_.insert(paused_.begin(), waiting.begin(), waiting.end());
}

void Core::OnTransportClosed(Connection& connection, EndReason why) {
  lifecycle_.OnTransportClosed(connection, why);
}

void Core::Drained(Connection& connection) {
  if (connection.state != Connection::State::kServing) return;
  session::Session& session = state_.sessions[connection.session];
  if (session.outbound_if_any() != nullptr || session.stored.messages > 0)
    dispatcher_.Pump(session);
}

void Core::Release(Connection& connection) {
  connection.out.Clear(state_.chunks);
  state_.wheel.Cancel(&connection.timer);
  state_.connections.Free(connection);
}

void Core::OnMail(ShardId from, Mail&& mail) {
  if (from >= state_.places.size() || !state_.places[from].up) return;  // of a link that is gone
  if (auto* forwarded = std::get_if<ForwardedPublish>(&mail))
    return dispatcher_.OnForwarded(from, std::move(*forwarded));
  if (auto* finished = std::get_if<PublishDone>(&mail)) {
    if (from >= state_.options.count)
      return dispatcher_.OnPeerDone(from, finished->token, finished->refused);
    return dispatcher_.OnPublishDone(finished->token, finished->refused);
  }
  if (auto* retained = std::get_if<RetainedChange>(&mail)) return feed_.OnChange(*retained);
  if (auto* digest = std::get_if<RetainedDigestMail>(&mail))
    return feed_.OnDigest(from, *digest->digest);
  view_.OnMail(from, &mail);
}

void Core::OnAuthDecision(ConnectionSlot slot, uint32_t generation,
                          const auth::Decision& decision) {
  Connection* connection = state_.connections.Find(slot, generation);
  if (connection == nullptr || !connection->open()) return;
  connect_handler_.OnDecision(*connection, decision);
}

void Core::Tick() {
  state_.wheel.Advance(state_.now, [this](TimerEntry* entry) { OnTimer(*entry); });
  more_work_ = RunDueTimers();
  more_work_ |= dispatcher_.RunJobs();
  more_work_ |= replay_.Run();
  more_work_ |= feed_.Run();
  if (!mover_.idle()) more_work_ |= mover_.Run();
  if (!redispatch_.idle()) more_work_ |= redispatch_.Run();
  if (!dispatcher_.outbox().empty()) more_work_ |= dispatcher_.RunOutbox();
  if (!state_.frozen.empty() || view_.answers_wait()) view_.Tick();
  check_.Tick();
  more_work_ |= access_.Recheck();
  CloseBanned();
  ResumePaused();
}

void Core::PublishOwn(const OwnMessage& own) {
  if (state_.ports.sys == nullptr) return;
  state_.ports.sys->Set(own.kept, state_.now);
  if (own.everywhere && state_.clustered()) feed_.Announce(own.kept);
  dispatcher_.PublishOwn(own.message, own.everywhere);
}

void Core::CloseBanned() {
  for (const SlotAndGeneration& entry : access_.TakeBanned()) {
    Connection* connection = state_.connections.Find(entry.slot, entry.generation);
    if (connection != nullptr && connection->open())
      lifecycle_.Close(*connection, mqtt::ReasonCode::kAdministrativeAction, "banned");
  }
}

void Core::Commit() {
  state_.ports.store->Commit();
  OnDurable();
}

void Core::OnStore() {
  state_.ports.store->TakePages(&pages_);
  for (session::QueuePage& page : pages_) {
    if ((page.token & Mover::kPageBit) != 0) {
      mover_.OnPage(&page);
    } else if ((page.token & Outbox::kPageBit) != 0) {
      dispatcher_.outbox().OnPage(&page);
      more_work_ = true;
    } else if ((page.token & OnceBook::kPageBit) != 0) {
      once_book_.OnPage(&page);
    } else if ((page.token & Redispatcher::kPageBit) != 0) {
      redispatch_.OnPage(&page);
    } else if ((page.token & OperatorDesk::kPageBit) != 0) {
      desk_.OnPage(&page);
    } else {
      dispatcher_.OnPage(&page);
    }
  }
  pages_.clear();
  OnDurable();
}

void Core::OnDurable() {
  dispatcher_.OnDurable(state_.ports.store->durable());
  if (!mover_.idle()) mover_.OnDurable(state_.ports.store->durable());
  promises_.ReleaseWaiting();
  std::erase_if(state_.closing, [this](const SlotAndGeneration& closing) {
    Connection* connection = state_.connections.Find(closing.slot, closing.generation);
    if (connection == nullptr) return true;
    if (connection->linger_until > state_.ports.store->durable()) return false;
    state_.MarkDirty(*connection);
    return true;
  });
  for (const SlotAndGeneration& refused : promises_.TakeRefused()) {
    Connection* connection = state_.connections.Find(refused.slot, refused.generation);
    if (connection == nullptr) continue;
    lifecycle_.Close(*connection, ReasonCode::kQuotaExceeded,
                     "the disk is nearly full and this version of MQTT cannot be told so");
  }
  if (!replay_.idle()) more_work_ |= replay_.Run();  // those that waited for their SUBACK
  more_work_ |= CanResume() || dispatcher_.has_given();
}

void Core::OnTimer(const TimerEntry& entry) {
  Due due{entry.kind(), {}, {}};
  if (entry.kind() == Connection::kTimerKind) {
    due.connection = {entry.owner(), state_.connections[entry.owner()].generation};
  } else {
    due.session = {entry.owner(), state_.sessions[entry.owner()].token()};
  }
  due_.push_back(due);
}

bool Core::RunDueTimers() {
  for (size_t left = kTimersATick; left > 0 && !due_.empty(); --left) {
    const Due due = due_.front();
    due_.pop_front();
    if (due.kind == Connection::kTimerKind) {
      Connection* connection =
          state_.connections.Find(due.connection.slot, due.connection.generation);
      // Scheduled again meanwhile (it may just have connected): that one counts.
      if (connection != nullptr && !connection->timer.scheduled()) OnConnectionTimer(*connection);
    } else if (session::Session* session = state_.sessions.Find(due.session)) {
      if (!session->timer().scheduled()) lifecycle_.OnSessionTimer(*session);
    }
  }
  return !due_.empty();
}

void Core::OnConnectionTimer(Connection& connection) {
  switch (connection.state) {
    case Connection::State::kAwaitConnect:
    case Connection::State::kAuthenticating:
      state_.stats.connect_timeouts.Add();
      state_.stats.Hit(LimitHit::kConnectTimeout);
      return lifecycle_.Close(connection, ReasonCode::kKeepAliveTimeout,
                              "no complete CONNECT within limits.connect_timeout");
    case Connection::State::kConnecting:
    case Connection::State::kServing: {
      if (connection.expires_at <= state_.now) {
        return lifecycle_.Close(connection, ReasonCode::kNotAuthorized,
                                "the credentials have expired");
      }
      if (connection.keep_alive == 0) return lifecycle_.ScheduleTimer(connection);
      const TimeMs deadline = connection.last_activity + connection.keep_alive * TimeMs{1500};
      // A client whose packets wait here for the broker's own sake has not been silent.
      if (deadline > state_.now || connection.read_paused) {
        state_.wheel.Schedule(&connection.timer, std::min(std::max(deadline, state_.now + 100),
                                                          connection.expires_at));
        return;
      }
      state_.stats.keep_alive_timeouts.Add();
      return lifecycle_.Close(connection, ReasonCode::kKeepAliveTimeout,
                              "[MQTT-3.1.2-22] silent for 1.5 times the keep alive");
    }
    case Connection::State::kLingering:
      connection.state = Connection::State::kDead;
      return state_.MarkDirty(connection);
    default:
      return;
  }
}

}  // namespace skein::shard
