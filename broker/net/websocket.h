// MQTT in WebSocket frames.
//
// Purpose: see transport.h; the upgrade, then binary frames both ways. What one call of Write() is
// given leaves as one frame, without a copy; a client may cut its frames as it likes
// [MQTT-6.0.0-2]. Limits: 8 KiB while the upgrade is under way; afterwards a control frame at most.
// When the kernel takes a part of a frame only, the rest of it is what the next Write() begins
// with; control frames go out between frames.
#pragma once

#include <memory>

#include "broker/net/transport.h"
#include "broker/net/websocket_handshake.h"

namespace skein::net {

// options outlive the transport. below: TLS or a PROXY header; null: the descriptor itself.
std::unique_ptr<Transport> MakeWebSocketTransport(std::shared_ptr<const WebSocketOptions> options,
                                                  std::unique_ptr<Transport> below, int fd);

}  // namespace skein::net
