#include "broker/net/websocket_handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace skein::net {
namespace {

using Status = UpgradeResult::Status;

constexpr char kGuid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
constexpr size_t kMaxHeaders = 64;

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

// Calls visit(element) for the elements of a comma-separated list.
template <typename Visit>
void EachElement(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    visit(Trim(list.substr(0, comma)));
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
  }
}

bool HasElement(std::string_view list, std::string_view wanted) {
  bool found = false;
  EachElement(list, [&](std::string_view element) {
    found |= absl::EqualsIgnoreCase(View(element), View(wanted));
  });
  return found;
}

struct Request {
  std::string_view target;
  std::optional<std::string_view> host, key, version, origin;
  std::string upgrade, connection, protocols;  // may come in several lines
};

struct Refusal {
  const char* status;  // "400 Bad Request"; null: none
  std::string_view why;
  const char* extra = "";  // header lines
};

constexpr Refusal kNone{nullptr, {}};
constexpr Refusal Bad(std::string_view why) {
  return {"400 Bad Request", why};
}

void Append(std::string_view value, std::string* list) {
  if (!list->empty()) list->append(",");
  list->append(value);
}

Refusal TakeHeader(std::string_view name, std::string_view value, Request* request) {
  const auto is = [&](std::string_view wanted) {
    return absl::EqualsIgnoreCase(View(name), View(wanted));
  };
  const auto once = [&](std::optional<std::string_view>* field) {
    if (field->has_value()) return Bad("websocket: a header is given twice");
    *field = value;
    return kNone;
  };
  if (is("Host")) return once(&request->host);
  if (is("Sec-WebSocket-Key")) return once(&request->key);
  if (is("Sec-WebSocket-Version")) return once(&request->version);
  if (is("Origin")) return once(&request->origin);
  if (is("Upgrade")) Append(value, &request->upgrade);
  if (is("Connection")) Append(value, &request->connection);
  if (is("Sec-WebSocket-Protocol")) Append(value, &request->protocols);
  if (is("Content-Length") && value != "0") return Bad("websocket: the request has a body");
  if (is("Transfer-Encoding")) return Bad("websocket: the request has a body");
  return kNone;
}

Refusal ParseHead(std::string_view head, Request* request) {
  const size_t end = head.find("\r\n");
  const std::string_view line = head.substr(0, end);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == line.npos || last == first) return Bad("websocket: not an HTTP request");
  if (line.substr(0, first) != "GET")
    return {"405 Method Not Allowed", "websocket: the method is not GET (RFC 6455 4.1)",
            "Allow: GET\r\n"};
  if (line.substr(last + 1) != "HTTP/1.1")
    return {"505 HTTP Version Not Supported", "websocket: not HTTP/1.1 (RFC 6455 4.1)"};
  request->target = line.substr(first + 1, last - first - 1);
  if (request->target.empty() || request->target.find(' ') != std::string_view::npos)
    return Bad("websocket: bad request target");
  head.remove_prefix(end + 2);
  for (size_t count = 0; !head.starts_with("\r\n"); ++count) {
    if (count == kMaxHeaders)
      return {"431 Request Header Fields Too Large", "websocket: too many headers"};
    const std::string_view header = head.substr(0, head.find("\r\n"));
    const bool plain = std::none_of(header.begin(), header.end(), [](char c) {
      return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
    });
    if (!plain) return Bad("websocket: a control character in a header");
    const size_t colon = header.find(':');
    if (colon == header.npos || !IsToken(header.substr(0, colon)))
      return Bad("websocket: a header line is malformed");
    const Refusal refusal =
        TakeHeader(header.substr(0, colon), Trim(header.substr(colon + 1)), request);
    if (refusal.status != nullptr) return refusal;
    head.remove_prefix(header.size() + 2);
  }
  return kNone;
}

Refusal JudgeRequest(const Request& request, const WebSocketOptions& options) {
  if (!request.host.has_value()) return Bad("websocket: no Host header (RFC 6455 4.1)");
  if (!HasElement(request.upgrade, "websocket") || !HasElement(request.connection, "Upgrade")) {
    return {"426 Upgrade Required", "websocket: the request does not ask for an upgrade",
            "Upgrade: websocket\r\n"};
  }
  if (request.version != "13") {
    return {"426 Upgrade Required", "websocket: not version 13 (RFC 6455 4.4)",
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"};
  }
  std::string key;
  if (!request.key.has_value() || !absl::Base64Unescape(View(*request.key), &key) ||
      key.size() != 16)
    return Bad("websocket: bad Sec-WebSocket-Key (RFC 6455 4.1)");
  const std::string_view path = request.target.substr(0, request.target.find('?'));
  if (!options.paths.empty() &&
      std::find(options.paths.begin(), options.paths.end(), path) == options.paths.end())
    return {"404 Not Found", "websocket: no such path"};
  const bool any =
      std::find(options.origins.begin(), options.origins.end(), "*") != options.origins.end();
  if (request.origin.has_value() && !any &&
      std::find(options.origins.begin(), options.origins.end(), *request.origin) ==
          options.origins.end())
    return {"403 Forbidden", "websocket: the origin is not on the list"};
  return kNone;
}

// The first of ours that is offered; empty: none.
std::string_view ChooseProtocol(std::string_view offered) {
  std::string_view chosen;
  EachElement(offered, [&](std::string_view element) {
    if (!chosen.empty()) return;
    for (const std::string_view ours : {"mqtt", "mqttv3.1"}) {
      if (element == ours) chosen = ours;
    }
  });
  return chosen;
}

std::string AcceptKey(std::string_view key) {
  const std::string text = absl::StrCat(View(key), kGuid);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

}  // namespace

UpgradeResult JudgeUpgrade(std::string_view head, const WebSocketOptions& options) {
  UpgradeResult result;
  const size_t end = head.find("\r\n\r\n");
  Request request;
  Refusal refusal = kNone;
  std::string_view protocol;
  if (end == head.npos || end + 4 > kMaxRequestBytes) {
    if (end == head.npos && head.size() < kMaxRequestBytes) return result;
    refusal = {"431 Request Header Fields Too Large", "websocket: the request is too long"};
  } else {
    result.size = end + 4;
    refusal = ParseHead(head.substr(0, result.size), &request);
    if (refusal.status == nullptr) refusal = JudgeRequest(request, options);
    if (refusal.status == nullptr) {
      protocol = ChooseProtocol(request.protocols);
      if (protocol.empty()) refusal = Bad("[MQTT-6.0.0-3] the subprotocol mqtt is not offered");
    }
  }
  if (refusal.status != nullptr) {
    result.status = Status::kRefuse;
    result.failure = refusal.why;
    result.answer = absl::StrCat("HTTP/1.1 ", refusal.status, "\r\n", refusal.extra,
                                 "Content-Length: 0\r\nConnection: close\r\n\r\n");
    return result;
  }
  result.status = Status::kAccept;
  result.answer = absl::StrCat(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: ",
      AcceptKey(*request.key), "\r\nSec-WebSocket-Protocol: ", View(protocol), "\r\n\r\n");
  return result;
}

}  // namespace skein::net
