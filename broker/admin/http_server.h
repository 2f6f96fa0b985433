// The HTTP listener of the admin API.
//
// Purpose: takes requests from sockets, hands them to a handler, writes its answers. Owner: cmd/.
// Thread: one that accepts, kThreads that read, handle and write; nothing of it touches a shard's
// thread. Life: Listen() once, Stop() once. Limits: a connection has one request, of kRequestBytes
// with its headers, and kRequestMs for all of it; kWaiting connections wait for a thread, then the
// kernel's queue. Errors: Listen() says why an address cannot be had; what is no HTTP, too large or
// too slow is closed or answered with 4xx.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broker/admin/http.h"

namespace skein::admin {

class HttpServer {
 public:
  static constexpr size_t kThreads = 4;
  static constexpr size_t kWaiting = 16;
  static constexpr size_t kRequestBytes = 64 << 10;
  static constexpr int kRequestMs = 5'000;

  // The handler is called on any of the threads.
  explicit HttpServer(Handler handler);
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
