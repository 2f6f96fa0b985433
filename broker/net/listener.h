// Addresses to listen on, and the sockets that do.
//
// Purpose: from the text `tcp://127.0.0.1:1883` to accepted connections. The listening descriptor
// may be watched by several event loops (EPOLLIN | EPOLLEXCLUSIVE): Accept() is safe from several
// threads at once. Owner: cmd/ binds before the shards start, so that an address in use is an error
// at start; shards accept. Not shared with other processes: a second one on the same port fails.
// Limits: the backlog; the kernel answers for what is beyond it.
#pragma once

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "broker/net/socket.h"

namespace skein::net {

// Where to listen. host: an IPv4 or IPv6 address without brackets, a name, or empty for every
// address of both families. port 0: any free.
struct Endpoint {
  std::string host;
  uint16_t port = 0;

  // "tcp://127.0.0.1:1883", "tcp://[::1]:1883".
  std::string ToString() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// `tcp://HOST:PORT` with HOST an IPv4 address, an IPv6 address in brackets, a name or nothing.
// INVALID_ARGUMENT says what is wrong and what is allowed.
absl::StatusOr<Endpoint> ParseListenUrl(std::string_view url);

// Whether only this machine can reach it: 127.0.0.0/8, ::1 (also mapped) or `localhost`. Resolves
// nothing.
bool IsLoopback(const Endpoint& endpoint);

// The other end of a connection: small, formatted only when asked.
class PeerAddress {
 public:
  PeerAddress() = default;
  explicit PeerAddress(const sockaddr_in6& address);
  explicit PeerAddress(const sockaddr_in& address);
  // As bytes() and port() gave them.
  PeerAddress(const std::array<uint8_t, 16>& bytes, uint16_t port);

  bool known() const { return known_; }
  uint16_t port() const { return port_; }
  // "192.0.2.7:51234", "[2001:db8::7]:51234"; an IPv4 address mapped into IPv6 is shown as IPv4.
  // "unknown" for an empty one.
  std::string ToString() const;
  // As an IPv6 address, IPv4 mapped into it; in the order of the network.
  std::array<uint8_t, 16> bytes() const {
    std::array<uint8_t, 16> copy{};
    std::copy_n(address_.s6_addr, copy.size(), copy.begin());
    return copy;
  }
  // As ToString(), without port and brackets.
  std::string AddressText() const;

 private:
  in6_addr address_{};
  uint16_t port_ = 0;
  bool known_ = false;
};

struct AcceptResult {
  enum class Status : uint8_t {
    kConnection,  // fd and peer are set
    kNone,        // nobody is waiting
    kRetry,       // this one went away before it was accepted: ask again
    kExhausted,   // out of descriptors or memory, see `error`: stop watching for a while, or the
                  // loop spins
  };

  Status status;
  Fd fd;  // non-blocking, closed on exec, TCP_NODELAY
  PeerAddress peer;
  int error = 0;
};

class Listener {
 public:
  // "cannot listen on tcp://127.0.0.1:1883: Address already in use".
  static absl::StatusOr<Listener> Bind(const Endpoint& endpoint, int backlog = 4096);

  int fd() const { return fd_.get(); }
  // The actual port, also when 0 was asked for.
  uint16_t port() const { return port_; }
  // What was asked for, with the actual port.
  Endpoint endpoint() const { return {host_, port_}; }

  AcceptResult Accept();

 private:
  Listener(Fd fd, std::string host, uint16_t port)
      : fd_(std::move(fd)), host_(std::move(host)), port_(port) {}

  Fd fd_;
  std::string host_;
  uint16_t port_ = 0;
};

}  // namespace skein::net
