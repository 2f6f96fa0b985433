// A client that keeps the books on what its broker owes it.
//
// Purpose: reads everything a scripted client gets and aborts when the broker breaks a rule that
// holds whatever the client does; a client that keeps the rules itself (`strict`) checks more.
// Thread: confined to the fuzz target.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "tests/support/client_packets.h"
#include "tests/support/server_packets.h"

namespace skein::fuzz {

class ClientModel {
 public:
  // --- the network connection
  int link = -1;
  mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k5;
  size_t receive_maximum = 65'535;
  std::string last_publish;  // the last QoS 2 PUBLISH that was not released, to be repeated

  // Acknowledgements the client owes, in the order in which they became due.
  struct Due {
    mqtt::PacketType type;
    PacketId id;
  };
  std::deque<Due> due;

  // A new connection: nothing has been heard on it.
  void Begin(int new_link, mqtt::ProtocolVersion v, size_t maximum);
  // Takes what came; aborts on anything a broker must not send.
  void Read(std::string_view bytes);
  // Nothing that the client knew of its session counts any more.
  void Forget();
  // The client breaks the rules itself from now on, or asks for more than one copy.
  void NotStrict() { strict_ = false; }
  // The client's next acknowledgement, told to the books.
  std::string Acknowledge(size_t which);
  bool served() const { return served_; }

 private:
  void OnPacket(const testing_support::ServerPacket& packet);
  void OnConnack(const testing_support::ServerPacket& packet);
  void OnPublish(const testing_support::ServerPacket& packet);

  bool heard_ = false;   // CONNACK came
  bool served_ = false;  // and it said yes
  bool ended_ = false;   // nothing may follow
  bool strict_ = true;
  std::set<PacketId> unacknowledged_;      // of the session
  std::set<PacketId> sent_here_;           // of this connection
  std::map<PacketId, std::string> taken_;  // QoS 2, taken and not released
  std::set<std::string> seen_;             // payloads that came with QoS 2
};

}  // namespace skein::fuzz
