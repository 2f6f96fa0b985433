#include "tests/sim/world.h"

#include <algorithm>
#include <iostream>

#include "broker/shard/retained_store.h"

namespace skein::sim {

using shard::Mail;
using shard::NodeNumber;

namespace {

constexpr NodeNumber kNodes = 3;
constexpr ShardId kShards = 2;  // of each
constexpr int kTopics = 3;
constexpr const char* kGroup = "$share/g/s/0";

shard::NodeOptions Options() {
  shard::NodeOptions options;
  options.nodes = kNodes;
  options.shards = kShards;
  return options;
}

std::string TopicOf(const char* kind, uint64_t number) {
  return std::string(kind) + "/" + std::to_string(number);
}

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      random_(options.seed),
      node_(std::make_unique<shard::Node>(Options())),
      states_(kNodes, NodeState::kServing),
      member_(kNodes, true),
      members_heard_(kNodes, false) {
  for (int number = 0; number < options_.clients; ++number) {
    // Two of three are durable.
    clients_.push_back(std::make_unique<Client>(node_.get(), &books_, "c" + std::to_string(number),
                                                number, number % 3 != 2));
  }
  for (auto& client : clients_)
    client->trace = options_.trace;
  for (NodeNumber node = 0; node < kNodes; ++node)
    TellMembers(node);
  node_->disk_runs = node_->mail_runs = node_->table_runs = false;
  if (options_.mutation != Mutation::kNone)
    node_->on_mail = [this](ShardId from, ShardId to, Mail* mail) {
      return Mutate(from, to, mail);
    };
  if (options_.mutation == Mutation::kAnswersBeforeDisk) node_->LieAboutDisk();
}

void World::Say(const std::string& text) const {
  if (options_.trace) std::cout << books_.now() << "  " << node_->now() << "  " << text << "\n";
}

void World::CountFault(const std::string& what) {
  ++faults_;
  last_fault_ = books_.Next();
  Say(what);
}

std::vector<std::string> World::Run() {
  for (int step = 0; step < options_.steps && books_.broken().empty(); ++step)
    Step();
  if (books_.broken().empty()) Settle();
  return books_.broken();
}

void World::Step() {
  ClientActs();
  Traffic();
  Coordinate();
  if (options_.faults && OneIn(25)) Fault();
  for (const auto& client : clients_)
    client->Turn(Chance(3));
  for (ShardId shard = 0; shard < node_->shards(); ++shard) {
    if (node_->stats(shard).outbox_stored.value() > 0) books_.SetOutboxUsed();
  }
}

void World::ConnectSomewhere(Client* client) {
  const auto at = static_cast<ShardId>(Chance(kNodes * kShards));
  if (states_[at / kShards] != NodeState::kServing) return;
  // A node that starts serves nobody before it has joined, also no relayed clients.
  const NodeNumber owner = node_->OwnerOf(shard::PartitionOf(client->id(), 256));
  if (states_[owner] == NodeState::kBooting) return;
  Say(client->id() + " connects at shard " + std::to_string(at));
  client->Connect(at, OneIn(2));
}

void World::ClientActs() {
  Client& client = *clients_[Chance(clients_.size())];
  if (!client.connected()) {
    if (!client.connecting() || OneIn(10)) ConnectSomewhere(&client);
    return;
  }
  const bool wide = client.id().back() % 2 == 0;
  const std::string filter = wide ? "t/+" : TopicOf("t", Chance(kTopics));
  switch (Chance(16)) {
    case 0:
    case 1:
      if (!client.IsSubscribed(filter)) client.Subscribe(filter);
      return;
    case 2:
      // A message that was given to a member whose session ends goes with it.
      if (client.durable() && !client.IsSubscribed(kGroup)) client.Subscribe(kGroup);
      return;
    case 3:
      if (client.id() == "c0" && !client.IsSubscribed("w/+")) client.Subscribe("w/+");
      return;
    case 4:
      if (OneIn(4) && client.IsSubscribed(filter)) client.Unsubscribe(filter);
      return;
    case 5:
      if (!OneIn(3)) return;
      Say(client.id() + " loses its connection");
      return client.DropLink();
    case 6:
      if (!OneIn(3)) return;
      Say(client.id() + " disconnects");
      return client.Disconnect();
    case 7:
      // Another connection with its client id, while the first is open.
      if (OneIn(3)) ConnectSomewhere(&client);
      return;
    default:
      break;
  }
  if (client.unacknowledged() >= 8) return;
  const Qos qos = OneIn(2) ? Qos::kAtLeastOnce : Qos::kExactlyOnce;
  switch (Chance(6)) {
    case 0:
      return client.Publish("s/0", qos, false, false);
    case 1: {
      node_->Sneak(1);
      return client.Publish(TopicOf("r", Chance(2)), qos, true, OneIn(3));
    }
    default:
      return client.Publish(TopicOf("t", Chance(kTopics)), qos, false, false);
  }
}

void World::Traffic() {
  if (OneIn(4)) node_->Sneak(static_cast<TimeMs>(Chance(OneIn(20) ? 4'000 : 200)));
  const ShardId shards = node_->shards();
  for (int i = 0; i < 10; ++i) {
    const auto shard = static_cast<ShardId>(Chance(shards));
    if (!node_->Lives(shard / kShards)) continue;
    if (OneIn(3)) node_->MakeNodeDurable(shard / kShards);
    if (options_.mutation == Mutation::kSubackWithoutWait) {
      for (ShardId other = 0; other < shards; ++other) {
        if (other / kShards != shard / kShards)
          node_->Bring(other, shard, shard::RouteApplied{UINT64_MAX / 2});
      }
    }
    node_->Step(shard);
  }
  for (int i = 0; i < 16; ++i) {
    node_->DeliverMail(static_cast<ShardId>(Chance(shards)), static_cast<ShardId>(Chance(shards)),
                       OneIn(2) ? SIZE_MAX : 1 + Chance(3));
  }
  for (NodeNumber node = 0; node < kNodes; ++node)
    TryServe(node);
}

// What the coordinator decides, and when each node hears of it.
void World::Coordinate() {
  if (OneIn(3)) node_->Decide();
  const auto node = static_cast<NodeNumber>(Chance(kNodes));
  if (OneIn(2) && !(options_.mutation == Mutation::kTwoOwners && node == 0)) node_->Hear(node);
  if (!members_heard_[node] && OneIn(2)) TellMembers(node);
  // The lease of one that is gone runs out.
  for (NodeNumber each = 0; each < kNodes; ++each) {
    if (states_[each] != NodeState::kDead || !member_[each] || !OneIn(30)) continue;
    Say("node " + std::to_string(each) + " is no member any more");
    member_[each] = false;
    members_heard_.assign(kNodes, false);
  }
  if (OneIn(4)) MendLink();
}

void World::TellMembers(NodeNumber node) {
  std::vector<NodeNumber> members;
  for (NodeNumber each = 0; each < kNodes; ++each) {
    if (member_[each]) members.push_back(each);
  }
  members_heard_[node] = true;
  node_->SetMembers(node, members);
}

void World::Fault() {
  const auto node = static_cast<NodeNumber>(Chance(kNodes));
  switch (Chance(5)) {
    case 0:
      if (OneIn(3) && states_[node] != NodeState::kDead) Kill(node);
      return;
    case 1:
    case 2:
      if (states_[node] == NodeState::kDead) Boot(node);
      return;
    case 3:
      return BreakLink();
    default:
      return MovePartition();
  }
}

void World::Kill(NodeNumber node) {
  CountFault("node " + std::to_string(node) + " dies");
  states_[node] = NodeState::kDead;
  node_->Die(node);
}

void World::Boot(NodeNumber node) {
  CountFault("node " + std::to_string(node) + " starts");
  states_[node] = NodeState::kBooting;
  if (!member_[node]) members_heard_.assign(kNodes, false);
  member_[node] = true;
  // Its links to the node that died are gone before there are new ones.
  for (NodeNumber other = 0; other < kNodes; ++other)
    node_->Lose(other, node);
  node_->Boot(node);
  TellMembers(node);
}

void World::TryServe(NodeNumber node) {
  if (states_[node] != NodeState::kBooting || !node_->Joined(node)) return;
  Say("node " + std::to_string(node) + " serves");
  node_->FinishBoot(node);
  states_[node] = NodeState::kServing;
}

void World::BreakLink() {
  const auto at = static_cast<NodeNumber>(Chance(kNodes));
  const auto peer = static_cast<NodeNumber>((at + 1 + Chance(kNodes - 1)) % kNodes);
  if (!node_->Sees(at, peer)) return;
  CountFault("node " + std::to_string(at) + " loses node " + std::to_string(peer));
  node_->Lose(at, peer);
}

// One side at a time notices that a link is broken; both have to, before there is a new one. And
// both must have heard that the other is a member.
void World::MendLink() {
  const auto at = static_cast<NodeNumber>(Chance(kNodes));
  const auto peer = static_cast<NodeNumber>((at + 1 + Chance(kNodes - 1)) % kNodes);
  const bool one = node_->Sees(at, peer);
  const bool other = node_->Sees(peer, at);
  if (one && !other) {
    node_->Lose(at, peer);
  } else if (!one && !other && node_->Lives(at) && node_->Lives(peer) && members_heard_[at] &&
             members_heard_[peer]) {
    Say("nodes " + std::to_string(at) + " and " + std::to_string(peer) + " find each other");
    node_->Join(at, peer);
  }
}

void World::MovePartition() {
  const Client& client = *clients_[Chance(clients_.size())];
  const session::PartitionId partition = shard::PartitionOf(client.id(), 256);
  const NodeNumber owner = node_->OwnerOf(partition);
  const auto to = static_cast<NodeNumber>((owner + 1 + Chance(kNodes - 1)) % kNodes);
  if (states_[owner] != NodeState::kServing || states_[to] != NodeState::kServing) return;
  CountFault("the partition of " + client.id() + " is to move from node " + std::to_string(owner) +
             " to " + std::to_string(to));
  node_->Give(partition, to);
}

// Everything is mended and comes to rest; then once more some traffic, of which nothing may be
// missing.
void World::Settle() {
  settling_ = true;
  Say("settling");
  for (auto& client : clients_) {
    const auto p = shard::PartitionOf(client->id(), 256);
    Say(client->id() + " partition " + std::to_string(p) + " belongs to " +
        std::to_string(node_->OwnerOf(p)));
  }
  for (NodeNumber node = 0; node < kNodes; ++node) {
    if (states_[node] == NodeState::kDead) Boot(node);
  }
  node_->disk_runs = node_->mail_runs = true;
  node_->table_runs = options_.mutation != Mutation::kTwoOwners;
  const auto rounds = [this](int count) {
    for (int i = 0; i < count && books_.broken().empty(); ++i) {
      for (int j = 0; j < 20; ++j)
        MendLink();
      Coordinate();
      for (NodeNumber node = 0; node < kNodes; ++node) {
        TellMembers(node);
        TryServe(node);
      }
      for (const auto& client : clients_) {
        if (!client->connected() && (!client->connecting() || i % 20 == 19))
          ConnectSomewhere(client.get());
        client->Turn(SIZE_MAX);
      }
      node_->Advance(250);
    }
  };
  rounds(120);
  last_fault_ = books_.Next();
  Say("the last word");
  for (const auto& client : clients_) {
    if (!client->connected()) continue;
    for (int topic = 0; topic < kTopics; ++topic)
      client->Publish(TopicOf("t", static_cast<uint64_t>(topic)), Qos::kExactlyOnce, false, false);
    client->Publish("s/0", Qos::kAtLeastOnce, false, false);
  }
  rounds(30);
  // A will is due.
  if (clients_.back()->connected()) clients_.back()->DropLink();
  rounds(40);
  if (books_.broken().empty()) Judge();
}

void World::Judge() {
  for (const auto& client : clients_) {
    if (!client->connected()) books_.Broken(client->id() + " cannot connect");
    if (client->unacknowledged() > 0)
      books_.Broken(client->id() + " never got an answer to what it published");
    if (client->HasGhost()) books_.Broken(client->id() + " is served on two connections");
  }
  books_.Judge(last_fault_);
  for (uint64_t number = 0; number < 2; ++number) {
    std::vector<std::optional<std::string>> at_nodes;
    for (NodeNumber node = 0; node < kNodes; ++node)
      at_nodes.push_back(node_->Retains(node, TopicOf("r", number)));
    books_.JudgeRetained(TopicOf("r", number), at_nodes);
  }
  for (const std::string& wrong : node_->CompareRoutes())
    books_.Broken(wrong);
}

}  // namespace skein::sim
