// See filter_trie.h.
#include "broker/routing/filter_trie.h"

#include "broker/base/check.h"

namespace skein::routing {

FilterTrie::FilterTrie() : root_(nodes_.Insert(Node())) {}

FilterTrie::NodeId FilterTrie::Insert(std::string_view filter, uint32_t id) {
  NodeId node = root_;
  ++size_;
  for (LevelIterator it(filter); !it.done(); it.Next()) {
    if (it.level() == "#") {
      SKEIN_CHECK(it.last() && nodes_[node].multi == kNone);
      nodes_[node].multi = id;
      return node;
    }
    node = it.level() == "+" ? AddPlus(node) : AddNamed(node, it.level());
  }
  SKEIN_CHECK(nodes_[node].here == kNone);
  nodes_[node].here = id;
  return node;
}

void FilterTrie::Erase(NodeId node, bool multi) {
  uint32_t& place = multi ? nodes_[node].multi : nodes_[node].here;
  SKEIN_CHECK(place != kNone);
  place = kNone;
  --size_;
  Prune(node);
}

FilterTrie::NodeId FilterTrie::AddPlus(NodeId parent) {
  if (nodes_[parent].plus == kNone) {
    const NodeId node = nodes_.Insert(Node{.parent = parent});
    nodes_[parent].plus = node;
  }
  return nodes_[parent].plus;
}

FilterTrie::NodeId FilterTrie::AddNamed(NodeId parent, std::string_view name) {
  const uint32_t known = levels_.Find(name);
  if (known != LevelInterner::kNone) {
    const NodeId child = Child(parent, known);
    if (child != kNone) return child;
  }
  const uint32_t level = levels_.Acquire(name);
  const NodeId node = nodes_.Insert(Node{.parent = parent, .level = level});
  edges_.emplace(Edge{parent, level}, node);
  ++nodes_[parent].children;
  return node;
}

// Drops the node and its ancestors as far as nothing needs them any more.
void FilterTrie::Prune(NodeId node) {
  while (node != root_ && nodes_[node].unused()) {
    const NodeId parent = nodes_[node].parent;
    const uint32_t level = nodes_[node].level;
    if (level == kNone) {
      nodes_[parent].plus = kNone;
    } else {
      edges_.erase(Edge{parent, level});
      --nodes_[parent].children;
      levels_.Release(level);
    }
    nodes_.Erase(node);
    node = parent;
  }
  // The map keeps its room on erase; give it back when most of it is unused.
  constexpr size_t kKept = 256;
  if (edges_.capacity() > kKept && edges_.size() < edges_.capacity() / 8) edges_.rehash(0);
}

}  // namespace skein::routing
