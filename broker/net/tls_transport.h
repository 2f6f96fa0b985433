// The server side of TLS on one connection.
//
// Purpose: see transport.h; the handshake is driven by Read() and Flush(), about half a millisecond
// of the shard's time. Limits: one record (16 KiB) of input and of output while they are under way;
// nothing is held when the connection is idle but OpenSSL's own state. One call of Write() takes up
// to 16 KiB, gathered in one record. A record that the descriptor refuses stays inside, encrypted
// and plain, until Flush() or the next Write() got rid of it: what was taken is never wanted again,
// and what comes next may be anything.
#pragma once

#include <memory>

#include "broker/net/tls_context.h"
#include "broker/net/transport.h"

namespace skein::net {

// below: what lies under TLS (a PROXY header); null: the descriptor itself. Null: no memory.
std::unique_ptr<Transport> MakeTlsTransport(std::shared_ptr<const TlsContext> context,
                                            std::unique_ptr<Transport> below, int fd);

}  // namespace skein::net
