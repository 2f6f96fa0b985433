// The HTTP request that opens a WebSocket, and its answer (RFC 6455 section 4).
//
// Purpose: judges the request as a pure function: bytes in, answer out. Thread: pure. Limits:
// kMaxRequestBytes for the whole head. Errors: an answer with a status other than 101, after which
// the connection ends; `failure` says why, for the log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace skein::net {

struct WebSocketOptions {
  // Request targets served, without their query; empty: any. Others get 404.
  std::vector<std::string> paths = {"/mqtt"};
  // Values of Origin that are let in, "https://app.example"; "*": all. A request without Origin
  // does not come from a browser's page and needs none. Others get 403.
  std::vector<std::string> origins = {"*"};
  // Bytes of one message, however it is cut into frames. Beyond: close 1009.
  size_t max_message_bytes = 268'435'460;
};

inline constexpr size_t kMaxRequestBytes = 8 * 1024;

struct UpgradeResult {
  enum class Status : unsigned char { kNeedMore, kAccept, kRefuse };
  Status status = Status::kNeedMore;
  size_t size = 0;           // bytes of the request; frames follow
  std::string answer;        // to be sent, unless kNeedMore
  std::string_view failure;  // with kRefuse; static storage
};

// `head` begins with the request. The subprotocol is `mqtt`, or `mqttv3.1` for old clients
// [MQTT-6.0.0-3] [MQTT-6.0.0-4]. Extensions (permessage-deflate) are never agreed on.
UpgradeResult JudgeUpgrade(std::string_view head, const WebSocketOptions& options);

}  // namespace skein::net
