#include "tests/fuzz/session_model.h"

#include "broker/base/check.h"

namespace skein::fuzz {

using mqtt::PacketType;
using testing_support::ServerPacket;

void ClientModel::Begin(int new_link, mqtt::ProtocolVersion v, size_t maximum) {
  link = new_link;
  version = v;
  receive_maximum = maximum;
  heard_ = served_ = ended_ = false;
  due.clear();
  sent_here_.clear();
}

void ClientModel::Forget() {
  unacknowledged_.clear();
  taken_.clear();
  seen_.clear();
  last_publish.clear();
}

void ClientModel::Read(std::string_view bytes) {
  const auto packets = testing_support::ReadServerPackets(bytes, version);
  SKEIN_CHECK(packets.has_value()) << "not a sequence of whole packets";
  for (const ServerPacket& packet : *packets)
    OnPacket(packet);
}

void ClientModel::OnPacket(const ServerPacket& packet) {
  SKEIN_CHECK(!ended_) << "a packet after the last one";
  if (!heard_ && packet.type != PacketType::kAuth) {
    SKEIN_CHECK(packet.type == PacketType::kConnack) << "[MQTT-3.2.0-1]";
    return OnConnack(packet);
  }
  switch (packet.type) {
    case PacketType::kConnack:
      SKEIN_CHECK(!heard_) << "[MQTT-3.2.0-2] a second CONNACK";
      break;
    case PacketType::kPublish:
      return OnPublish(packet);
    case PacketType::kPubrel:
      taken_.erase(packet.packet_id);
      due.push_back({PacketType::kPubcomp, packet.packet_id});
      break;
    case PacketType::kDisconnect:
      ended_ = true;
      break;
    default:
      break;
  }
}

void ClientModel::OnConnack(const ServerPacket& packet) {
  heard_ = true;
  served_ = packet.reason == 0;
  ended_ = !served_;
  SKEIN_CHECK(served_ || !packet.session_present) << "[MQTT-3.2.2-6]";
  // MQTT 3.1 has no Session Present: what is left of the books may be wrong.
  if (version == mqtt::ProtocolVersion::k31) strict_ = false;
  if (served_ && !packet.session_present) Forget();
}

void ClientModel::OnPublish(const ServerPacket& packet) {
  SKEIN_CHECK(!packet.dup || packet.qos != Qos::kAtMostOnce) << "[MQTT-3.3.1-2]";
  if (packet.qos == Qos::kAtMostOnce) return;
  SKEIN_CHECK(packet.packet_id != 0) << "[MQTT-2.2.1-3]";
  const bool known = !unacknowledged_.insert(packet.packet_id).second;
  sent_here_.insert(packet.packet_id);
  if (strict_) {
    SKEIN_CHECK(packet.dup || !known) << "[MQTT-2.2.1-4] packet id in use";
    SKEIN_CHECK(sent_here_.size() <= receive_maximum) << "[MQTT-3.3.4-9]";
  }
  if (packet.qos == Qos::kAtLeastOnce) {
    due.push_back({PacketType::kPuback, packet.packet_id});
    return;
  }
  due.push_back({PacketType::kPubrec, packet.packet_id});
  const auto [entry, fresh] = taken_.try_emplace(packet.packet_id, packet.payload);
  if (!strict_) return;
  SKEIN_CHECK(fresh || entry->second == packet.payload)
      << "another message under a packet id in use";
  // Retained messages ('r') may come again, with each subscription.
  if (!fresh || packet.payload.starts_with('r')) return;
  SKEIN_CHECK(seen_.insert(packet.payload).second) << "[MQTT-4.3.3] delivered twice";
}

std::string ClientModel::Acknowledge(size_t which) {
  if (due.empty()) return "";
  const auto entry = due.begin() + static_cast<std::ptrdiff_t>(which % due.size());
  const Due ack = *entry;
  due.erase(entry);
  if (ack.type != PacketType::kPubrec) {
    unacknowledged_.erase(ack.id);
    sent_here_.erase(ack.id);
  }
  return testing_support::EncodeClientAck(ack.type, ack.id);
}

}  // namespace skein::fuzz
