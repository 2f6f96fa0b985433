// This node's part of an answer and those of the other nodes.
//
// Purpose: asks the others once this node has said its part, and reads what they say. Thread: any
// of the API's. Errors: who does not answer, or with something else than the JSON that is due, is
// silent; an answer 400 or 404 is one.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/admin/answers.h"
#include "broker/admin/peers.h"

namespace skein::admin {

struct Part {
  std::string node;
  int status = 200;
  std::shared_ptr<Json> json;  // never null
};

struct Parts {
  std::vector<Part> parts;  // this node's first
  std::vector<std::string> silent;
};

// self, mine: this node's name and its part. With from_node nobody else is asked.
Parts Gather(const Request& request, Peers* peers, const std::string& self, const Response& mine);

// The rows of all parts that have a list of that name, in no order.
std::vector<Json> RowsOf(Parts* parts, const char* list);

// For what one node knows: the first answer that is not a 404, this node's before others. 503 if
// nobody knows it and somebody is silent.
Response FirstOf(const Request& request, Peers* peers, const Response& mine);

}  // namespace skein::admin
