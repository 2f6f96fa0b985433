// Many MQTT connections on one epoll loop, and the protocol every one of them speaks.
//
// The fleet connects, subscribes, answers QoS 1 and 2 on both sides, and tells its handler what is
// of interest. Output is gathered per connection and written once a turn. Whatever goes wrong on
// any connection (refused, closed, malformed, acknowledged out of order) ends the run: Turn()
// returns the error. One thread.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "cmd/skeinmq-bench/histogram.h"
#include "cmd/skeinmq-bench/parser.h"
#include "cmd/skeinmq-bench/wire.h"

namespace skein::bench {

enum class Role : uint8_t { kPublisher, kSubscriber, kIdle };

struct ClientSpec {
  Role role = Role::kIdle;
  uint32_t number = 0;  // among those of its role
  std::string filter;   // subscribed to before the client counts as ready; empty: nothing
  uint8_t qos = 0;      // of the subscription
  uint16_t keep_alive_s = 0;
};

struct Client {
  enum class State : uint8_t { kNew, kConnecting, kConnackWait, kSubackWait, kReady, kClosed };

  ClientSpec spec;
  State state = State::kNew;
  bool dirty = false;           // is in the list of those to be written
  bool waits_for_room = false;  // EPOLLOUT is armed
  int fd = -1;
  uint64_t started_ns = 0;
  uint16_t receive_maximum = 65535;
  uint32_t received = 0;   // PUBRECs
  uint32_t completed = 0;  // PUBACKs or PUBCOMPs
  size_t out_at = 0;
  std::string out;
  Parser parser;

  size_t unwritten() const { return out.size() - out_at; }
};

// The packet id of a publisher's message `sequence`: acknowledgements must come in this order
// [MQTT-4.6.0-2, 4.6.0-3].
inline uint16_t PacketIdOf(uint32_t sequence) {
  return static_cast<uint16_t>(sequence % 65'535 + 1);
}

class FleetHandler {
 public:
  virtual ~FleetHandler() = default;
  virtual void OnReady(Client& client) {}
  // `now_ns`: when the bytes were read.
  virtual void OnDelivery(Client& client, const Delivery& delivery, uint64_t now_ns) {}
  // The oldest outstanding message of `client` has its PUBACK or PUBCOMP.
  virtual void OnAcknowledged(Client& client) {}
  // Everything written is with the kernel again.
  virtual void OnRoom(Client& client) {}
};

struct FleetTarget {
  sockaddr_storage address{};
  socklen_t address_bytes = 0;
  Version version = Version::kV311;
};

class Fleet {
 public:
  // `handler` outlives the fleet.
  Fleet(const FleetTarget& target, FleetHandler& handler);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // The address of a client never changes.
  Client& Add(ClientSpec spec);
  absl::Status Start(Client& client);

  // Writes what came up since the last turn, waits for events for at most `wait_ns` and handles
  // them.
  absl::Status Turn(uint64_t wait_ns);

  // `client` has something in `out`.
  void Touch(Client& client);

  // Says DISCONNECT on every connection and closes it.
  void CloseAll();

  std::deque<Client>& clients() { return clients_; }
  size_t ready() const { return ready_; }
  size_t opening() const { return started_ - ready_; }
  // From connect() to CONNACK.
  const Histogram& connect_times() const { return connect_times_; }
  uint64_t pings_answered() const { return pings_answered_; }

 private:
  struct Sink;

  absl::Status HandleEvent(Client& client, uint32_t events);
  absl::Status FinishConnect(Client& client);
  absl::Status Read(Client& client);
  void HandlePacket(Client& client, uint8_t type, std::string_view body);
  void HandleConnack(Client& client, std::string_view body);
  void HandleSuback(Client& client, std::string_view body);
  void HandleAck(Client& client, uint8_t type, std::string_view body);
  void HandlePublish(Client& client, const Delivery& delivery, uint64_t now_ns);
  void BecomeReady(Client& client);
  void Fail(const Client& client, std::string_view what);
  absl::Status Flush(Client& client);
  void Arm(Client& client, bool for_writing);

  FleetTarget target_;
  FleetHandler& handler_;
  int epoll_fd_;
  std::deque<Client> clients_;
  std::vector<Client*> dirty_;
  std::string buffer_;
  Histogram connect_times_;
  size_t started_ = 0;
  size_t ready_ = 0;
  uint64_t pings_answered_ = 0;
  absl::Status failure_;  // found while parsing; reported by Turn()
};

}  // namespace skein::bench
