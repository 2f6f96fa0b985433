// The port to the other nodes of the cluster.
//
// Purpose: an answer for operators covers the whole cluster, whichever node they ask. Each node
// answers a request with from_node for its own part only. Owner: cmd/ implements it. Thread: any of
// the API's; Ask() waits for the peers, about two seconds at most. Limits: an answer of 8 MiB a
// node. Errors: a node that does not answer in time, or at all, is silent, and that is told.
#pragma once

#include <string>
#include <vector>

#include "broker/admin/http.h"

namespace skein::admin {

struct PeerAnswer {
  std::string node;
  Response response;
};

struct PeerAnswers {
  std::vector<PeerAnswer> answers;
  std::vector<std::string> silent;
};

class Peers {
 public:
  virtual ~Peers() = default;

  // Asks all other members, those that are away among them; or, if `node` is not empty, that one:
  // it is neither among the answers nor silent if there is no such member.
  virtual PeerAnswers Ask(const Request& request, const std::string& node = {}) = 0;
};

}  // namespace skein::admin
