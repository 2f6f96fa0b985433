// The wildcard filters of a filter index, as a trie of levels.
//
// Purpose: finds the ids of all wildcard filters that match a topic.
// Owner: FilterIndex. Thread: confined to it.
// Limits: one node a distinct prefix of filters, at most levels(filter) new ones an insert. A match
// visits a node at most once (a tree, entered from the parent only), and only nodes whose path
// matches the topic's beginning: never more than there are nodes, never more than 2^levels. The
// nodes still to visit are on an explicit stack; there is no recursion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "broker/routing/level_interner.h"
#include "broker/routing/slab.h"
#include "broker/routing/topic.h"

namespace skein::routing {

class FilterTrie {
 public:
  using NodeId = uint32_t;
  static constexpr uint32_t kNone = UINT32_MAX;

  FilterTrie();

  // Takes a wildcard filter that is not in the trie; returns the node to give to Erase().
  NodeId Insert(std::string_view filter, uint32_t id);
  // `multi`: the filter ends with '#'.
  void Erase(NodeId node, bool multi);

  bool empty() const { return size_ == 0; }

  // Calls visit(id) once for each filter that matches. Returns the number of visited nodes.
  template <class F>
  size_t Match(std::string_view topic, F visit) const;

  // Memory there is for each kind of thing.
  struct Footprint {
    size_t nodes = 0;
    size_t edges = 0;
    size_t levels = 0;
  };
  Footprint footprint() const { return {nodes_.capacity(), edges_.capacity(), levels_.capacity()}; }

 private:
  struct Node {
    NodeId parent = kNone;
    uint32_t level = kNone;  // interned; kNone for a '+' node and the root
    NodeId plus = kNone;     // child for '+'
    uint32_t children = 0;   // children with a name, in edges_
    uint32_t here = kNone;   // filter that ends at this node
    uint32_t multi = kNone;  // filter that ends with '#' below this node

    bool unused() const {
      return plus == kNone && children == 0 && here == kNone && multi == kNone;
    }
  };
  using Edge = std::pair<NodeId, uint32_t>;  // node and the level that leaves it

  NodeId Child(NodeId node, uint32_t level) const {
    const auto found = edges_.find(Edge{node, level});
    return found == edges_.end() ? kNone : found->second;
  }
  NodeId AddPlus(NodeId parent);
  NodeId AddNamed(NodeId parent, std::string_view name);
  void Prune(NodeId node);

  Slab<Node> nodes_;
  absl::flat_hash_map<Edge, NodeId> edges_;
  LevelInterner levels_;
  NodeId root_ = kNone;
  size_t size_ = 0;
};

template <class F>
size_t FilterTrie::Match(std::string_view topic, F visit) const {
  absl::InlinedVector<uint32_t, 16> levels;
  for (LevelIterator it(topic); !it.done(); it.Next())
    levels.push_back(levels_.Find(it.level()));

  struct Todo {
    NodeId node;
    uint32_t depth;  // levels of the topic that the node's path has matched
  };
  absl::InlinedVector<Todo, 32> stack = {{root_, 0}};
  // [MQTT-4.7.2-1]
  const bool dollar = topic.starts_with('$');
  size_t visited = 0;
  while (!stack.empty()) {
    const Todo todo = stack.back();
    stack.pop_back();
    ++visited;
    const Node& node = nodes_[todo.node];
    const bool wildcards = todo.depth > 0 || !dollar;
    if (node.multi != kNone && wildcards) visit(node.multi);
    if (todo.depth == levels.size()) {
      if (node.here != kNone) visit(node.here);
      continue;
    }
    if (node.plus != kNone && wildcards) stack.push_back({node.plus, todo.depth + 1});
    const uint32_t level = levels[todo.depth];
    if (node.children == 0 || level == LevelInterner::kNone) continue;
    const NodeId child = Child(todo.node, level);
    if (child != kNone) stack.push_back({child, todo.depth + 1});
  }
  return visited;
}

}  // namespace skein::routing
