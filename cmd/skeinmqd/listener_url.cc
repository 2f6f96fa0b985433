// See listener_url.h.
#include "cmd/skeinmqd/listener_url.h"

#include <arpa/inet.h>

#include <algorithm>

#include "cmd/skeinmqd/record_fields.h"
#include "cmd/skeinmqd/values.h"

namespace skein::config {
namespace {

struct SchemeRow {
  std::string_view prefix;
  Scheme scheme;
  uint16_t port;  // when the URL has none
};
constexpr SchemeRow kSchemes[] = {{"tcp://", Scheme::kTcp, 1883},
                                  {"tls://", Scheme::kTls, 8883},
                                  {"ws://", Scheme::kWs, 8083},
                                  {"wss://", Scheme::kWss, 8084}};
constexpr std::array<std::string_view, 3> kClientCertificates = {"none", "optional", "required"};
constexpr Range kConnections{1, UINT32_MAX};
constexpr Range kRates{0, 1'000'000'000};
constexpr std::string_view kUrlForm =
    "tcp://HOST:PORT, tls://, ws:// or wss://, for example tcp://127.0.0.1:1883";
constexpr std::string_view kName = "1..64 characters";
constexpr std::string_view kFile = "a path";

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

Refusal SetAllowAnonymous(std::string_view text, ListenerDraft* draft) {
  return ReadBool(text, &draft->allow_anonymous.emplace());
}

Refusal SetMaxConnections(std::string_view text, ListenerDraft* draft) {
  return ReadCount(text, Unit::kCount, kConnections, &draft->max_connections.emplace());
}

Refusal SetMaxHandshakes(std::string_view text, ListenerDraft* draft) {
  return ReadCount(text, Unit::kCount, kConnections, &draft->rest.max_handshakes);
}

template <uint32_t Listener::*kMember>
Refusal SetRate(std::string_view text, ListenerDraft* draft) {
  return ReadCount(text, Unit::kCount, kRates, &(draft->rest.*kMember));
}

template <uint64_t Listener::*kMember>
Refusal SetBytes(std::string_view text, ListenerDraft* draft) {
  uint32_t bytes = 0;
  const Refusal refusal = ReadCount(text, Unit::kBytes, kRates, &bytes);
  draft->rest.*kMember = bytes;
  return refusal;
}

Refusal SetPatience(std::string_view text, ListenerDraft* draft) {
  return ReadCount(text, Unit::kSeconds, {0, 86'400}, &draft->rest.publish_patience);
}

Refusal SetMaxMessage(std::string_view text, ListenerDraft* draft) {
  return ReadCount(text, Unit::kBytes, {1 << 10, 1 << 30}, &draft->rest.max_message_bytes);
}

Refusal SetClientCertificates(std::string_view text, ListenerDraft* draft) {
  return ReadWord(text, kClientCertificates, &draft->client_certificates.emplace());
}

Refusal SetMinVersion(std::string_view text, ListenerDraft* draft) {
  draft->rest.only_tls13 = text == "1.3";
  return text == "1.2" || text == "1.3" ? std::nullopt : Refusal("1.2 or 1.3");
}

Refusal SetPaths(std::string_view text, ListenerDraft* draft) {
  draft->rest.paths = SplitList(text);
  for (const std::string& path : draft->rest.paths) {
    if (!path.starts_with('/')) return "paths that begin with /";
  }
  return std::nullopt;
}

template <std::string Listener::*kMember>
Refusal SetText(std::string_view text, ListenerDraft* draft) {
  draft->rest.*kMember = text;
  return std::nullopt;
}

template <std::vector<std::string> Listener::*kMember>
Refusal SetList(std::string_view text, ListenerDraft* draft) {
  draft->rest.*kMember = SplitList(text);
  return std::nullopt;
}

template <bool Listener::*kMember>
Refusal SetFlag(std::string_view text, ListenerDraft* draft) {
  return ReadBool(text, &(draft->rest.*kMember));
}

constexpr ListenerField kFields[] = {
    {"url", "required", kUrlForm,
     "Where to listen. IPv6 in brackets (`tcp://[::1]:1883`); port 0 lets the system pick; without "
     "a port it is 1883 for tcp, 8883 for tls, 8083 for ws, 8084 for wss.",
     SetListenerUrl},
    {"name", "the URL", kName, "Name in logs.", SetName},
    {"allow_anonymous", "true on loopback without authentication, else false", "true or false",
     "Whether a client without credentials is served. Elsewhere than on loopback it must be said.",
     SetAllowAnonymous},
    {"authentication", "empty", "names of authenticators",
     "Who is asked about a client, in this order. The first that allows or denies decides.",
     SetList<&Listener::authentication>},
    {"max_connections", "1000000", "integer 1..4294967295",
     "Connections on this listener; more are closed at accept.", SetMaxConnections},
    {"max_handshakes", "10000", "integer 1..4294967295",
     "Connections without an accepted CONNECT; more are closed at accept.", SetMaxHandshakes},
    {"publish_rate", "0", "integer 0..1000000000",
     "PUBLISH of one client a second; it is read no faster. 0 is no limit.",
     SetRate<&Listener::publish_rate>},
    {"publish_bytes", "0", "size 0..1000000000",
     "Bytes of PUBLISH of one client a second; it is read no faster. 0 is no limit.",
     SetBytes<&Listener::publish_bytes>},
    {"publish_patience", "0s", "duration 0s..24h",
     "A client that has been over publish_rate or publish_bytes for so long without a rest is "
     "disconnected with 0x96; 0 is never.",
     SetPatience},
    {"total_publish_rate", "0", "integer 0..1000000000",
     "PUBLISH of all clients of the listener a second; they are read no faster. 0 is no limit.",
     SetRate<&Listener::total_publish_rate>},
    {"total_publish_bytes", "0", "size 0..1000000000", "The same in bytes.",
     SetBytes<&Listener::total_publish_bytes>},
    {"connection_rate", "0", "integer 0..1000000000",
     "New connections a second; more are closed at accept. 0 is no limit.",
     SetRate<&Listener::connection_rate>},
    {"connection_rate_per_source", "0", "integer 0..1000000000",
     "The same from one IPv4 address or one IPv6 /64. Behind a load balancer it is the client's "
     "address that counts, and CONNACK says 0x9F. 0 is no limit.",
     SetRate<&Listener::connection_rate_per_source>},
    {"proxy_from", "empty", "addresses and ranges, 192.0.2.0/24",
     "Load balancers. A PROXY header (version 1 or 2) is then required, and nobody else may "
     "connect.",
     SetList<&Listener::proxy_from>},
    {"cert_file", "required for tls and wss", kFile,
     "PEM: the certificate and those that lead to its authority. Several files: chosen by SNI, the "
     "first is the default.",
     SetList<&Listener::cert_files>},
    {"key_file", "required for tls and wss", kFile, "PEM: the private key; as many as cert_file.",
     SetList<&Listener::key_files>},
    {"key_password_file", "empty", kFile, "First line: the password of the private keys.",
     SetText<&Listener::key_password_file>},
    {"client_ca_file", "empty", kFile, "PEM: authorities that client certificates must come from.",
     SetText<&Listener::client_ca_file>},
    {"client_certificates", "required with client_ca_file, else none", "none, optional or required",
     "Whether clients show a certificate.", SetClientCertificates},
    {"crl_file", "empty", kFile,
     "PEM: revoked client certificates, signed by an authority of client_ca_file. When it is "
     "overdue "
     "nobody with a certificate of that authority gets in.",
     SetText<&Listener::crl_file>},
    {"tls_min_version", "1.2", "1.2 or 1.3", "Oldest TLS.", SetMinVersion},
    {"ciphers", "ECDHE with an AEAD", "OpenSSL's notation",
     "Ciphers of TLS 1.2. What is not an AEAD is refused.", SetText<&Listener::ciphers>},
    {"ciphersuites", "OpenSSL's", "OpenSSL's notation", "Ciphers of TLS 1.3.",
     SetText<&Listener::ciphersuites>},
    {"session_resumption", "true", "true or false", "Whether TLS sessions can be resumed.",
     SetFlag<&Listener::session_resumption>},
    {"paths", "/mqtt", "paths that begin with /", "WebSocket paths served; empty: all.", SetPaths},
    {"origins", "*", "origins, https://app.example, or *",
     "Web pages that may connect. Clients that are no browsers send no origin and may.",
     SetList<&Listener::origins>},
    {"max_message_bytes", "256MiB", "size 1KiB..1GiB",
     "Largest WebSocket message, which may hold many packets. Larger: closed with 1009.",
     SetMaxMessage},
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
      return "after '?': FIELD=TEXT joined by '&', with the fields of a listener: name, "
             "allow_anonymous, cert_file, ...";
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

std::string FormatUrl(const Listener& listener) {
  return std::string(kSchemes[static_cast<size_t>(listener.scheme)].prefix) +
         FormatAddress(listener.address);
}

std::optional<std::string> SetListenerUrl(std::string_view url, ListenerDraft* draft) {
  const auto row =
      std::find_if(std::begin(kSchemes), std::end(kSchemes),
                   [&](const SchemeRow& each) { return url.starts_with(each.prefix); });
  if (row == std::end(kSchemes)) return std::string(kUrlForm);
  url.remove_prefix(row->prefix.size());
  draft->rest.scheme = row->scheme;
  const size_t question = url.find('?');
  if (question != url.npos) {
    if (auto refused = SetQuery(url.substr(question + 1), draft)) return refused;
  }
  draft->address = ParseAddress(url.substr(0, question), row->port);
  if (!draft->address) return std::string(kUrlForm);
  return std::nullopt;
}

Listener FinishListener(const ListenerDraft& draft) {
  Listener listener = draft.rest;
  if (draft.address) listener.address = *draft.address;
  listener.name = draft.name.value_or(FormatUrl(listener));
  listener.allow_anonymous = draft.allow_anonymous.value_or(listener.authentication.empty() &&
                                                            IsLoopback(listener.address.host));
  listener.max_connections = draft.max_connections.value_or(listener.max_connections);
  listener.client_certificates = draft.client_certificates.value_or(
      listener.client_ca_file.empty() ? ClientCertificates::kNone : ClientCertificates::kRequired);
  return listener;
}

}  // namespace skein::config
