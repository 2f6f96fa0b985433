// What comes before MQTT: the WebSocket handshake, its frames, the PROXY header.
//
// First byte: which of them. The rest is what the peer sends; how it is cut into pieces must not
// change what is read.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/base/check.h"
#include "broker/net/proxy_header.h"
#include "broker/net/websocket_frames.h"
#include "broker/net/websocket_handshake.h"

namespace skein::net {
namespace {

constexpr size_t kMaxMessage = 1'000;

struct Decoded {
  std::string payload;
  WebSocketDecoder::Status status = WebSocketDecoder::Status::kOk;
  uint16_t close_code = 0;
  std::string pong;

  bool operator==(const Decoded&) const = default;
};

// `step`: bytes a piece; 0: all at once.
Decoded DecodeFrames(std::string_view wire, size_t step) {
  WebSocketDecoder decoder(kMaxMessage);
  Decoded decoded;
  while (!wire.empty() && decoded.status == WebSocketDecoder::Status::kOk) {
    std::string piece(wire.substr(0, step == 0 ? wire.size() : step));
    wire.remove_prefix(piece.size());
    size_t payload = 0;
    decoded.status = decoder.Decode(piece.data(), piece.size(), &payload);
    SKEIN_CHECK(payload <= piece.size());
    decoded.payload.append(piece, 0, payload);
  }
  if (decoded.status == WebSocketDecoder::Status::kError) {
    SKEIN_CHECK(!decoder.failure().empty());
  }
  if (decoded.status != WebSocketDecoder::Status::kOk) decoded.close_code = decoder.close_code();
  if (decoder.pong_due()) {
    decoded.pong = decoder.TakePong();
    SKEIN_CHECK(decoded.pong.size() <= 125 && !decoder.pong_due());
  }
  return decoded;
}

void Frames(std::string_view wire) {
  const Decoded whole = DecodeFrames(wire, 0);
  for (const size_t step : {1, 3, 16})
    SKEIN_CHECK(DecodeFrames(wire, step) == whole);
}

void Handshake(std::string_view head) {
  const WebSocketOptions options{{"/mqtt"}, {"https://a.example"}, kMaxMessage};
  using Status = UpgradeResult::Status;
  const UpgradeResult whole = JudgeUpgrade(head, options);
  if (whole.status == Status::kAccept) {
    SKEIN_CHECK(whole.size <= head.size() && whole.answer.starts_with("HTTP/1.1 101 "));
    // What follows the request does not matter, and nothing less was enough.
    SKEIN_CHECK(JudgeUpgrade(head.substr(0, whole.size), options).status == Status::kAccept);
    SKEIN_CHECK(JudgeUpgrade(head.substr(0, whole.size - 1), options).status == Status::kNeedMore);
  } else if (whole.status == Status::kRefuse) {
    SKEIN_CHECK(!whole.failure.empty() && whole.answer.starts_with("HTTP/1.1 "));
  } else {
    SKEIN_CHECK(head.size() <= kMaxRequestBytes && whole.answer.empty());
  }
}

void Proxy(std::string_view wire) {
  // As the transport does: no byte is read that may belong to what follows.
  std::string head;
  for (size_t at = 0;;) {
    const ProxyHeader parsed = ParseProxyHeader(head);
    if (parsed.status == ProxyHeader::Status::kError) {
      SKEIN_CHECK(!parsed.failure.empty());
      return;
    }
    if (parsed.status == ProxyHeader::Status::kComplete) {
      SKEIN_CHECK(!parsed.source.has_value() || parsed.source->known());
      return;
    }
    SKEIN_CHECK(parsed.needed > 0 && head.size() + parsed.needed <= 16 + 4096 + 107);
    if (at == wire.size()) return;
    const std::string_view piece = wire.substr(at, parsed.needed);
    head.append(piece);
    at += piece.size();
  }
}

}  // namespace
}  // namespace skein::net

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      skein::net::Frames(rest);
      break;
    case 1:
      skein::net::Handshake(rest);
      break;
    default:
      skein::net::Proxy(rest);
  }
  return 0;
}
