// See listener_url.h.
#include "cmd/skeinmqd/listener_url.h"

#include <arpa/inet.h>

#include <algorithm>

#include "cmd/skeinmqd/values.h"

namespace skein::config {
namespace {

constexpr uint16_t kMqttPort = 1883;
constexpr Range kConnections{1, UINT32_MAX};
constexpr std::string_view kUrlForm = "tcp://HOST:PORT, for example tcp://127.0.0.1:1883";
constexpr std::string_view kName = "1..64 characters";

bool IsIpv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool IsIpv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// Letters, digits, dots and dashes with at least one letter, so that "1.2.3" is not taken for a
// name.
bool IsHostName(std::string_view host) {
  bool letter = false;
  for (const char c : host) {
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    letter = letter || alpha;
    if (!alpha && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_') return false;
  }
  return letter && host.size() <= 253;
}

std::optional<std::string> SetName(std::string_view text, ListenerDraft* draft) {
  if (text.empty() || text.size() > 64) return std::string(kName);
  draft->name = text;
  return std::nullopt;
}

std::optional<std::string> SetAllowAnonymous(std::string_view text, ListenerDraft* draft) {
  draft->allow_anonymous = ParseBool(text);
  if (!draft->allow_anonymous) return "true or false";
  return std::nullopt;
}

std::optional<std::string> SetMaxConnections(std::string_view text, ListenerDraft* draft) {
  const auto number = ParseNumber(text, Unit::kCount);
  if (!number || *number < kConnections.min || *number > kConnections.max) {
    return DescribeNumber(Unit::kCount, kConnections);
  }
  draft->max_connections = static_cast<uint32_t>(*number);
  return std::nullopt;
}

constexpr ListenerField kFields[] = {
    {"url", "required", kUrlForm,
     "Where to listen. IPv6 in brackets (`tcp://[::1]:1883`); port 0 lets the system pick; without "
     "a "
     "port it is 1883. `tls://`, `ws://` and `wss://` are not supported in this version.",
     SetListenerUrl},
    {"name", "the URL", kName, "Name in logs.", SetName},
    {"allow_anonymous", "true on loopback, else false", "true or false",
     "Whether a client without credentials is served. Elsewhere than on loopback it must be said.",
     SetAllowAnonymous},
    {"max_connections", "1000000", "integer 1..4294967295",
     "Connections on this listener; more are closed at accept.", SetMaxConnections},
};

// Reads `name=value` pairs joined by `&`.
std::optional<std::string> SetQuery(std::string_view query, ListenerDraft* draft) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    const auto field = std::find_if(std::begin(kFields) + 1, std::end(kFields), [&](const auto& f) {
      return f.name == pair.substr(0, equals);
    });
    if (equals == pair.npos || field == std::end(kFields)) {
      return "after '?': name=TEXT, allow_anonymous=true|false, max_connections=N, joined by '&'";
    }
    if (auto refused = field->set(pair.substr(equals + 1), draft)) {
      return std::string(field->name) + ": " + *refused;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Address> ParseAddress(std::string_view text, std::optional<uint16_t> default_port) {
  const bool bracketed = !text.empty() && text.front() == '[';
  const size_t host_end = bracketed ? text.find(']') : text.rfind(':');
  if (bracketed && host_end == text.npos) return std::nullopt;
  const std::string host(bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end));
  std::string_view rest;
  if (bracketed) rest = text.substr(host_end + 1);
  if (!bracketed && host_end != text.npos) rest = text.substr(host_end);

  if (bracketed ? !IsIpv6(host) : !IsIpv4(host) && !IsHostName(host)) return std::nullopt;
  if (rest.empty()) {
    if (!default_port) return std::nullopt;
    return Address{host, *default_port};
  }
  const auto port = ParseNumber(rest.substr(1), Unit::kCount);
  if (rest.front() != ':' || !port || *port > UINT16_MAX) return std::nullopt;
  return Address{host, static_cast<uint16_t>(*port)};
}

std::string FormatAddress(const Address& address) {
  const bool ipv6 = address.host.find(':') != std::string::npos;
  const std::string host = ipv6 ? "[" + address.host + "]" : address.host;
  return host + ":" + std::to_string(address.port);
}

bool IsLoopback(std::string_view host) {
  if (host == "localhost") return true;
  const std::string text(host);
  in6_addr ipv6;
  if (inet_pton(AF_INET6, text.c_str(), &ipv6) == 1) return IN6_IS_ADDR_LOOPBACK(&ipv6);
  return IsIpv4(text) && text.starts_with("127.");
}

std::span<const ListenerField> ListenerFields() {
  return kFields;
}

std::optional<std::string> SetListenerUrl(std::string_view url, ListenerDraft* draft) {
  for (const std::string_view later : {"tls://", "ws://", "wss://"}) {
    if (url.starts_with(later)) {
      return std::string(kUrlForm) + " (" + std::string(later) +
             " is not supported in this version)";
    }
  }
  constexpr std::string_view kScheme = "tcp://";
  if (!url.starts_with(kScheme)) return std::string(kUrlForm);
  url.remove_prefix(kScheme.size());
  const size_t question = url.find('?');
  if (question != url.npos) {
    if (auto refused = SetQuery(url.substr(question + 1), draft)) return refused;
  }
  draft->address = ParseAddress(url.substr(0, question), kMqttPort);
  if (!draft->address) return std::string(kUrlForm);
  return std::nullopt;
}

Listener FinishListener(const ListenerDraft& draft) {
  Listener listener;
  if (draft.address) listener.address = *draft.address;
  listener.name = draft.name.value_or("tcp://" + FormatAddress(listener.address));
  listener.allow_anonymous = draft.allow_anonymous.value_or(IsLoopback(listener.address.host));
  listener.max_connections = draft.max_connections.value_or(listener.max_connections);
  return listener;
}

}  // namespace skein::config
