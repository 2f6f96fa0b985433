// The admin API's requests about the way of messages: explain and traces.
//
// Purpose: reads the requests, asks this node and the others, and puts their answers together.
// docs/operations.md says what the answers mean. Owner: Api. Thread: any of the API's. Limits:
// shard::ExplainQuery and trace::Book; kMostTopic bytes of a topic or client id. Errors: as the
// API's; nodes that do not answer are named.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "broker/admin/answers.h"
#include "broker/admin/node.h"
#include "broker/admin/peers.h"
#include "broker/admin/router.h"
#include "broker/admin/traces.h"

namespace skein::admin {

class ApiTraces {
 public:
  static constexpr size_t kMostTopic = 65'535;
  static constexpr uint32_t kUsualSeconds = 60;
  static constexpr size_t kMostEvents = 1'000;  // of a node, in one answer

  // peers: null if the node is alone.
  ApiTraces(Traces* traces, Node* node, Peers* peers)
      : traces_(*traces), node_(*node), peers_(peers) {}

  void AddTo(Router* router);

 private:
  using After = std::map<std::string, uint64_t>;  // by node

  Response Explain(const Request& request);
  Response ExplainHere(const shard::ExplainQuery& query, const ClusterStatus& cluster);
  Response Start(const Request& request);
  Response Read(const Request& request, const std::string& id);
  Response ReadHere(const std::string& id, uint64_t after, const ClusterStatus& cluster);
  Response End(const Request& request, const std::string& id);
  Response List(const Request& request);

  // Has the trace that another node speaks of, which this one may have missed.
  absl::Status Ensure(const Json& body);
  absl::StatusOr<trace::Spec> SpecOf(const Json& body, bool from_node);

  Traces& traces_;
  Node& node_;
  Peers* const peers_;
};

}  // namespace skein::admin
