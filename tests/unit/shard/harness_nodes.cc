// The harness' part about several nodes: links, deaths, the coordinator, and what tests compare.
#include <algorithm>
#include <map>
#include <utility>

#include "tests/unit/shard/harness.h"

namespace skein::shard {

ShardId Node::IndexOf(ShardId at, PlaceId place) const {
  if (place < options_.shards) return static_cast<ShardId>(First(NodeOf(at)) + place);
  const int remote = place - options_.shards;
  return static_cast<ShardId>(First(static_cast<NodeNumber>(remote / kMaxShardsANode)) +
                              remote % kMaxShardsANode);
}

PlaceId Node::PlaceOf(ShardId at, ShardId index) const {
  const ShardId shard = index % options_.shards;
  return NodeOf(at) == NodeOf(index) ? shard : cores_[at]->state().PlaceOf(NodeOf(index), shard);
}

void Node::Join(NodeNumber a, NodeNumber b) {
  if (sees_[a][b]) Lose(a, b);
  if (sees_[b][a]) Lose(b, a);
  sees_[a][b] = sees_[b][a] = true;
  for (ShardId i = 0; i < options_.shards; ++i) {
    cores_[static_cast<size_t>(First(a) + i)]->view().OnPeerUp(b, options_.shards);
    cores_[static_cast<size_t>(First(b) + i)]->view().OnPeerUp(a, options_.shards);
  }
}

void Node::Commit(const RowChange& change) {
  if (table_[change.partition].epoch + 1 == change.row.epoch) changes_.push_back(change);
}

void Node::Decide() {
  for (const RowChange& change : std::exchange(changes_, {})) {
    if (table_[change.partition].epoch + 1 != change.row.epoch) continue;
    table_[change.partition] = change.row;
    for (auto& waiting : decided_)
      waiting.push_back(change);
  }
}

void Node::Hear(NodeNumber node) {
  const std::vector<RowChange> rows = std::exchange(decided_[node], {});
  for (ShardId index = First(node); !rows.empty() && index < First(node) + options_.shards;
       ++index) {
    if (!Alive(index)) continue;
    cores_[index]->BeginTick(now_);
    cores_[index]->view().OnRows(rows);
  }
}

void Node::TellTable() {
  Decide();
  for (NodeNumber node = 0; node < options_.nodes; ++node)
    Hear(node);
}

void Node::Give(session::PartitionId partition, NodeNumber to) {
  const auto index =
      static_cast<ShardId>(First(table_[partition].node) + partition % options_.shards);
  cores_[index]->BeginTick(now_);
  cores_[index]->mover().Give(partition, to);
}

void Node::Take(session::PartitionId partition, NodeNumber to) {
  Commit({partition, {table_[partition].epoch + 1, to}});
}

// Connections that go through the link end with it, at this end of it.
void Node::CutRelayed(NodeNumber at, NodeNumber peer) {
  for (size_t id = 0; id < links_.size(); ++id) {
    Link& l = links_[id];
    const NodeNumber owner = NodeOf(l.shard);
    if (l.edge == at && owner == peer) l.cut = true;
    if (l.edge != peer || owner != at) continue;
    Drop(static_cast<int>(id));
    l.connected = false;
    l.cut = true;
  }
}

void Node::LoseMail(ShardId from, ShardId to) {
  for (Mail& mail : mail_[from][to]) {
    if (auto* moved = std::get_if<std::unique_ptr<MovedConnection>>(&mail))
      link((*moved)->fd).moving = false;
  }
  mail_[from][to].clear();
}

void Node::Lose(NodeNumber at, NodeNumber peer) {
  if (!sees_[at][peer]) return;
  sees_[at][peer] = false;
  if (Alive(First(at))) MoveMail();
  CutRelayed(at, peer);
  for (ShardId i = First(at); i < First(at) + options_.shards; ++i) {
    for (ShardId j = First(peer); j < First(peer) + options_.shards; ++j) {
      LoseMail(i, j);
      LoseMail(j, i);
    }
    if (!Alive(i)) continue;
    cores_[i]->BeginTick(now_);
    cores_[i]->view().OnPeerDown(peer);
  }
}

void Node::Part(NodeNumber a, NodeNumber b) {
  Lose(a, b);
  Lose(b, a);
}

void Node::Die(NodeNumber node) {
  for (Link& l : links_) {
    const bool here = NodeOf(l.shard) == node;
    if (l.edge == node) l.cut = true;
    if (!here) continue;
    // Until its edge notices; one that has lost the node before has nothing left to notice.
    l.orphan = l.edge != node && sees_[l.edge][node];
    l.connected = l.moving = false;
  }
  for (ShardId index = First(node); index < First(node) + options_.shards; ++index) {
    cores_[index].reset();
    stores_[index]->Crash();
    // What is on its way to others may still arrive.
    for (ShardId other = 0; other < shards(); ++other)
      LoseMail(other, index);
  }
  sees_[node].assign(options_.nodes, false);
}

void Node::Kill(NodeNumber node) {
  Die(node);
  for (NodeNumber other = 0; other < options_.nodes; ++other) {
    if (other != node) Lose(other, node);
  }
  Settle();
}

void Node::Boot(NodeNumber node) {
  decided_[node].clear();
  const auto end = static_cast<ShardId>(First(node) + options_.shards);
  for (ShardId index = First(node); index < end; ++index)
    Make(index);
  for (ShardId index = First(node); index < end; ++index) {
    cores_[index]->BeginTick(now_);
    if (rules_ != nullptr) cores_[index]->SetRules(rules_);
    cores_[index]->Recover();
  }
  // Its shards tell each other what they found before anybody else hears of it.
  const auto unsettled = [&] {
    for (ShardId index = First(node); index < end; ++index) {
      if (!cores_[index]->Settled()) return true;
    }
    return false;
  };
  for (int rounds = 0; rounds < 2 || unsettled(); ++rounds) {
    SKEIN_CHECK(rounds < kMaxRounds);
    MakeNodeDurable(node);  // and what was asked of the disk comes
    for (ShardId index = First(node); index < end; ++index)
      Step(index);
    for (ShardId from = First(node); from < end; ++from) {
      for (ShardId to = First(node); to < end; ++to)
        DeliverAll(from, to, SIZE_MAX);
    }
  }
}

bool Node::Joined(NodeNumber node) {
  for (ShardId index = First(node); index < First(node) + options_.shards; ++index) {
    if (!Alive(index) || !cores_[index]->view().Joined()) return false;
  }
  return true;
}

void Node::FinishBoot(NodeNumber node) {
  for (ShardId index = First(node); index < First(node) + options_.shards; ++index) {
    cores_[index]->BeginTick(now_);
    cores_[index]->FinishRecovery();
  }
}

void Node::SetMembers(NodeNumber node, const std::vector<NodeNumber>& members) {
  for (ShardId index = First(node); index < First(node) + options_.shards; ++index) {
    if (!Alive(index)) continue;
    cores_[index]->BeginTick(now_);
    cores_[index]->view().SetMembers(members, true);
  }
}

void Node::Bring(ShardId from, ShardId to, Mail mail) {
  const NodeNumber a = NodeOf(from);
  const NodeNumber b = NodeOf(to);
  if (!Alive(to) || !Alive(from) || (a != b && !(sees_[a][b] && sees_[b][a]))) return;
  cores_[to]->BeginTick(now_);
  cores_[to]->OnMail(PlaceOf(to, from), std::move(mail));
}

std::optional<std::string> Node::Retains(NodeNumber node, const std::string& topic) {
  const auto reader = retained_[node]->Open(topic, [] {});
  std::vector<mqtt::MessagePtr> found;
  while (reader->Read(now_, 16, &found) != RetainedReader::Result::kDone) {
  }
  if (found.empty()) return std::nullopt;
  return std::string(found.front()->payload());
}

std::vector<std::string> Node::CompareRoutes() const {
  std::vector<std::string> wrong;
  std::map<std::string, int> durable;  // partition and filter
  for (ShardId owner = 0; owner < shards(); ++owner) {
    for (const auto& [key, count] : cores_[owner]->state().durable_filters)
      durable[key] = 0;
  }
  for (ShardId at = 0; at < shards(); ++at) {
    const ShardState& state = cores_[at]->state();
    const auto collect = [](const ShardState& of, PlaceId place) {
      std::map<std::string, uint32_t> routes;
      of.routes.ForEachOf(place, [&](std::string_view filter, uint32_t weight) {
        routes[std::string(filter)] = weight;
      });
      return routes;
    };
    for (ShardId owner = 0; owner < shards(); ++owner) {
      const ShardState& theirs = cores_[owner]->state();
      const auto has = collect(state, PlaceOf(at, owner));
      if (has != collect(theirs, theirs.options.id))
        wrong.push_back("shard " + std::to_string(at) + " has " + std::to_string(has.size()) +
                        " routes of shard " + std::to_string(owner) + ", which has others");
    }
    std::map<std::string, int> known;
    state.durable_routes.ForEach([&](std::string_view filter, uint32_t partition, uint32_t) {
      known[DurableKey(partition, filter)] = 0;
    });
    if (known != durable)
      wrong.push_back("shard " + std::to_string(at) + " knows " + std::to_string(known.size()) +
                      " filters of durable sessions, there are " + std::to_string(durable.size()));
  }
  return wrong;
}

void Node::SetLease(NodeNumber node, bool held) {
  for (ShardId index = First(node); index < First(node) + options_.shards; ++index) {
    if (!Alive(index)) continue;
    cores_[index]->BeginTick(now_);
    cores_[index]->view().SetLease(held);
  }
}

void Node::Revive(NodeNumber node) {
  decided_[node].clear();
  const auto end = static_cast<ShardId>(First(node) + options_.shards);
  for (ShardId index = First(node); index < end; ++index)
    Make(index);
  for (NodeNumber other = 0; other < options_.nodes; ++other) {
    if (other != node && Alive(First(other))) Join(node, other);
  }
  Recover(First(node), end);
  Settle();
}

}  // namespace skein::shard
