// The admin API: what an operator can ask a running node.
//
// Purpose: decides who may ask, finds what a request names, and turns the ports' answers into JSON.
// docs/openapi.json describes the requests. Owner: cmd/. Thread: Handle() on any, several at a
// time. Limits: bodies as HttpServer has them; a list of routes has at most kMostRoutes rows,
// others kMostRows. Errors: a status with {"error": "what is wrong"}.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "broker/admin/api_clients.h"
#include "broker/admin/api_messages.h"
#include "broker/admin/api_settings.h"
#include "broker/admin/api_traces.h"
#include "broker/admin/gate.h"
#include "broker/admin/http.h"
#include "broker/admin/node.h"
#include "broker/admin/router.h"
#include "broker/base/log.h"
#include "broker/base/mutex.h"

namespace skein::admin {

// Who may read the metrics. They have no client ids, topics or user names in them.
enum class MetricsAccess : uint8_t {
  kOpen,   // whoever reaches the listener, as for the probes
  kToken,  // as for everything else
  kOff,    // nobody
};

struct ApiOptions {
  GateOptions gate;
  Node* node = nullptr;
  Clients* clients = nullptr;
  Messages* messages = nullptr;
  Settings* settings = nullptr;
  Traces* traces = nullptr;
  Peers* peers = nullptr;  // null: there are no other nodes
  Logger* log = nullptr;
  MetricsAccess metrics_access = MetricsAccess::kOpen;
  std::function<std::string()> metrics = {};  // the text of a scrape, on the API's thread
};

class Api {
 public:
  static constexpr size_t kDefaultRoutes = 1'000;
  static constexpr size_t kMostRoutes = 10'000;

  explicit Api(ApiOptions options);

  Response Handle(const Request& request);

  // Counters, any thread.
  uint64_t requests() const { return requests_.load(); }
  uint64_t refused() const { return refused_.load(); }  // 401 and 403
  uint64_t busy() const { return busy_.load(); }        // 503
  // By status; those that occurred.
  std::map<int, uint64_t> answers() const;

  const Router& router() const { return router_; }

 private:
  Response Dispatch(Request* request);
  // Whether the caller may ask for what needs this role. Status 200: yes, and *who is known.
  Response Admit(const Request& request, Role role, std::string* who) const;

  void AddRoutes();
  Response Live(const Request& request, const Values& values);
  Response Ready(const Request& request, const Values& values);
  Response Started(const Request& request, const Values& values);
  Response Metrics(const Request& request, const Values& values);
  Response Overview(const Request& request, const Values& values);
  Response Cluster(const Request& request, const Values& values);
  Response Partitions(const Request& request, const Values& values);
  Response Routes(const Request& request, const Values& values);
  Response Drain(const Request& request, const Values& values);
  Response Leave(const Request& request, const Values& values);
  Response Forget(const Request& request, const Values& values);

  const ApiOptions options_;
  const Gate gate_;
  ApiClients clients_;
  ApiMessages messages_;
  ApiSettings settings_;
  ApiTraces traces_;
  Router router_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> busy_{0};
  mutable Mutex mutex_;
  std::map<int, uint64_t> answers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein::admin
