// Three nodes of two shards each: at=0 and at=1 are node 0, at=2 and at=3 node 1, at=4 and at=5
// node 2. In a script @NAMEn is a client id that belongs to node n at the start.
#pragma once

#include <string>

#include "broker/shard/lifecycle.h"
#include "tests/unit/shard/harness.h"

namespace skein::shard {

inline NodeOptions ThreeNodes() {
  NodeOptions options;
  options.nodes = 3;
  options.shards = 2;
  return options;
}

// A client id whose session belongs to that node.
inline std::string IdOf(NodeNumber node, const std::string& prefix) {
  for (int i = 0;; ++i) {
    const std::string id = prefix + std::to_string(i);
    if (PartitionOf(id, 256) % 3 == node) return id;
  }
}

// Replaces @NAMEn by an id of node n.
inline std::string Script(std::string text) {
  for (size_t at; (at = text.find('@')) != std::string::npos;) {
    const size_t end = text.find_first_of(" \n", at);
    const std::string name = text.substr(at + 1, end - at - 2);
    text.replace(at, end - at, IdOf(static_cast<NodeNumber>(text[end - 1] - '0'), name));
  }
  return text;
}

}  // namespace skein::shard
