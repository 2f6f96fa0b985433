#include "broker/shard/promises.h"

#include <algorithm>
#include <utility>

namespace skein::shard {

bool Promises::Satisfied(const Gate& gate) const {
  if (gate.destinations > 0) return false;
  if (gate.lsn > 0 && gate.lsn > state_.ports.store->durable()) return false;
  return gate.routes == 0 || state_.RoutesApplied(gate.routes);
}

bool Promises::MustHold(const Connection& connection, const Wait& wait) const {
  return (connection.held != nullptr && !connection.held->empty()) || !Satisfied(wait.gate);
}

uint64_t Promises::Hold(Connection& connection, const Wait& wait, HeldReplies::Reply reply) {
  if (connection.held == nullptr) connection.held = std::make_unique<HeldReplies>();
  reply.gate = wait.gate;
  const uint64_t ordinal = connection.held->Push(std::move(reply));
  if (wait.token != 0)
    dispatcher_.Bind(wait.token, connection.slot, connection.generation, ordinal);
  if (!connection.waiting) {
    connection.waiting = true;
    state_.waiting.push_back(connection.slot);
  }
  return ordinal;
}

void Promises::Ack(Connection& connection, const Wait& wait, mqtt::PacketType type, PacketId id,
                   mqtt::ReasonCode reason, bool publish_qos1) {
  if (!MustHold(connection, wait)) return sender_.SendAck(connection, type, id, reason);
  char packet[mqtt::kMaxAckSize];
  const size_t size = mqtt::EncodeAck(type, id, reason, connection.version, packet);
  HeldReplies::Reply reply;
  reply.counts_as_publish = publish_qos1;
  reply.bytes.assign(packet, size);
  Hold(connection, wait, std::move(reply));
}

void Promises::AckPublish(Connection& connection, const Wait& wait, Qos qos, PacketId id,
                          mqtt::ReasonCode reason) {
  const bool once = qos == Qos::kExactlyOnce;
  const auto type = once ? mqtt::PacketType::kPubrec : mqtt::PacketType::kPuback;
  if (!MustHold(connection, wait)) {
    if (wait.gate.refused) return RefusePublish(connection, type, id);
    if (state_.timing) state_.timed.Note(static_cast<uint8_t>(qos), state_.now_micros);
    return sender_.SendAck(connection, type, id, reason);
  }
  char packet[mqtt::kMaxAckSize];
  const size_t size = mqtt::EncodeAck(type, id, reason, connection.version, packet);
  HeldReplies::Reply reply;
  reply.counts_as_publish = !once;
  reply.publish_id = id;
  reply.repeats = wait.repeats;
  if (state_.timing) reply.since = state_.now_micros;
  reply.bytes.assign(packet, size);
  Hold(connection, wait, std::move(reply));
}

void Promises::RefusePublish(Connection& connection, mqtt::PacketType type, PacketId id) {
  state_.stats.refusals[static_cast<uint8_t>(mqtt::ReasonCode::kQuotaExceeded)].Add();
  // Who is not told comes again with it.
  if (type == mqtt::PacketType::kPubrec && connection.v5()) {
    session::Session& session = state_.sessions[connection.session];
    if (session.inbound().Refuse(id)) state_.Record(session, session::InboundReleased{id}, nullptr);
  }
  if (connection.v5())
    return sender_.SendAck(connection, type, id, mqtt::ReasonCode::kQuotaExceeded);
  refused_.push_back({connection.slot, connection.generation});
}

uint64_t Promises::Reply(Connection& connection, const Wait& wait, std::string_view packet) {
  if (!MustHold(connection, wait)) {
    sender_.SendBytes(connection, packet);
    return 0;
  }
  HeldReplies::Reply reply;
  reply.bytes.assign(packet);
  return Hold(connection, wait, std::move(reply));
}

void Promises::ReplyConnack(Connection& connection, const Wait& wait, std::string_view packet) {
  if (!MustHold(connection, wait)) {
    sender_.SendBytes(connection, packet);
    return BeginServing(connection);
  }
  HeldReplies::Reply reply;
  reply.connack = true;
  reply.bytes.assign(packet);
  Hold(connection, wait, std::move(reply));
}

void Promises::BeginServing(Connection& connection) {
  connection.state = Connection::State::kServing;
  dispatcher_.Pump(state_.sessions[connection.session]);
}

void Promises::Release(Connection& connection) {
  HeldReplies& held = *connection.held;
  while (!held.empty() && Satisfied(held.front().gate)) {
    HeldReplies::Reply reply = std::move(held.front());
    held.PopFront();
    if (reply.publish_id != 0 && reply.gate.refused) {
      if (!reply.counts_as_publish && !reply.repeats) held.RefuseRepeated(reply.publish_id);
      RefusePublish(connection,
                    static_cast<mqtt::PacketType>(static_cast<uint8_t>(reply.bytes[0]) >> 4),
                    reply.publish_id);
      if (!connection.v5()) return;
      continue;
    }
    if (reply.since != 0) state_.timed.Note(reply.counts_as_publish ? 1 : 2, reply.since);
    sender_.SendBytes(connection, reply.bytes);
    if (reply.connack) BeginServing(connection);
  }
}

void Promises::ReleaseWaiting() {
  if (state_.waiting.empty()) return;
  std::swap(looking_at_, state_.waiting);
  for (const ConnectionSlot slot : looking_at_) {
    Connection& connection = state_.connections[slot];
    connection.waiting = false;
    if (!connection.open() || connection.held == nullptr) continue;
    Release(connection);
    if (connection.held->empty()) continue;
    connection.waiting = true;
    state_.waiting.push_back(slot);
  }
  looking_at_.clear();
}

}  // namespace skein::shard
