// One node, or a cluster of them, without sockets, threads or a clock.
//
// Purpose: runs one or several Cores as broker/shard/shard.h does, but every step is the test's:
// bytes in, bytes out, mail between shards, the disk, time, a crash. The same run gives the same
// bytes every time. In a cluster the shards are numbered through: those of node 0, those of node 1,
// ...; a connection whose session belongs to another node is simply adopted there. Thread: confined
// to the test. Limits: Settle() gives up, and fails, after kMaxRounds.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/shard/core.h"
#include "broker/trace/book.h"
#include "storage/memory/retained_store.h"
#include "tests/unit/shard/journal_store.h"

namespace skein::shard {

struct NodeOptions {
  ShardId shards = 1;    // of each node
  NodeNumber nodes = 1;  // partition p belongs to node p % nodes
  Limits limits;
  ShareStrategies shares;
  uint32_t publish_rate = 0;  // of its listener
  uint64_t publish_bytes = 0;
  TimeMs publish_patience_ms = 0;
  uint32_t total_publish_rate = 0;
  auth::BanList* bans = nullptr;
  TimeMs digest_interval_ms = 0;  // of a cluster
  bool client_events = false;
};

// Answers as the script in user name and data says.
//
//   user name "bad": denied; "later": asks for time, see answer; "root": a superuser; "token": with
//   rules of its own, until they expire; "for-X": the client id is X; all are who they say. Method
//   "M": "no" denies, "ok" allows, "later" asks for time, all else goes on with "again". Other
//   methods: 0x8C.
class ScriptedAuthenticator final : public auth::Authenticator {
 public:
  auth::Decision Begin(const auth::ConnectRequest& request, const Done& done,
                       std::unique_ptr<auth::Exchange>* exchange) override;
  auth::Decision Judge(std::string_view data, const Done& done);

  std::vector<Done> answers;  // of those that asked for time
  std::shared_ptr<const auth::AccessRules> token_rules;
  TimeMs token_expires_at = kNever;
};

class Node : private Placement {
 public:
  static constexpr int kMaxRounds = 100'000;

  explicit Node(const NodeOptions& options = {});
  ~Node();

  // A network connection, seen from its client.
  struct Link {
    ShardId shard = 0;
    ConnectionSlot slot = 0;
    uint32_t generation = 0;
    bool connected = false;
    bool reading = true;
    std::string output;   // what came and was not looked at yet
    NodeNumber edge = 0;  // the node that the client is connected to
    bool moving = false;  // it is in the mail
    bool cut = false;     // the client has lost it, whatever the node that has the session knows
    bool orphan = false;  // the node that had the session is gone, and the edge does not know
    bool closed() const { return cut || (!connected && !moving && !orphan); }
  };

  int Open(ShardId at = 0);
  Link& link(int id) { return links_[static_cast<size_t>(id)]; }
  size_t links() const { return links_.size(); }
  void Feed(int id, std::string_view bytes);
  void Drop(int id);
  void SetReading(int id, bool reading);
  // Null once the broker has let go of it, or while it moves.
  Connection* Find(int id);

  // What happens by itself, and what waits for the test.
  bool disk_runs = true;
  bool mail_runs = true;
  bool work_runs = true;  // one slice after the other, until nothing is left

  void MakeDurable(ShardId shard);
  void DeliverMail(ShardId from, ShardId to, size_t at_most = SIZE_MAX);
  void Settle();
  void Step();  // one tick on every shard, nothing more
  void Step(ShardId shard);
  void Advance(TimeMs ms);
  void Sneak(TimeMs ms) { now_ += ms; }  // no timer is looked at before the next event
  void CloseAll(mqtt::ReasonCode reason);
  // Its disk is nearly full, or has room again.
  void SetFull(bool full, ShardId shard = 0) { stores_[shard]->set_full(full); }
  // Other access rules; null: everything is allowed.
  void SetRules(std::shared_ptr<const auth::AccessRules> rules);
  // The process dies and a new one starts on the same disk. In a cluster: all of them.
  void Crash();
  // One node of a cluster dies, and its peers notice; or starts again.
  void Kill(NodeNumber node);
  void Revive(NodeNumber node);
  // The owner of a partition hands it over to another node. What the coordinator decides is known
  // when table_runs.
  void Give(session::PartitionId partition, NodeNumber to);
  // A node is to own it that has not been given it: an operator has said that the owner is gone.
  void Take(session::PartitionId partition, NodeNumber to);
  bool table_runs = true;
  PartitionRow RowOf(session::PartitionId partition) const { return table_[partition]; }
  NodeNumber OwnerOf(session::PartitionId partition) const { return table_[partition].node; }
  // Two nodes lose sight of each other, and find each other again.
  void Part(NodeNumber a, NodeNumber b);
  void Join(NodeNumber a, NodeNumber b);

  // The disk of a node, with all of its shards.
  void MakeNodeDurable(NodeNumber node);
  // For what does not wait for the mail to be delivered (tests/sim):
  // Dies, and nobody notices yet; is started, and reads its disk, but has joined nobody.
  void Die(NodeNumber node);
  void Boot(NodeNumber node);
  // It has joined: recovery is finished, clients are served.
  bool Joined(NodeNumber node);
  void FinishBoot(NodeNumber node);
  // Only `at` notices that the link has broken; nothing goes through it any more.
  void Lose(NodeNumber at, NodeNumber peer);
  bool Sees(NodeNumber at, NodeNumber peer) const { return sees_[at][peer]; }
  bool Lives(NodeNumber node) const { return Alive(First(node)); }
  // The coordinator takes what it was asked for; a node hears of its decisions so far.
  void Decide();
  void Hear(NodeNumber node);
  void SetMembers(NodeNumber node, const std::vector<NodeNumber>& members);
  void SetLease(NodeNumber node, bool held);
  // Looks at each mail before it is delivered and may change it; false: it is lost.
  std::function<bool(ShardId from, ShardId to, Mail* mail)> on_mail;
  // As if `from` had sent it.
  void Bring(ShardId from, ShardId to, Mail mail);
  // The payload that the node retains under the topic.
  std::optional<std::string> Retains(NodeNumber node, const std::string& topic);
  // Where shards' tables differ from what the owners of the routes have; when all is settled.
  std::vector<std::string> CompareRoutes() const;
  // What is said to be durable is lost all the same.
  void LieAboutDisk() {
    for (auto& store : stores_)
      store->lie();
  }

  Core& core(ShardId shard = 0) { return *cores_[shard]; }
  ShardStats& stats(ShardId shard = 0) { return *stats_[shard]; }
  uint64_t Dropped(DropReason reason, ShardId shard = 0) {
    return stats(shard).messages_dropped[static_cast<size_t>(reason)].value();
  }
  session::Session* session(std::string_view client_id);
  storage::MemoryRetainedStore& retained(NodeNumber node = 0) { return *retained_[node]; }
  ScriptedAuthenticator& authenticator() { return authenticator_; }
  // Starts a trace on all shards; what each of them says is in traces(), together.
  void Trace(const std::string& client_id, const std::string& filter);
  trace::Book& traces() { return traces_; }
  ShardId shards() const { return static_cast<ShardId>(options_.shards * options_.nodes); }
  TimeMs now() const { return now_; }

 private:
  void Commit(const RowChange& change) override;
  void Abandon(session::PartitionId) override {}
  void TellTable();
  void Start();
  void Make(ShardId index);
  void Recover(ShardId first, ShardId end);
  NodeNumber NodeOf(ShardId index) const { return index / options_.shards; }
  ShardId First(NodeNumber node) const { return static_cast<ShardId>(node * options_.shards); }
  // What a place of core `at` is here, and the other way round.
  ShardId IndexOf(ShardId at, PlaceId place) const;
  PlaceId PlaceOf(ShardId at, ShardId index) const;
  bool Alive(ShardId index) const { return cores_[index] != nullptr; }
  bool Round();
  void Tick(ShardId shard);
  void Flush(ShardId shard);
  void SettleConnection(ShardId shard, Connection& connection);
  void TakeOutput(ShardId shard, Connection& connection, Link* link);
  bool MoveMail();
  bool DiskIsBusy() const;
  bool DeliverAll(ShardId from, ShardId to, size_t at_most);
  void LoseMail(ShardId from, ShardId to);
  void Adopt(ShardId shard, std::unique_ptr<MovedConnection> moved);

  const NodeOptions options_;
  std::vector<std::unique_ptr<storage::MemoryRetainedStore>> retained_;  // by node
  std::vector<std::unique_ptr<SysTopics>> sys_;                          // by node
  ScriptedAuthenticator authenticator_;
  const std::shared_ptr<ListenerInfo::Total> total_ = std::make_shared<ListenerInfo::Total>();
  NullLogger log_;
  trace::Book traces_;
  std::shared_ptr<const auth::AccessRules> rules_;
  TimeMs now_ = 1'000'000;
  uint64_t random_ = 1;
  std::vector<Link> links_;
  std::vector<std::unique_ptr<ShardStats>> stats_;
  std::vector<std::unique_ptr<JournalStore>> stores_;
  std::vector<std::unique_ptr<Core>> cores_;
  void CutRelayed(NodeNumber at, NodeNumber peer);

  std::vector<std::vector<std::deque<Mail>>> mail_;  // [from][to]
  std::vector<PartitionRow> table_;                  // as the coordinator has it
  std::vector<RowChange> changes_;                   // asked for, not decided
  std::vector<std::vector<RowChange>> decided_;      // by node: what it has not heard
  std::vector<std::vector<bool>> sees_;              // [at][peer]
};

}  // namespace skein::shard
