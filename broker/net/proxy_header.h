// The PROXY protocol: who the client of a load balancer is (version 1 and 2 of haproxy.org's
// specification).
//
// Purpose: reads the header that comes before everything else, and is transparent afterwards.
// Only for listeners whose peers are all known load balancers. Thread: the parser
// is pure; the transport is its connection's. Limits: 107 bytes (v1), 16 + 4096 bytes (v2). Errors:
// anything but a header ends the connection.
#pragma once

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

}  // namespace skein::net
