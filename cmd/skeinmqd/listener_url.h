// Listener URLs and addresses.
//
// Purpose: `tcp://HOST:PORT` with options as a query, `tcp://0.0.0.0:1883?allow_anonymous=true`,
// and the fields a listener has in YAML, from one table. Pure functions, any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cmd/skeinmqd/config.h"

namespace skein::config {

// HOST:PORT, IPv6 in brackets. The host must be a numeric address or a plausible host name. Without
// ":PORT" the default port is taken, unless it is nullopt: then the port is required.
std::optional<Address> ParseAddress(std::string_view text, std::optional<uint16_t> default_port);

// "127.0.0.1:1883", "[::1]:1883".
std::string FormatAddress(const Address& address);

// 127.0.0.0/8, ::1 and the name localhost.
bool IsLoopback(std::string_view host);

// "tls://127.0.0.1:8883".
std::string FormatUrl(const Listener& listener);

// A listener while it is being read: what was not said yet is unset.
struct ListenerDraft {
  std::optional<Address> address;
  std::optional<std::string> name;
  std::optional<bool> allow_anonymous;
  std::optional<uint32_t> max_connections;
  std::optional<ClientCertificates> client_certificates;
  Listener rest;  // what has a default of its own
};

// One field of a record. `set` returns what was allowed when it refuses the text. A list is its
// elements joined by commas.
template <typename Draft>
struct RecordField {
  std::string_view name;
  std::string_view default_text;
  std::string_view allowed;
  std::string_view help;
  std::optional<std::string> (*set)(std::string_view text, Draft* draft);
};
using ListenerField = RecordField<ListenerDraft>;

std::span<const ListenerField> ListenerFields();

// Reads a URL with its query into `draft`. Returns what was allowed when it refuses.
std::optional<std::string> SetListenerUrl(std::string_view url, ListenerDraft* draft);

// Fills what was not said with defaults. Needs an address.
Listener FinishListener(const ListenerDraft& draft);

}  // namespace skein::config
