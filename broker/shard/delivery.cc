// The dispatcher's last part: one message, one session.
#include <utility>

#include "broker/shard/dispatcher.h"

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
  const Qos qos = std::min(message->qos(), subscription_qos);
  Connection* connection = ServingConnection(session);
  if (qos == Qos::kAtMostOnce) {
    if (connection == nullptr) return;
    if (!sender_.HasRoom(*connection)) return Drop(DropReason::kOutputFull);
    const auto result =
        sender_.SendPublish(*connection, {message, qos, retain, false, 0, ids}, images);
    if (result == Sender::SendResult::kTooLarge) Drop(DropReason::kPacketTooLarge);
    return;
  }
  if (!session.connected() && !session.durable()) return;
  Delivery delivery;
  delivery.message = message;
  delivery.ids = session::SubscriptionIds(ids);
  delivery.qos = qos;
  delivery.retain = retain;
  const bool at_once = connection != nullptr && sender_.HasRoom(*connection) &&
                       !session.has_queued() &&
                       session.outbound().WindowOpen(connection->receive_maximum);
  if (!at_once) return QueueOrDrop(session, std::move(delivery), gate);
  if (TooLarge(*connection, delivery)) return Drop(DropReason::kPacketTooLarge);
  SendInFlight(session, *connection, std::move(delivery), images, gate);
}

void Dispatcher::SendInFlight(Session& session, Connection& connection, Delivery delivery,
                              ImageCache* images, Gate* gate) {
  if (session.recorded && delivery.sequence == 0) {
    delivery.sequence = session.NextSequence();
    state_.Record(session,
                  session::Enqueued{delivery.sequence, delivery.message, delivery.ids.view(),
                                    delivery.qos, delivery.retain},
                  gate);
  }
  Outbound::InFlight& sent = session.outbound().Send(std::move(delivery));
  const Delivery& d = sent.delivery;
  state_.Record(session, session::Sent{d.sequence, sent.id}, nullptr);
  sender_.SendPublish(connection, {d.message, d.qos, d.retain, false, sent.id, d.ids.view()},
                      images);
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

void Dispatcher::QueueOrDrop(Session& session, Delivery delivery, Gate* gate) {
  const session::QueueBounds bounds{state_.limits.max_queued_messages,
                                    state_.limits.max_queued_bytes};
  const QueueResult room = session.outbound().Room(*delivery.message, bounds, state_.budget);
  switch (room) {
    case QueueResult::kQueued:
      break;
    case QueueResult::kFull:
      return Drop(DropReason::kQueueFull);
    case QueueResult::kFullBytes:
      return Drop(DropReason::kQueueBytes);
    case QueueResult::kFullTotal:
      return Drop(DropReason::kTotalQueueBytes);
  }
  if (session.recorded) {
    delivery.sequence = session.NextSequence();
    state_.Record(session,
                  session::Enqueued{delivery.sequence, delivery.message, delivery.ids.view(),
                                    delivery.qos, delivery.retain},
                  gate);
  }
  session.outbound().Enqueue(std::move(delivery), &state_.budget);
}

void Dispatcher::Pump(Session& session) {
  Connection* connection = ServingConnection(session);
  Outbound* outbound = session.outbound_if_any();
  if (connection == nullptr || outbound == nullptr) return;
  while (sender_.HasRoom(*connection)) {
    Outbound::InFlight* sent = outbound->NextToResend(connection->receive_maximum);
    if (sent == nullptr) break;
    Resend(session, *connection, sent);
  }
  while (!outbound->queue_empty() && outbound->WindowOpen(connection->receive_maximum) &&
         sender_.HasRoom(*connection)) {
    Delivery delivery = outbound->TakeFront(&state_.budget);
    const bool expired = delivery.message->expired(state_.now);
    if (expired || TooLarge(*connection, delivery)) {
      Drop(expired ? DropReason::kExpired : DropReason::kPacketTooLarge);
      state_.Record(session, session::Completed{delivery.sequence}, nullptr);
      continue;
    }
    SendInFlight(session, *connection, std::move(delivery), nullptr, nullptr);
  }
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
  Drop(DropReason::kPacketTooLarge);
  state_.Record(session, session::Completed{session.outbound().Discard(sent)}, nullptr);
}

void Dispatcher::OnPublishDone(uint64_t token) {
  const auto found = pending_.find(token);
  if (found == pending_.end()) return;
  Pending& pending = found->second;
  if (pending.chain.token != 0) {
    if (--pending.remaining > 0) return;
    const Chain chain = pending.chain;
    pending_.erase(found);
    return Answer(chain.origin, chain.token, 0);
  }
  Connection* connection = state_.connections.Find(pending.slot, pending.generation);
  if (connection != nullptr && connection->held != nullptr) {
    connection->held->DestinationDone(pending.ordinal);
    if (!connection->waiting) {
      connection->waiting = true;
      state_.waiting.push_back(connection->slot);
    }
  }
  if (--pending.remaining == 0) pending_.erase(found);
}

}  // namespace skein::shard
