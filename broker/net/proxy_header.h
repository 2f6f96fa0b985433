// The PROXY protocol: who the client of a load balancer is (version 1 and 2 of haproxy.org's
// specification).
//
// Purpose: reads the header that comes before everything else, and is transparent afterwards.
// Only for listeners whose peers are all known load balancers: see AddressRange. Thread: the parser
// is pure; the transport is its connection's. Limits: 107 bytes (v1), 16 + 4096 bytes (v2). Errors:
// anything but a header ends the connection.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "broker/net/transport.h"

namespace skein::net {

struct ProxyHeader {
  enum class Status : uint8_t { kNeedMore, kComplete, kError };
  Status status = Status::kNeedMore;
  size_t needed = 0;                  // kNeedMore: that many bytes more may be read safely
  std::optional<PeerAddress> source;  // kComplete: none if the balancer speaks for itself
  std::string_view failure;           // kError; static storage
};

// `head`: all bytes so far; never more than the header.
ProxyHeader ParseProxyHeader(std::string_view head);

std::unique_ptr<Transport> MakeProxyTransport(int fd);

// "192.0.2.0/24", "2001:db8::/32", "192.0.2.7".
class AddressRange {
 public:
  static std::optional<AddressRange> Parse(std::string_view text);
  bool Contains(const PeerAddress& address) const;

 private:
  std::array<uint8_t, 16> bytes_{};
  int bits_ = 128;
};

}  // namespace skein::net
