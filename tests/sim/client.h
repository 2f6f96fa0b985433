// A client of a simulated cluster: MQTT 5 as a careful device speaks it.
//
// Purpose: keeps its half of the session (what it sent and is not through, what it received and has
// not released) across connections, sends again what was not acknowledged, and writes everything
// into the books. It follows the standard; whatever the broker does wrong shows in the books.
// Thread: confined to the run.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/books.h"
#include "tests/support/server_packets.h"
#include "tests/unit/shard/harness.h"

namespace skein::sim {

class Client {
 public:
  bool trace = false;
  Client(shard::Node* node, Books* books, std::string id, int number, bool durable)
      : node_(*node), books_(*books), id_(std::move(id)), number_(number), durable_(durable) {}

  const std::string& id() const { return id_; }
  bool durable() const { return durable_; }
  bool connected() const { return accepted_; }
  bool connecting() const { return link_ >= 0 && !accepted_; }
  // Connections of before that this client has left open, and whether one still is.
  bool HasGhost() const;
  size_t unacknowledged() const { return sending_.size(); }
  bool IsSubscribed(const std::string& filter) const;

  // Opens a connection to a shard; one that is open is abandoned, not closed.
  void Connect(ShardId at, bool with_will);
  void Publish(const std::string& topic, Qos qos, bool retain, bool empty);
  void Subscribe(const std::string& filter);
  void Unsubscribe(const std::string& filter);
  void Disconnect();  // DISCONNECT 0x00
  void DropLink();    // the network is gone
  // Reads what came. acknowledge: how many of the acknowledgements that it owes it sends.
  void Turn(size_t acknowledge);

 private:
  struct Sending {
    PacketId packet_id = 0;
    size_t publication = 0;
    bool released = false;  // PUBREL was sent
  };
  struct Asked {
    PacketId packet_id = 0;
    size_t subscription = 0;  // in the session's book
  };

  void Feed(const std::string& bytes) { node_.Feed(link_, bytes); }
  void OnPacket(const testing_support::ServerPacket& packet);
  void OnConnack(const testing_support::ServerPacket& packet);
  void OnPublish(const testing_support::ServerPacket& packet);
  void OnAnswer(const testing_support::ServerPacket& packet);
  void SendAgain();
  void OnClosed();
  PacketId NextId() { return next_id_ = static_cast<PacketId>(next_id_ % 60'000 + 1); }
  std::string Encode(const Sending& sending, bool dup) const;

  shard::Node& node_;
  Books& books_;
  const std::string id_;
  const int number_;
  const bool durable_;

  int link_ = -1;
  bool accepted_ = false;
  bool leaving_ = false;    // DISCONNECT was sent
  bool sent_away_ = false;  // the broker has sent one
  std::vector<int> abandoned_;
  std::optional<size_t> session_;  // in the books
  std::optional<size_t> will_;
  int connections_ = 0;
  int numbers_ = 0;
  PacketId next_id_ = 0;
  std::deque<Sending> sending_;
  std::deque<std::string> owed_;   // acknowledgements, encoded
  std::set<PacketId> unreleased_;  // received with QoS 2, no PUBREL yet
  std::vector<Asked> asked_;       // SUBSCRIBEs under way
};

}  // namespace skein::sim
