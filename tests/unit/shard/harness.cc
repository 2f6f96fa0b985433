#include "tests/unit/shard/harness.h"

#include <algorithm>
#include <map>
#include <utility>

#include "broker/base/check.h"

namespace skein::shard {

namespace {

class ScriptedExchange final : public auth::Exchange {
 public:
  ScriptedExchange(ScriptedAuthenticator* owner, auth::Authenticator::Done done)
      : owner_(*owner), done_(std::move(done)) {}
  auth::Decision Step(std::string_view data, const auth::Done&) override {
    return owner_.Judge(data, done_);
  }

 private:
  ScriptedAuthenticator& owner_;
  auth::Authenticator::Done done_;
};

}  // namespace

auth::Decision ScriptedAuthenticator::Judge(std::string_view data, const Done& done) {
  if (data == "ok") return auth::Decision::Allow({}, "bye");
  if (data == "no") return auth::Decision::Deny(mqtt::ReasonCode::kNotAuthorized, "said no");
  if (data != "later") return auth::Decision::Continue("again");
  answers.push_back(done);
  return auth::Decision::Pending();
}

auth::Decision ScriptedAuthenticator::Begin(const auth::ConnectRequest& request, const Done& done,
                                            std::unique_ptr<auth::Exchange>* exchange) {
  if (request.method == "M") {
    *exchange = std::make_unique<ScriptedExchange>(this, done);
    return Judge(request.data, done);
  }
  if (!request.method.empty())
    return auth::Decision::Deny(mqtt::ReasonCode::kBadAuthenticationMethod, "unknown method");
  if (request.user_name == "bad")
    return auth::Decision::Deny(mqtt::ReasonCode::kBadUserNameOrPassword, "bad password");
  if (request.user_name == "later") return Judge("later", done);
  auth::Grant grant;
  const std::string_view user = request.user_name.value_or("");
  grant.user_name = user;
  grant.superuser = user == "root";
  if (user == "token") {
    grant.rules = token_rules;
    grant.expires_at = token_expires_at;
  }
  if (user.starts_with("for-")) grant.client_id = user.substr(4);
  return auth::Decision::Allow(std::move(grant));
}

void Node::SetRules(std::shared_ptr<const auth::AccessRules> rules) {
  rules_ = std::move(rules);
  for (auto& core : cores_) {
    if (core == nullptr) continue;
    core->BeginTick(now_);
    core->SetRules(rules_);
  }
  Settle();
}

Node::Node(const NodeOptions& options) : options_(options) {
  for (uint32_t p = 0; p < ShardOptions().partitions; ++p)
    table_.push_back({1, static_cast<NodeNumber>(p % options_.nodes)});
  for (NodeNumber node = 0; node < options_.nodes; ++node)
    retained_.push_back(std::make_unique<storage::MemoryRetainedStore>(options.limits));
  decided_.resize(options_.nodes);
  for (ShardId index = 0; index < shards(); ++index)
    stores_.push_back(std::make_unique<JournalStore>());
  Start();
}

Node::~Node() = default;

void Node::Make(ShardId index) {
  stats_[index] = std::make_unique<ShardStats>();
  ShardOptions options;
  options.id = index % options_.shards;
  options.count = options_.shards;
  options.node = NodeOf(index);
  if (options_.nodes > 1) options.table = table_;
  for (NodeNumber node = 0; node < options_.nodes; ++node)
    options.members.push_back(node);
  options.limits = options_.limits;
  options.shares = options_.shares;
  options.digest_interval_ms = options_.digest_interval_ms;
  options.listeners = {ListenerInfo{"test", true}};
  options.listeners[0].publish_rate = options_.publish_rate;
  options.listeners[0].publish_bytes = options_.publish_bytes;
  options.listeners[0].publish_patience_ms = options_.publish_patience_ms;
  options.listeners[0].total_publish_rate = options_.total_publish_rate;
  options.listeners[0].total = total_;
  Ports ports;
  ports.store = stores_[index].get();
  ports.retained = retained_[NodeOf(index)].get();
  ports.authenticator = &authenticator_;
  ports.bans = options_.bans;
  ports.placement = this;
  ports.log = &log_;
  ports.stats = stats_[index].get();
  ports.random = [this] { return random_ = random_ * 6364136223846793005u + 1442695040888963407u; };
  ports.peer = [](const Connection&) { return Peer{"peer", "192.0.2.7", nullptr}; };
  ports.auth_answer = [this, index](ConnectionSlot slot, uint32_t generation,
                                    auth::Decision decision) {
    cores_[index]->BeginTick(now_);
    cores_[index]->OnAuthDecision(slot, generation, decision);
  };
  cores_[index] = std::make_unique<Core>(options, ports, now_);
}

void Node::Start() {
  cores_.clear();
  cores_.resize(shards());
  mail_.clear();
  mail_.resize(shards());
  stats_.clear();
  stats_.resize(shards());
  sees_.assign(options_.nodes, std::vector<bool>(options_.nodes, false));
  for (ShardId index = 0; index < shards(); ++index) {
    mail_[index].resize(shards());
    Make(index);
  }
  for (NodeNumber a = 0; a < options_.nodes; ++a) {
    for (NodeNumber b = 0; b < a; ++b)
      Join(a, b);
  }
  Recover(0, shards());
}

void Node::Recover(ShardId first, ShardId end) {
  for (ShardId index = first; index < end; ++index) {
    cores_[index]->BeginTick(now_);
    if (rules_ != nullptr) cores_[index]->SetRules(rules_);
    cores_[index]->Recover();
  }
  const bool mail = std::exchange(mail_runs, true);
  Settle();
  mail_runs = mail;
  for (ShardId index = first; index < end; ++index) {
    cores_[index]->BeginTick(now_);
    cores_[index]->FinishRecovery();
  }
}

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
    l.orphan = l.edge != node;  // until its edge notices
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

int Node::Open(ShardId at) {
  const int id = static_cast<int>(links_.size());
  cores_[at]->BeginTick(now_);
  const Connection& connection = cores_[at]->Accept(id, 0, now_);
  links_.push_back({at, connection.slot, connection.generation, true, true, {}, NodeOf(at)});
  return id;
}

Connection* Node::Find(int id) {
  const Link& l = link(id);
  if (!l.connected || !Alive(l.shard)) return nullptr;
  return cores_[l.shard]->state().connections.Find(l.slot, l.generation);
}

void Node::Feed(int id, std::string_view bytes) {
  Connection* connection = Find(id);
  if (connection == nullptr) return;
  cores_[link(id).shard]->BeginTick(now_);
  cores_[link(id).shard]->Receive(*connection, bytes);
}

void Node::Drop(int id) {
  Connection* connection = Find(id);
  if (connection == nullptr) return;
  Core& core = *cores_[link(id).shard];
  core.BeginTick(now_);
  core.OnTransportClosed(*connection);
  core.state().MarkDirty(*connection);
}

void Node::SetReading(int id, bool reading) {
  link(id).reading = reading;
  Connection* connection = Find(id);
  if (connection != nullptr) cores_[link(id).shard]->state().MarkDirty(*connection);
}

void Node::MakeDurable(ShardId shard) {
  stores_[shard]->MakeDurable();
  cores_[shard]->OnStore();
}

void Node::TakeOutput(ShardId shard, Connection& connection, Link* link) {
  iovec parts[64];
  while (!connection.out.empty()) {
    const size_t count = connection.out.Gather(parts, 64);
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      link->output.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
      bytes += parts[i].iov_len;
    }
    connection.out.Consume(cores_[shard]->state().chunks, bytes);
  }
}

void Node::MakeNodeDurable(NodeNumber node) {
  std::vector<JournalStore*> stores;
  for (ShardId i = 0; i < options_.shards; ++i)
    stores.push_back(stores_[static_cast<size_t>(First(node) + i)].get());
  JournalStore::MakeDurable(stores);
  for (ShardId i = 0; i < options_.shards; ++i)
    cores_[static_cast<size_t>(First(node) + i)]->OnStore();
}

// As Shard::Settle(); a client that reads closes as soon as it is told to go.
void Node::SettleConnection(ShardId shard, Connection& connection) {
  Core& core = *cores_[shard];
  if (connection.state == Connection::State::kMoved) return;
  Link& l = link(connection.fd);
  const bool had_output = !connection.out.empty();
  if (l.reading && connection.state != Connection::State::kDead) {
    TakeOutput(shard, connection, &l);
    if (connection.state == Connection::State::kLingering &&
        connection.linger_until <= core.state().ports.store->durable())
      core.OnTransportClosed(connection);
  }
  if (connection.state == Connection::State::kDead) {
    l.connected = false;
    return core.Release(connection);
  }
  if (had_output && l.reading) core.Drained(connection);
}

void Node::Flush(ShardId shard) {
  Core& core = *cores_[shard];
  for (int round = 0; round < 4 && !core.state().out.dirty.empty(); ++round) {
    const std::vector<ConnectionSlot> dirty = std::exchange(core.state().out.dirty, {});
    for (const ConnectionSlot slot : dirty) {
      Connection& connection = core.state().connections[slot];
      connection.dirty = false;
      if (connection.state != Connection::State::kFree) SettleConnection(shard, connection);
    }
    core.Commit();
  }
}

void Node::Tick(ShardId shard) {
  Core& core = *cores_[shard];
  core.BeginTick(now_);
  core.Tick();
  core.Commit();
  if (disk_runs) MakeDurable(shard);
  for (Outputs::Move& move : std::exchange(core.state().out.moves, {})) {
    Connection& connection = core.state().connections[move.slot];
    auto moved = std::make_unique<MovedConnection>();
    moved->fd = connection.fd;
    moved->accepted_at = now_;
    moved->unread = std::move(move.unread);
    link(connection.fd).connected = false;
    link(connection.fd).moving = true;
    core.Release(connection);
    mail_[shard][IndexOf(shard, move.target)].push_back(std::move(moved));
  }
  Flush(shard);
  if (disk_runs) MakeDurable(shard);
  Flush(shard);
}

bool Node::MoveMail() {
  bool moved = false;
  for (ShardId from = 0; from < shards(); ++from) {
    if (!Alive(from)) continue;
    auto& boxes = cores_[from]->state().out.mail;
    for (PlaceId place = 0; place < boxes.size(); ++place) {
      if (boxes[place].empty()) continue;
      const ShardId to = IndexOf(from, place);
      for (Mail& mail : boxes[place])
        mail_[from][to].push_back(std::move(mail));
      boxes[place].clear();
      const NodeNumber a = NodeOf(from);
      const NodeNumber b = NodeOf(to);
      if (a != b && !(sees_[a][b] && sees_[b][a])) LoseMail(from, to);
    }
    for (ShardId to = 0; to < shards(); ++to) {
      if (mail_runs && Alive(to)) moved |= DeliverAll(from, to, SIZE_MAX);
    }
  }
  return moved;
}

bool Node::DeliverAll(ShardId from, ShardId to, size_t at_most) {
  if (mail_[from][to].empty()) return false;
  std::deque<Mail> box = std::exchange(mail_[from][to], {});
  for (; box.size() > at_most; box.pop_back())
    mail_[from][to].push_front(std::move(box.back()));
  cores_[to]->BeginTick(now_);
  const PlaceId place = PlaceOf(to, from);
  const auto& places = cores_[to]->state().places;
  for (Mail& mail : box) {
    if (on_mail && !on_mail(from, to, &mail)) continue;
    if (auto* moved = std::get_if<std::unique_ptr<MovedConnection>>(&mail)) {
      Adopt(to, std::move(*moved));
    } else if (place < places.size() && places[place].up) {  // as in Shard::TakePeerMail()
      cores_[to]->OnMail(place, std::move(mail));
    }
  }
  return !box.empty();
}

void Node::DeliverMail(ShardId from, ShardId to, size_t at_most) {
  MoveMail();
  if (Alive(to)) DeliverAll(from, to, at_most);
}

void Node::Adopt(ShardId shard, std::unique_ptr<MovedConnection> moved) {
  Connection& connection =
      cores_[shard]->Accept(moved->fd, moved->listener, moved->accepted_at, moved->assigned_id);
  Link& l = link(moved->fd);
  l.shard = shard;
  l.slot = connection.slot;
  l.generation = connection.generation;
  l.connected = true;
  l.moving = l.orphan = false;
  cores_[shard]->Receive(connection, moved->unread);
}

bool Node::Round() {
  bool more = false;
  for (ShardId shard = 0; shard < shards(); ++shard) {
    if (!Alive(shard)) continue;
    Tick(shard);
    more |= cores_[shard]->more_work() || !cores_[shard]->state().out.dirty.empty();
  }
  return more;
}

// A real store wakes the shard.
bool Node::DiskIsBusy() const {
  if (!disk_runs) return false;
  return std::any_of(stores_.begin(), stores_.end(),
                     [](const auto& store) { return store->busy(); });
}

void Node::Step() {
  Round();
  MoveMail();
}

void Node::Step(ShardId shard) {
  if (Alive(shard)) Tick(shard);
  MoveMail();
}

void Node::Settle() {
  int rounds = 0;
  bool again = true;
  while (again) {
    SKEIN_CHECK(++rounds < kMaxRounds);
    const bool more = Round();
    again = MoveMail() || (more && work_runs) || DiskIsBusy();
    if (table_runs && !changes_.empty()) {
      TellTable();
      again = true;
    }
  }
}

void Node::Advance(TimeMs ms) {
  now_ += ms;
  Settle();
}

void Node::CloseAll(mqtt::ReasonCode reason) {
  for (auto& core : cores_) {
    if (core == nullptr) continue;
    core->BeginTick(now_);
    core->CloseAll(reason);
  }
}

void Node::Crash() {
  for (Link& l : links_)
    l.connected = false;
  authenticator_.answers.clear();
  for (auto& store : stores_)
    store->Crash();
  Start();
}

session::Session* Node::session(std::string_view client_id) {
  for (auto& core : cores_) {
    if (core == nullptr) continue;
    if (session::Session* found = core->state().sessions.Find(client_id)) return found;
  }
  return nullptr;
}

}  // namespace skein::shard
