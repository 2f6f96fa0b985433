#include "broker/net/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "broker/base/check.h"

namespace skein::net {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, FreeAddresses>;

absl::Status UrlError(std::string_view url, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("listen address '", std::string(url), "': ", std::string(why),
                   "; expected tcp://HOST:PORT, for example tcp://127.0.0.1:1883, "
                   "tcp://[::1]:1883 or tcp://:1883 for every address"));
}

bool IsAddress(int family, const std::string& text) {
  in6_addr unused;
  return ::inet_pton(family, text.c_str(), &unused) == 1;
}

bool IsIpv6Text(const std::string& host) {
  return host.find(':') != std::string::npos;
}

// Letters, digits, '-', '_' and '.': a name, or an IPv4 address.
bool IsHostText(const std::string& host) {
  const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
  if (numeric) return IsAddress(AF_INET, host);
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

bool ParsePort(std::string_view text, uint16_t* port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *port);
  return error == std::errc() && end == text.data() + text.size();
}

absl::Status BindError(const Endpoint& endpoint, std::string_view why) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", endpoint.ToString(), ": ", std::string(why)));
}

// IPv4 first for a name that has both, since that is what a client on the same machine tries.
absl::StatusOr<AddressList> Resolve(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV | (IsIpv6Text(endpoint.host) ? AI_NUMERICHOST : 0);
  addrinfo* list = nullptr;
  const std::string port = std::to_string(endpoint.port);
  const int error = ::getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) return BindError(endpoint, ::gai_strerror(error));
  return AddressList(list);
}

const addrinfo& Preferred(const addrinfo& list) {
  for (const addrinfo* item = &list; item != nullptr; item = item->ai_next) {
    if (item->ai_family == AF_INET) return *item;
  }
  return list;
}

void SetOption(int fd, int level, int name, int value) {
  const int result = ::setsockopt(fd, level, name, &value, sizeof(value));
  SKEIN_CHECK(result == 0) << "setsockopt: " << ErrnoText(errno);
}

// A listening socket, or the errno in `error`. both_families: an IPv6 socket takes IPv4 connections
// too.
Fd Open(const sockaddr* address, socklen_t length, bool both_families, int backlog, int* error) {
  Fd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.valid()) {
    SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // accepted sockets inherit it
    if (address->sa_family == AF_INET6) {
      SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
    }
    if (::bind(fd.get(), address, length) == 0 && ::listen(fd.get(), backlog) == 0) return fd;
  }
  *error = errno;
  return Fd();
}

// Every address of both families, or of IPv4 where the machine has no IPv6.
Fd OpenAny(uint16_t port, int backlog, int* error) {
  sockaddr_in6 any6{};
  any6.sin6_family = AF_INET6;
  any6.sin6_port = htons(port);
  Fd fd = Open(reinterpret_cast<const sockaddr*>(&any6), sizeof(any6), true, backlog, error);
  if (fd.valid() || (*error != EAFNOSUPPORT && *error != EADDRNOTAVAIL)) return fd;
  sockaddr_in any4{};
  any4.sin_family = AF_INET;
  any4.sin_port = htons(port);
  return Open(reinterpret_cast<const sockaddr*>(&any4), sizeof(any4), false, backlog, error);
}

PeerAddress PeerOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    return PeerAddress(reinterpret_cast<const sockaddr_in6&>(address));
  }
  return PeerAddress(reinterpret_cast<const sockaddr_in&>(address));
}

uint16_t LocalPort(int fd) {
  sockaddr_storage local{};
  socklen_t length = sizeof(local);
  SKEIN_CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) == 0);
  return PeerOf(local).port();
}

}  // namespace

std::string Endpoint::ToString() const {
  if (IsIpv6Text(host)) return absl::StrCat("tcp://[", host, "]:", port);
  return absl::StrCat("tcp://", host, ":", port);
}

absl::StatusOr<Endpoint> ParseListenUrl(std::string_view url) {
  constexpr std::string_view kScheme = "tcp://";
  if (!url.starts_with(kScheme)) return UrlError(url, "the scheme must be tcp");
  std::string_view rest = url.substr(kScheme.size());

  Endpoint endpoint;
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || rest.ends_with(']')) {
    return UrlError(url, "the port is missing");
  }
  if (!ParsePort(rest.substr(colon + 1), &endpoint.port)) {
    return UrlError(url, "the port must be a number from 0 to 65535");
  }
  std::string_view host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    endpoint.host = host.substr(1, host.size() - 2);
    // A zone (`fe80::1%eth0`) is looked up when it is bound.
    if (!IsAddress(AF_INET6, endpoint.host.substr(0, endpoint.host.find('%')))) {
      return UrlError(url, "not an IPv6 address in the brackets");
    }
    return endpoint;
  }
  endpoint.host = host;
  if (IsIpv6Text(endpoint.host)) return UrlError(url, "an IPv6 address needs brackets");
  if (!IsHostText(endpoint.host) && !host.empty()) return UrlError(url, "not a host");
  return endpoint;
}

bool IsLoopback(const Endpoint& endpoint) {
  if (endpoint.host == "localhost") return true;
  in_addr v4;
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

PeerAddress::PeerAddress(const sockaddr_in6& address)
    : address_(address.sin6_addr), port_(ntohs(address.sin6_port)), known_(true) {}

// Kept as the IPv6 address it maps to.
PeerAddress::PeerAddress(const sockaddr_in& address)
    : port_(ntohs(address.sin_port)), known_(true) {
  address_.s6_addr[10] = address_.s6_addr[11] = 0xFF;
  std::memcpy(&address_.s6_addr[12], &address.sin_addr, sizeof(address.sin_addr));
}

PeerAddress::PeerAddress(const std::array<uint8_t, 16>& bytes, uint16_t port)
    : port_(port), known_(true) {
  std::memcpy(address_.s6_addr, bytes.data(), bytes.size());
}

std::string PeerAddress::AddressText() const {
  if (!known_) return "unknown";
  char text[INET6_ADDRSTRLEN];
  if (IN6_IS_ADDR_V4MAPPED(&address_)) {
    ::inet_ntop(AF_INET, &address_.s6_addr[12], text, sizeof(text));
  } else {
    ::inet_ntop(AF_INET6, &address_, text, sizeof(text));
  }
  return text;
}

std::string PeerAddress::ToString() const {
  if (!known_) return "unknown";
  const bool ipv4 = IN6_IS_ADDR_V4MAPPED(&address_);
  return ipv4 ? absl::StrCat(AddressText(), ":", port_)
              : absl::StrCat("[", AddressText(), "]:", port_);
}

absl::StatusOr<Listener> Listener::Bind(const Endpoint& endpoint, int backlog) {
  int error = 0;
  Fd fd;
  if (endpoint.host.empty()) {
    fd = OpenAny(endpoint.port, backlog, &error);
  } else {
    absl::StatusOr<AddressList> list = Resolve(endpoint);
    if (!list.ok()) return list.status();
    const addrinfo& chosen = Preferred(**list);
    fd = Open(chosen.ai_addr, chosen.ai_addrlen, false, backlog, &error);
  }
  if (!fd.valid()) return BindError(endpoint, ErrnoText(error));
  const uint16_t port = LocalPort(fd.get());
  return Listener(std::move(fd), endpoint.host, port);
}

AcceptResult Listener::Accept() {
  using Status = AcceptResult::Status;
  sockaddr_storage peer{};
  socklen_t length = sizeof(peer);
  Fd fd(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &length,
                  SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.valid()) return {Status::kConnection, std::move(fd), PeerOf(peer)};
  const int error = errno;
  switch (error) {
    case EAGAIN:
      return {Status::kNone, Fd(), {}};
    case ECONNABORTED:
    case EINTR:
    case EPERM:  // a firewall's rule
    // An error that was waiting on the new connection (accept(2)).
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENONET:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
      return {Status::kRetry, Fd(), {}, error};
    default:  // EMFILE, ENFILE, ENOBUFS, ENOMEM; backing off is the safe answer to anything else
              // too
      return {Status::kExhausted, Fd(), {}, error};
  }
}

}  // namespace skein::net
