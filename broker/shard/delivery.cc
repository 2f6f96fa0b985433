// The dispatcher's last part: one message, one session.
#include <algorithm>
#include <utility>

#include "broker/shard/dispatcher.h"
#include "broker/shard/tracing.h"

namespace skein::shard {

using session::Delivery;
using session::Outbound;
using session::QueueResult;
using session::Session;

Connection* Dispatcher::ServingConnection(const Session& session) {
  if (!session.connected()) return nullptr;
  Connection& connection = state_.connections[session.connection];
  return connection.state == Connection::State::kServing ? &connection : nullptr;
}

void Dispatcher::Offer(Session& session, const mqtt::MessagePtr& message, Qos subscription_qos,
                       bool retain, std::span<const uint32_t> ids, ImageCache* images, Gate* gate) {
  if (!access_.MayReceive(session, message->topic()))
    return Drop(DropReason::kNotAuthorized, session, *message);
  if (!state_.leaving.empty() && session.recorded() &&
      state_.leaving.contains(session.key.partition)) {
    if (gate != nullptr) gate->refused = true;
    return Drop(DropReason::kPeerDown, session, *message);
  }
  if (special_ != nullptr && !Admits(session, gate)) return;
  const Qos qos = std::min(message->qos(), subscription_qos);
  Connection* connection = ServingConnection(session);
  if (qos == Qos::kAtMostOnce) {
    if (connection == nullptr) return Drop(DropReason::kOffline, session, *message);
    if (!sender_.HasRoom(*connection)) {
      state_.stats.Hit(LimitHit::kMaxOutputBytes);
      return Drop(DropReason::kOutputFull, session, *message);
    }
    const auto result =
        sender_.SendPublish(*connection, {message, qos, retain, false, 0, ids}, images);
    if (result == Sender::SendResult::kTooLarge)
      Drop(DropReason::kPacketTooLarge, session, *message);
    return;
  }
  if (!session.connected() && !session.durable()) return;
  Delivery delivery;
  delivery.message = message;
  delivery.ids = session::SubscriptionIds(ids);
  delivery.qos = qos;
  delivery.retain = retain;
  delivery.cost = static_cast<uint32_t>(message->cost());
  if (via_ != nullptr) delivery.share = *via_;
  const bool at_once = connection != nullptr && sender_.HasRoom(*connection) &&
                       !session.has_queued() &&
                       session.outbound().WindowOpen(connection->receive_maximum);
  if (!at_once) {
    if (connection != nullptr) NoteWhyQueued(session, *connection);
    return QueueOrDrop(session, std::move(delivery), gate);
  }
  if (TooLarge(*connection, delivery)) return Drop(DropReason::kPacketTooLarge, session, *message);
  SendInFlight(session, *connection, std::move(delivery), images, gate);
}

// What comes behind other messages waits for the same reason as they do.
void Dispatcher::NoteWhyQueued(const Session& session, const Connection& connection) {
  if (!sender_.HasRoom(connection)) {
    state_.stats.Hit(LimitHit::kMaxOutputBytes);
  } else if (!session.has_queued()) {
    state_.stats.Hit(LimitHit::kMaxInflight);
  }
}

void Dispatcher::SendInFlight(Session& session, Connection& connection, Delivery delivery,
                              ImageCache* images, Gate* gate) {
  const bool queued = delivery.sequence != 0;  // and so recorded before
  if (session.recorded() && !queued) {
    if (!MayRecord(gate)) {
      if (state_.tracer.on()) [[unlikely]]
        TraceDrop(state_, DropReason::kDiskFull, session, *delivery.message);
      return;
    }
    delivery.sequence = session.NextSequence();
  }
  Outbound::InFlight& sent = session.outbound().Send(std::move(delivery));
  Delivery& d = sent.delivery;
  if (session.recorded()) {
    session::Lsn lsn;
    if (queued) {
      lsn = state_.Record(session, session::Sent{d.sequence, sent.id}, nullptr);
    } else {
      lsn = d.lsn = state_.Record(
          session,
          session::Enqueued{d.sequence, d.message, d.ids.view(), d.qos, d.retain, sent.id, d.share},
          gate);
    }
    // What follows such a message waits behind it, so that order holds.
    if (d.qos == Qos::kExactlyOnce || connection.waiting_sends > 0) {
      ++connection.waiting_sends;
      waiting_sends_.push_back({lsn, SessionRef{session.slot(), session.token()}, connection.slot,
                                connection.generation, sent.id});
      return;
    }
  }
  sender_.SendPublish(connection, {d.message, d.qos, d.retain, false, sent.id, d.ids.view()},
                      images);
}

void Dispatcher::SendWaiting(const WaitingSend& waiting) {
  Session* session = state_.sessions.Find(waiting.session);
  if (session == nullptr || session->connection != waiting.slot) return;
  Connection& connection = state_.connections[waiting.slot];
  // On a newer connection it is sent with what else is in flight.
  if (connection.generation != waiting.generation || !connection.open()) return;
  --connection.waiting_sends;
  const Outbound::InFlight* sent = session->outbound().Find(waiting.packet_id);
  if (sent == nullptr || sent->state != Outbound::State::kPublished) return;
  const Delivery& d = sent->delivery;
  sender_.SendPublish(connection, {d.message, d.qos, d.retain, false, sent->id, d.ids.view()},
                      nullptr);
}

bool Dispatcher::TooLarge(const Connection& connection, const Delivery& delivery) const {
  if (connection.maximum_packet_size == UINT32_MAX) return false;
  mqtt::PublishShape shape;
  shape.version = connection.version;
  shape.qos = delivery.qos;
  shape.subscription_identifiers = delivery.ids.view();
  if (delivery.message->has_expiry()) shape.expiry_left = 1;
  return MeasurePublish(*delivery.message, shape).total > connection.maximum_packet_size;
}

bool Dispatcher::MayRecord(Gate* gate) {
  if (!state_.ports.store->full()) return true;
  Drop(DropReason::kDiskFull);
  state_.stats.Hit(LimitHit::kReserveBytes);
  if (gate != nullptr) gate->refused = true;
  return false;
}

bool Dispatcher::MakeRoom(Session& session, const Delivery& delivery) {
  static const Outbound kEmpty;
  const session::StoredQueue& stored = session.stored;
  const Limits& limits = state_.limits;
  // More than a few only go when a large message takes the place of small ones.
  for (int dropped = 0; dropped < 64; ++dropped) {
    const Outbound* outbound = session.outbound_if_any();
    if (outbound == nullptr) outbound = &kEmpty;
    session::QueueBounds bounds;
    bounds.messages =
        static_cast<uint32_t>(limits.max_queued_messages -
                              std::min<uint64_t>(stored.messages, limits.max_queued_messages));
    bounds.bytes = limits.max_queued_bytes - std::min(stored.bytes, limits.max_queued_bytes);
    const QueueResult room = outbound->Room(*delivery.message, bounds, state_.budget);
    if (room == QueueResult::kQueued) return true;
    const DropReason reason = room == QueueResult::kFull        ? DropReason::kQueueFull
                              : room == QueueResult::kFullBytes ? DropReason::kQueueBytes
                                                                : DropReason::kTotalQueueBytes;
    state_.stats.Hit(room == QueueResult::kFull        ? LimitHit::kMaxQueuedMessages
                     : room == QueueResult::kFullBytes ? LimitHit::kMaxQueuedBytes
                                                       : LimitHit::kMaxTotalQueuedBytes);
    if (limits.queue_drop == QueueDrop::kNewest || room == QueueResult::kFullTotal) {
      Drop(reason, session, *delivery.message);
      return false;
    }
    Drop(reason);
    if (!stored_.DropOldest(&session)) return false;
  }
  return false;
}

void Dispatcher::QueueOrDrop(Session& session, Delivery delivery, Gate* gate) {
  if (!MakeRoom(session, delivery)) return;
  if (session.recorded() && !MayRecord(gate)) {
    if (state_.tracer.on()) [[unlikely]]
      TraceDrop(state_, DropReason::kDiskFull, session, *delivery.message);
    return;
  }
  if (state_.tracer.on()) [[unlikely]]
    TraceQueued(session, *delivery.message);
  if (!session.recorded()) return session.outbound().Enqueue(std::move(delivery), &state_.budget);
  delivery.sequence = session.NextSequence();
  delivery.lsn =
      state_.Record(session,
                    session::Enqueued{delivery.sequence, delivery.message, delivery.ids.view(),
                                      delivery.qos, delivery.retain, 0, delivery.share},
                    gate);
  if (stored_.MustStore(session)) {
    stored_.Add(&session, delivery, delivery.lsn);
  } else {
    session.outbound().Enqueue(std::move(delivery), &state_.budget);
  }
}

void Dispatcher::OnPage(session::QueuePage* page) {
  if (Session* session = stored_.Take(page)) Pump(*session);
}

void Dispatcher::Pump(Session& session) {
  Connection* connection = ServingConnection(session);
  if (connection == nullptr) return;
  stored_.Fetch(&session);
  Outbound* outbound = session.outbound_if_any();
  if (outbound == nullptr) return;
  while (sender_.HasRoom(*connection)) {
    Outbound::InFlight* sent = outbound->NextToResend(connection->receive_maximum);
    if (sent == nullptr) break;
    Resend(session, *connection, sent);
  }
  while (!outbound->queue_empty() && outbound->WindowOpen(connection->receive_maximum) &&
         sender_.HasRoom(*connection)) {
    Delivery delivery = outbound->TakeFront(&state_.budget);
    const bool expired = delivery.message->expired(state_.now);
    const bool allowed = access_.MayReceive(session, delivery.message->topic());
    if (expired || !allowed || TooLarge(*connection, delivery)) {
      const DropReason reason = expired    ? DropReason::kExpired
                                : !allowed ? DropReason::kNotAuthorized
                                           : DropReason::kPacketTooLarge;
      Drop(reason, session, *delivery.message);
      state_.RecordFinished(session, {delivery.sequence, delivery.lsn, delivery.cost});
      continue;
    }
    SendInFlight(session, *connection, std::move(delivery), nullptr, nullptr);
  }
  stored_.Fetch(&session);
}

void Dispatcher::Resend(Session& session, Connection& connection, Outbound::InFlight* sent) {
  if (sent->state == Outbound::State::kReleased) {
    sender_.SendAck(connection, mqtt::PacketType::kPubrel, sent->id, mqtt::ReasonCode::kSuccess);
    return;
  }
  // The id is in use until the client acknowledges it, so what has expired meanwhile is sent all
  // the same.
  const Delivery& d = sent->delivery;
  const auto result = sender_.SendPublish(
      connection, {d.message, d.qos, d.retain, true, sent->id, d.ids.view()}, nullptr);
  if (result == Sender::SendResult::kSent) return;
  Drop(DropReason::kPacketTooLarge, session, *d.message);
  state_.RecordFinished(session, session.outbound().Discard(sent));
}

void Dispatcher::OnPublishDone(uint64_t token, bool refused) {
  if ((token & kGivenBit) != 0) return given_.push_back({token, refused});
  const auto found = pending_.find(token);
  if (found == pending_.end()) return;
  Pending& pending = found->second;
  pending.refused |= refused;
  if (pending.ticket.queue != 0) {
    const Outbox::Ticket ticket = pending.ticket;
    pending_.erase(found);
    return outbox_.OnAnswer(ticket, refused);
  }
  if (pending.chain.token != 0) {
    if (--pending.remaining > 0) return;
    const Pending done = pending;
    pending_.erase(found);
    return Answer(done.chain.origin, done.chain.token, 0, done.refused);
  }
  Connection* connection = state_.connections.Find(pending.slot, pending.generation);
  if (connection != nullptr && connection->held != nullptr) {
    connection->held->DestinationDone(pending.ordinal, refused);
    if (!connection->waiting) {
      connection->waiting = true;
      state_.waiting.push_back(connection->slot);
    }
  }
  if (--pending.remaining > 0) return;
  const Pending done = pending;
  pending_.erase(found);
  if (!notify_.empty()) {
    if (const auto notify = notify_.find(token); notify != notify_.end()) {
      const auto tell = std::move(notify->second);
      notify_.erase(notify);
      tell(done.refused);
    }
  }
  session::Session* const publisher =
      done.packet_id == 0 ? nullptr : state_.sessions.Find(done.publisher);
  if (publisher == nullptr) return;
  if (!done.refused) {
    publisher->inbound().Arrived(done.packet_id);
  } else {
    publisher->inbound().Unsettle(done.packet_id, done.once);
  }
}

void Dispatcher::Settle(uint64_t token, SessionRef publisher, PacketId packet_id, bool refused) {
  Pending& pending = pending_[token];
  pending.publisher = publisher;
  pending.packet_id = packet_id;
  pending.refused |= refused;
}

std::optional<Gate> Dispatcher::WaitFor(uint64_t token, const Connection& connection) const {
  const auto found = pending_.find(token);
  Gate gate;
  if (found == pending_.end()) return gate;
  const Pending& pending = found->second;
  if (pending.slot == connection.slot && pending.generation == connection.generation)
    return std::nullopt;
  gate.destinations = pending.remaining;
  gate.refused = pending.refused;
  return gate;
}

}  // namespace skein::shard
