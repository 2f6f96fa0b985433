// The admin API: what an operator can ask a running node.
//
// Purpose: decides who may ask, finds what a request names, and turns Node's answers into JSON.
// docs/operations.md lists the requests. Owner: cmd/. Thread: Handle() on any, several at a time.
// Limits: bodies as HttpServer has them; a list of routes has at most kMostRoutes rows. Errors: a
// status with {"error": "what is wrong"}.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "broker/admin/http.h"
#include "broker/admin/node.h"
#include "broker/base/log.h"

namespace skein::admin {

struct ApiOptions {
  std::string token_file;   // empty: whoever reaches the listener may ask
  std::string listen_host;  // as configured
  Node* node = nullptr;
  Logger* log = nullptr;
};

class Api {
 public:
  static constexpr size_t kDefaultRoutes = 1'000;
  static constexpr size_t kMostRoutes = 10'000;

  explicit Api(ApiOptions options) : options_(std::move(options)) {}

  Response Handle(const Request& request);

  // Counters, any thread.
  uint64_t requests() const { return requests_.load(); }
  uint64_t refused() const { return refused_.load(); }  // 401 and 403
  uint64_t busy() const { return busy_.load(); }        // 503

 private:
  struct Entry;
  static const Entry kEntries[];

  Response Dispatch(const Request& request);
  // Whether it may ask for more than its health. Status 200: yes.
  Response Admit(const Request& request) const;

  Response Live(const Request& request);
  Response Ready(const Request& request);
  Response Cluster(const Request& request);
  Response Partitions(const Request& request);
  Response Routes(const Request& request);
  Response Drain(const Request& request);
  Response Leave(const Request& request);
  Response Forget(const Request& request);

  const ApiOptions options_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> busy_{0};
};

}  // namespace skein::admin
