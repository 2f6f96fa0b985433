#include "tests/sim/client.h"

#include <algorithm>
#include <iostream>

#include "tests/support/client_packets.h"

namespace skein::sim {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::ProtocolVersion;
using testing_support::PropertyBlock;
using testing_support::ServerPacket;

bool Client::HasGhost() const {
  return std::any_of(abandoned_.begin(), abandoned_.end(),
                     [this](int id) { return !node_.link(id).closed(); });
}

bool Client::IsSubscribed(const std::string& filter) const {
  if (!session_) return false;
  for (const SubscriptionEntry& each : books_.session(*session_).subscriptions) {
    if (each.filter == filter && each.ended == kNotYet) return true;
  }
  return false;
}

void Client::Connect(ShardId at, bool with_will) {
  if (link_ >= 0) {
    abandoned_.push_back(link_);
    OnClosed();
  }
  link_ = node_.Open(at);
  ++connections_;
  testing_support::ConnectOptions options;
  options.client_id = id_;
  options.clean_start = !durable_;
  options.keep_alive = 0;
  if (durable_)
    options.properties =
        PropertyBlock().FourByte(PropertyId::kSessionExpiryInterval, UINT32_MAX).bytes();
  if (with_will) {
    testing_support::WillOptions will;
    will.topic = "w/" + id_;
    will.payload = "w" + id_ + "." + std::to_string(connections_);
    will.qos = Qos::kExactlyOnce;
    options.will = will;
    will_ = books_.AddWill(will.payload);
  }
  Feed(testing_support::EncodeConnect(options));
}

std::string Client::Encode(const Sending& sending, bool dup) const {
  if (sending.released)
    return testing_support::EncodeClientAck(PacketType::kPubrel, sending.packet_id);
  const Publication& publication = books_.publication(sending.publication);
  testing_support::PublishOptions options;
  options.topic = publication.topic;
  options.payload = publication.payload;
  options.qos = publication.qos;
  options.retain = publication.retain;
  options.dup = dup;
  options.packet_id = sending.packet_id;
  return testing_support::EncodePublish(options);
}

void Client::Publish(const std::string& topic, Qos qos, bool retain, bool empty) {
  Publication publication;
  publication.topic = topic;
  publication.qos = qos;
  publication.retain = retain;
  publication.publisher = number_;
  publication.number = ++numbers_;
  publication.durable_publisher = durable_;
  publication.stretch =
      durable_ ? static_cast<int>(node_.RowOf(shard::PartitionOf(id_, 256)).epoch) : connections_;
  if (!empty) publication.payload = "p" + std::to_string(number_) + "." + std::to_string(numbers_);
  if (trace)
    std::cout << books_.now() << "    " << id_ << " > " << publication.payload << " " << topic
              << " q" << int(qos) << " #" << next_id_ + 1 << "\n";
  sending_.push_back({NextId(), books_.Sent(std::move(publication))});
  Feed(Encode(sending_.back(), false));
}

void Client::Subscribe(const std::string& filter) {
  testing_support::FilterOptions options;
  options.filter = filter;
  options.qos = Qos::kExactlyOnce;
  options.retain_handling = 2;
  auto& subscriptions = books_.session(*session_).subscriptions;
  asked_.push_back({NextId(), subscriptions.size()});
  subscriptions.push_back({filter});
  Feed(testing_support::EncodeSubscribe(ProtocolVersion::k5, asked_.back().packet_id, {options}));
}

void Client::Unsubscribe(const std::string& filter) {
  for (SubscriptionEntry& each : books_.session(*session_).subscriptions) {
    if (each.filter == filter && each.ended == kNotYet) each.ended = books_.Next();
  }
  Feed(testing_support::EncodeUnsubscribe(ProtocolVersion::k5, NextId(), {filter}));
}

void Client::Disconnect() {
  leaving_ = true;
  Feed(testing_support::EncodeClientDisconnect(ProtocolVersion::k5));
}

void Client::DropLink() {
  node_.Drop(link_);
  node_.link(link_).cut = true;
  OnClosed();
}

void Client::OnClosed() {
  if (will_) {
    WillBook& will = books_.will(*will_);
    // Who is told that the connection has ended knows that the broker took DISCONNECT in.
    // But one that the broker ends by itself may never have read it.
    const shard::Node::Link& link = node_.link(link_);
    will.taken_back =
        leaving_ && will.accepted != kNotYet && link.closed() && !link.cut && !sent_away_;
    if (leaving_ && !will.taken_back) will.accepted = kNotYet;  // nobody knows
    will.closed = books_.Next();
    will_.reset();
  }
  link_ = -1;
  accepted_ = leaving_ = sent_away_ = false;
  owed_.clear();
  // A SUBSCRIBE without an answer may have been carried out.
  asked_.clear();
}

void Client::Turn(size_t acknowledge) {
  if (link_ < 0) return;
  shard::Node::Link& link = node_.link(link_);
  if (!link.cut) {
    const std::string came = std::exchange(link.output, {});
    std::string_view bytes = came;
    while (!bytes.empty() && link_ >= 0) {
      const auto packet = testing_support::TakeServerPacket(&bytes, ProtocolVersion::k5);
      if (!packet) return books_.Broken(id_ + " got what is no packet");
      OnPacket(*packet);
    }
  }
  if (node_.link(link_).closed()) return OnClosed();
  for (; acknowledge > 0 && !owed_.empty(); --acknowledge) {
    Feed(owed_.front());
    owed_.pop_front();
  }
}

void Client::OnPacket(const ServerPacket& packet) {
  switch (packet.type) {
    case PacketType::kConnack:
      return OnConnack(packet);
    case PacketType::kPublish:
      return OnPublish(packet);
    case PacketType::kDisconnect:
      sent_away_ = true;
      return;
    default:
      return OnAnswer(packet);
  }
}

void Client::OnConnack(const ServerPacket& packet) {
  if (packet.reason != 0) return;  // it will be closed
  accepted_ = true;
  const Event event = books_.Next();
  if (will_) books_.will(*will_).accepted = event;
  if (session_ && durable_ && !packet.session_present) books_.Broken(id_ + ": its session is gone");
  if (!durable_ && packet.session_present)
    books_.Broken(id_ + ": a session is present after a clean start");
  if (!session_ || !packet.session_present) {
    session_ = books_.Open(id_, durable_);
    sending_.clear();
    unreleased_.clear();
  }
  books_.session(*session_).connected = event;
  SendAgain();
}

void Client::SendAgain() {
  for (const Sending& sending : sending_)
    if (trace)
      std::cout << books_.now() << "    " << id_ << " > again "
                << books_.publication(sending.publication).payload << " #" << sending.packet_id
                << (sending.released ? " rel" : "") << "\n";
  for (const Sending& sending : sending_) {
    if (!sending.released) books_.Repeated(sending.publication);
    Feed(Encode(sending, true));
  }
}

void Client::OnPublish(const ServerPacket& packet) {
  if (!session_) return books_.Broken(id_ + " got a message before CONNACK");
  if (packet.qos == Qos::kExactlyOnce) {
    owed_.push_back(testing_support::EncodeClientAck(PacketType::kPubrec, packet.packet_id));
    if (!unreleased_.insert(packet.packet_id).second) return;
  } else if (packet.qos == Qos::kAtLeastOnce) {
    owed_.push_back(testing_support::EncodeClientAck(PacketType::kPuback, packet.packet_id));
  }
  if (trace)
    std::cout << books_.now() << "    " << id_ << " < " << packet.payload << " " << packet.topic
              << " q" << int(packet.qos) << " #" << packet.packet_id << (packet.dup ? " dup" : "")
              << "\n";
  if (!packet.retain) books_.Received(*session_, packet.topic, packet.payload, packet.qos);
}

void Client::OnAnswer(const ServerPacket& packet) {
  if (trace)
    std::cout << books_.now() << "    " << id_ << " < type " << int(packet.type) << " #"
              << packet.packet_id << " " << int(packet.reason) << "\n";
  if (packet.type == PacketType::kPubrel) {
    unreleased_.erase(packet.packet_id);
    owed_.push_back(testing_support::EncodeClientAck(PacketType::kPubcomp, packet.packet_id));
    return;
  }
  if (packet.type == PacketType::kSuback) {
    const auto asked = std::find_if(asked_.begin(), asked_.end(),
                                    [&](auto& a) { return a.packet_id == packet.packet_id; });
    if (asked == asked_.end()) return;
    SubscriptionEntry& each = books_.session(*session_).subscriptions.at(asked->subscription);
    const Event event = books_.Next();
    if (packet.reasons.at(0) >= 0x80) {
      each.ended = event;
    } else {
      each.acknowledged = event;
    }
    asked_.erase(asked);
    return;
  }
  const auto found = std::find_if(sending_.begin(), sending_.end(),
                                  [&](auto& s) { return s.packet_id == packet.packet_id; });
  if (found == sending_.end()) return;
  const bool refused = packet.reason >= 0x80;
  switch (packet.type) {
    case PacketType::kPuback:
      if (!refused) books_.Acknowledged(found->publication);
      sending_.erase(found);
      return;
    case PacketType::kPubrec:
      if (refused) {
        sending_.erase(found);
        return;
      }
      if (!found->released) books_.Acknowledged(found->publication);
      found->released = true;
      Feed(Encode(*found, false));
      return;
    case PacketType::kPubcomp:
      if (found->released) sending_.erase(found);
      return;
    default:
      return;
  }
}

}  // namespace skein::sim
