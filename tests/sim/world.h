// A cluster, its clients and everything that can go wrong, in one thread.
//
// Purpose: runs the real cores of several nodes under a seeded source of chance: what mail is
// delivered and when, which disk has written, who connects where, which node dies, which link
// breaks, which partition moves. Then lets everything settle and asks the books. The same seed
// gives the same run, to the byte. Thread: confined to the run. Not simulated: the wire between
// nodes (its encoding has tests and a fuzzer of its own), and the relay of bytes: a client's
// connection is simply handed to the node that has its session, and ends with the link to it.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/books.h"
#include "tests/sim/client.h"
#include "tests/unit/shard/harness.h"

namespace skein::sim {

// How a broken protocol would behave: each takes away one thing that a promise rests on. Kept to
// show that the books find it.
enum class Mutation : uint8_t {
  kNone,
  kAnswersBeforeDisk,     // acknowledged before it is durable
  kSubackWithoutWait,     // peers say that they know a route, and do not
  kLosesForwards,         // a message for a peer is lost now and then
  kAnswersForPeers,       // ... and the publisher is told that it arrived
  kDoublesForwards,       // a message is forwarded twice
  kReordersForwards,      // two messages for a peer change places
  kLosesDurableRoutes,    // peers are not told of an offline session's filter
  kNoFreeze,              // a partition moves and nobody waits for it
  kMovesWithoutMessages,  // a partition moves without the messages of its queues
  kMovesWithoutSessions,  // a partition moves without its sessions
  kLosesRetained,         // peers do not hear of a retained message
  kForgetsRemovals,       // peers do not hear that a retained message was removed
  kGhostRoutes,           // routes are never withdrawn
  kTwoOwners,             // a node does not hear that a partition has moved
};
inline constexpr int kMutations = static_cast<int>(Mutation::kTwoOwners);
const char* NameOf(Mutation mutation);

struct WorldOptions {
  uint64_t seed = 1;
  int steps = 600;
  int clients = 6;
  bool faults = true;
  Mutation mutation = Mutation::kNone;
  bool trace = false;  // tell what happens on stdout
};

class World {
 public:
  explicit World(const WorldOptions& options);

  // What was broken; nothing: all promises were kept.
  std::vector<std::string> Run();
  const Books& books() const { return books_; }
  int faults() const { return faults_; }

 private:
  enum class NodeState : uint8_t { kDead, kBooting, kServing };

  void Step();
  void ClientActs();
  void ConnectSomewhere(Client* client);
  void Traffic();
  void Fault();
  void Kill(shard::NodeNumber node);
  void Boot(shard::NodeNumber node);
  void TryServe(shard::NodeNumber node);
  void BreakLink();
  void MendLink();
  void MovePartition();
  void Coordinate();
  void TellMembers(shard::NodeNumber node);
  void Settle();
  void Judge();
  bool Mutate(ShardId from, ShardId to, shard::Mail* mail);
  bool MutateMove(shard::Mail* mail);

  uint64_t Chance(uint64_t below) { return random_() % below; }
  bool OneIn(uint64_t n) { return Chance(n) == 0; }
  void Say(const std::string& text) const;
  void CountFault(const std::string& what);

  const WorldOptions options_;
  std::mt19937_64 random_;
  std::unique_ptr<shard::Node> node_;
  Books books_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<NodeState> states_;
  std::vector<bool> member_;         // as the coordinator has it
  std::vector<bool> members_heard_;  // by node: it has the present list
  Event last_fault_ = 0;
  int faults_ = 0;
  bool settling_ = false;
  std::unique_ptr<shard::Mail> kept_back_;  // kReordersForwards
  std::pair<ShardId, ShardId> kept_back_from_;
  uint64_t left_out_ = 0;  // parts of the move under way
};

}  // namespace skein::sim
