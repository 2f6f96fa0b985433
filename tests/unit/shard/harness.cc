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
  for (NodeNumber node = 0; node < options_.nodes; ++node)
    sys_.push_back(std::make_unique<SysTopics>());
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
  options.node_name = "n" + std::to_string(options.node);
  options.client_events = options_.client_events;
  options.listeners = {ListenerInfo{"test", true}};
  options.listeners[0].publish_rate = options_.publish_rate;
  options.listeners[0].publish_bytes = options_.publish_bytes;
  options.listeners[0].publish_patience_ms = options_.publish_patience_ms;
  options.listeners[0].total_publish_rate = options_.total_publish_rate;
  options.listeners[0].total = total_;
  Ports ports;
  ports.store = stores_[index].get();
  ports.retained = retained_[NodeOf(index)].get();
  ports.sys = sys_[NodeOf(index)].get();
  ports.authenticator = &authenticator_;
  ports.bans = options_.bans;
  ports.placement = this;
  ports.traces = &traces_;
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

void Node::Trace(const std::string& client_id, const std::string& filter) {
  SKEIN_CHECK(traces_.Add({client_id + filter, client_id, filter, now_ + 60'000}, now_).ok());
  for (auto& core : cores_) {
    if (core != nullptr) core->state().tracer.Set(traces_.Running(now_));
  }
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
    Link& l = link(connection.fd);
    const ShardId target = IndexOf(shard, move.target);
    // One that is relayed here goes to no third node.
    const bool may = NodeOf(target) == NodeOf(shard) || l.edge == NodeOf(shard);
    l.connected = false;
    l.moving = may;
    l.cut |= !may;
    core.Release(connection);
    if (may) mail_[shard][target].push_back(std::move(moved));
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
