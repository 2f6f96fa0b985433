// What lies between a descriptor and the bytes of MQTT.
//
// Purpose: TLS, WebSocket and the PROXY header behind one small interface, stacked as the listener
// says (PROXY below TLS below WebSocket). A plain tcp connection has no transport at all: its shard
// reads and writes the descriptor itself. Owner and thread: the connection; one thread at a time
// (it moves with the connection to another shard). The descriptor is not owned: the bottom of the
// stack was given it at birth, and it stays the same for life. Limits: each implementation states
// what it buffers; an idle one holds no buffers. Errors: kError with EPROTO for a peer that breaks
// the transport's rules, `failure()` says which; otherwise the errno.
#pragma once

#include <sys/uio.h>

#include <string_view>

#include "broker/base/certificate.h"
#include "broker/net/listener.h"
#include "broker/net/socket.h"

namespace skein::net {

class Transport {
 public:
  virtual ~Transport() = default;

  // Bytes of MQTT. size > 0. kWouldBlock: come again when the descriptor is readable (or writable,
  // if wants_write()). A short read does not mean that nothing is left: ask has_input().
  virtual IoResult Read(char* buffer, size_t size) = 0;

  // Takes bytes of MQTT; kOk with fewer than given, or kWouldBlock with none, when the peer does
  // not read. What was taken may wait inside: see wants_write(). The parts that were not taken are
  // offered again, perhaps at another address. All parts of one call leave together where the
  // transport has frames or records.
  virtual IoResult Write(const iovec* parts, int count) = 0;

  // Tries to write what waits inside. kOk (bytes 0) when nothing is left.
  virtual IoResult Flush() = 0;

  // Something waits inside for the descriptor to be writable (taken output, a handshake, a pong):
  // watch EPOLLOUT, then Flush().
  virtual bool wants_write() const = 0;

  // There is input inside that no EPOLLIN will announce: Read() again without waiting.
  virtual bool has_input() const = 0;

  // The handshake is not over: no byte of MQTT has been seen.
  virtual bool handshaking() const = 0;

  // We send nothing more: TLS close_notify, WebSocket close frame, then the write side is shut.
  // Best effort, does not block.
  virtual void Shutdown() = 0;

  // The client's end as the PROXY header told it; null: the descriptor's peer.
  virtual const PeerAddress* peer() const { return nullptr; }

  // The verified client certificate; null: none was given, or none was asked for.
  virtual const CertificateIdentity* certificate() const { return nullptr; }

  // Why the last call returned kError: a rule, for a log line. Static storage.
  virtual std::string_view failure() const = 0;
};

}  // namespace skein::net
