// The HTTP listener of the admin API.
//
// Purpose: takes requests from sockets, hands them to a handler, writes its answers. Owner: cmd/.
// Thread: one that accepts, kThreads that read, handle and write; nothing of it touches a shard's
// thread. Life: Listen() once, Stop() once. Limits: a connection has one request, of kRequestBytes
// with its headers, and kRequestMs for all of it, and as long again to take its answer; kWaiting
// connections wait for a thread, then the kernel's queue. TLS counts among those. Errors: Listen()
// says why an address cannot be had; what is no HTTP, too large or too slow is closed or answered
// with 4xx.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broker/admin/http.h"

struct ssl_st;

namespace skein::admin {

// Makes the server's side of a TLS connection, which the caller owns; null: plain HTTP is spoken.
using NewTls = std::function<ssl_st*()>;

class HttpServer {
 public:
  static constexpr size_t kThreads = 8;
  static constexpr size_t kWaiting = 16;
  static constexpr size_t kRequestBytes = 64 << 10;
  static constexpr int kRequestMs = 5'000;

  // The handler is called on any of the threads; so is new_tls, which may be empty.
  explicit HttpServer(Handler handler, NewTls new_tls = {});
  ~HttpServer();

  // Listens and serves; the error is what the system says. Returns the port, which the system picks
  // for 0.
  absl::StatusOr<uint16_t> Listen(const std::string& host, uint16_t port);

  // Breaks off what is under way. No call of the handler after it.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace skein::admin
