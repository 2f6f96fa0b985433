#include "broker/shard/packet_handler.h"

#include <string>

#include "broker/routing/topic.h"

namespace skein::shard {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ReasonCode;
using session::Outbound;
using session::Session;

void PacketHandler::Handle(Connection& connection, const mqtt::Frame& frame) {
  switch (frame.type) {
    case PacketType::kPublish:
      return OnPublish(connection, frame);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return OnAck(connection, frame);
    case PacketType::kSubscribe:
      return OnSubscribe(connection, frame);
    case PacketType::kUnsubscribe:
      return OnUnsubscribe(connection, frame);
    case PacketType::kPingreq:
      if (const auto error = mqtt::DecodePingreq(frame)) return Refuse(connection, *error);
      promises_.Reply(connection, {}, mqtt::kPingresp);  // in the order of the requests
      return;
    case PacketType::kDisconnect:
      return OnDisconnect(connection, frame);
    case PacketType::kConnect:
      return Refuse(connection, {ReasonCode::kProtocolError, "[MQTT-3.1.0-2] a second CONNECT"});
    default:
      return Refuse(connection,
                    {ReasonCode::kProtocolError, "a packet that only a server may send"});
  }
}

void PacketHandler::AckMismatch(Connection& connection) {
  lifecycle_.Close(connection, ReasonCode::kProtocolError,
                   "[MQTT-4.3.3-1] acknowledgement of another kind than awaited");
}

void PacketHandler::OnAck(Connection& connection, const mqtt::Frame& frame) {
  mqtt::Ack ack;
  if (const auto error = mqtt::DecodeAck(frame, connection.version, &ack))
    return Refuse(connection, *error);
  Session& session = state_.sessions[connection.session];
  if (ack.type == PacketType::kPubrel) return OnPubrel(connection, session, ack);
  if (ack.type == PacketType::kPubrec) return OnPubrec(connection, session, ack);
  Outbound* outbound = session.outbound_if_any();
  if (outbound == nullptr) return;  // an acknowledgement of nothing is ignored
  if (state_.tracer.on()) [[unlikely]]
    TraceAck(session, ack);
  session::Finished finished;
  const auto result = ack.type == PacketType::kPuback
                          ? outbound->OnPuback(ack.packet_id, &finished)
                          : outbound->OnPubcomp(ack.packet_id, &finished);
  if (result == Outbound::AckResult::kMismatch) return AckMismatch(connection);
  if (result == Outbound::AckResult::kUnknown) return;
  state_.RecordFinished(session, finished);
  dispatcher_.Pump(session);
}

void PacketHandler::TraceAck(Session& session, const mqtt::Ack& ack) {
  if (session.outbound_if_any() == nullptr) return;
  const Outbound::InFlight* const sent = session.outbound().Find(ack.packet_id);
  if (sent == nullptr || !sent->delivery.message) return;
  std::string why = ack.type == PacketType::kPuback   ? "PUBACK "
                    : ack.type == PacketType::kPubrec ? "PUBREC "
                                                      : "PUBCOMP ";
  why += mqtt::ReasonCodeName(ack.reason);
  trace::Detail detail;
  detail.client = session.client_id();
  detail.why = why;
  detail.qos = sent->delivery.qos;
  detail.packet_id = ack.packet_id;
  state_.tracer.Message(state_.now, trace::Step::kAcknowledged, *sent->delivery.message, detail);
}

void PacketHandler::OnPubrec(Connection& connection, Session& session, const mqtt::Ack& ack) {
  if (state_.tracer.on()) [[unlikely]]
    TraceAck(session, ack);
  session::Finished finished;
  const bool error = mqtt::IsError(ack.reason);
  const auto result = session.outbound().OnPubrec(ack.packet_id, error, &finished);
  if (result == Outbound::AckResult::kMismatch) return AckMismatch(connection);
  if (result == Outbound::AckResult::kUnknown) {
    if (error) return;
    return promises_.Ack(
        connection, {}, PacketType::kPubrel, ack.packet_id,
        connection.v5() ? ReasonCode::kPacketIdentifierNotFound : ReasonCode::kSuccess, false);
  }
  if (error) {
    state_.RecordFinished(session, finished);
    return dispatcher_.Pump(session);
  }
  // PUBREL waits for the record: the client forgets the id with it, and a broker that had forgotten
  // the PUBREC would send the message again.
  Promises::Wait wait;
  const Outbound::InFlight* sent = session.outbound().Find(ack.packet_id);
  state_.Record(session, session::Released{sent->delivery.sequence}, &wait.gate);
  promises_.Ack(connection, wait, PacketType::kPubrel, ack.packet_id, ReasonCode::kSuccess, false);
}

void PacketHandler::OnPubrel(Connection& connection, Session& session, const mqtt::Ack& ack) {
  const bool known = session.inbound().OnPubrel(ack.packet_id);
  Promises::Wait wait;
  if (known) state_.Record(session, session::InboundReleased{ack.packet_id}, &wait.gate);
  const bool tell = !known && connection.v5();
  promises_.Ack(connection, wait, PacketType::kPubcomp, ack.packet_id,
                tell ? ReasonCode::kPacketIdentifierNotFound : ReasonCode::kSuccess, false);
}

void PacketHandler::OnDisconnect(Connection& connection, const mqtt::Frame& frame) {
  mqtt::Disconnect packet;
  if (const auto error = mqtt::DecodeDisconnect(frame, connection.version, &packet))
    return Refuse(connection, *error);
  lifecycle_.OnDisconnect(connection, packet);
}

}  // namespace skein::shard
