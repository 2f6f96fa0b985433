#include "broker/shard/broker.h"

#include <algorithm>
#include <utility>

namespace skein::shard {

absl::Status Broker::Start() {
  std::vector<ListenerInfo> infos;
  for (const BrokerListener& listener : options_.listeners) {
    absl::StatusOr<net::Listener> bound = net::Listener::Bind(listener.endpoint);
    if (!bound.ok()) return bound.status();
    shared_.listeners.push_back(std::move(*bound));
    shared_.listener_connections.emplace_back(0);
    shared_.listener_handshakes.emplace_back(0);
    shared_.make_transport.push_back(listener.make_transport);
    infos.push_back(listener.info);
  }
  shared_.gatekeeper = ports_.gatekeeper;
  std::vector<std::unique_ptr<net::EventLoop>> loops;
  for (ShardId id = 0; id < options_.shards; ++id) {
    absl::StatusOr<std::unique_ptr<net::EventLoop>> loop = net::EventLoop::Create();
    if (!loop.ok()) return loop.status();
    loops.push_back(std::move(*loop));
  }
  shared_.mailboxes.resize(options_.shards);
  for (ShardId from = 0; from < options_.shards; ++from) {
    for (ShardId to = 0; to < options_.shards; ++to) {
      shared_.mailboxes[from].push_back(from == to ? nullptr : std::make_unique<ShardMailbox>());
    }
  }
  for (ShardId id = 0; id < options_.shards; ++id) {
    stores_.push_back(ports_.make_store(id, [loop = loops[id].get()] { loop->Wake(); }));
    ShardOptions shard;
    shard.id = id;
    shard.count = options_.shards;
    shard.partitions = options_.partitions;
    shard.node = options_.node;
    shard.members = options_.members;
    shard.table = options_.table;
    shard.join_timeout_ms = options_.join_timeout_ms;
    shard.digest_interval_ms = options_.digest_interval_ms;
    shard.limits = options_.limits;
    shard.shares = options_.shares;
    shard.listeners = infos;
    shard.node_name = options_.node_name;
    shard.client_events = options_.client_events;
    Ports ports;
    ports.store = stores_.back().get();
    ports.retained = ports_.retained;
    ports.sys = ports_.sys;
    ports.authenticator = ports_.authenticator;
    ports.bans = ports_.bans;
    ports.placement = ports_.placement;
    ports.on_kept = ports_.on_kept;
    ports.event_numbers = &shared_.event_numbers;
    ports.traces = ports_.traces;
    ports.log = ports_.log;
    ports.random = ports_.random;
    shared_.shards.push_back(
        std::make_unique<Shard>(shard, std::move(ports), &shared_, std::move(loops[id])));
  }
  if (ports_.rules != nullptr) SetRules(ports_.rules);
  for (auto& shard : shared_.shards)
    threads_.emplace_back([runner = shard.get()] { runner->Run(); });
  return absl::OkStatus();
}

void Broker::SetRules(const std::shared_ptr<const auth::AccessRules>& rules) {
  for (auto& shard : shared_.shards)
    shard->SetRules(rules);
  if (threads_.empty()) return;  // they begin with them
  for (auto& shard : shared_.shards)
    shard->AwaitRules();
}

void Broker::Stop() {
  for (auto& shard : shared_.shards)
    shard->RequestStop();
  for (std::thread& thread : threads_)
    thread.join();
  threads_.clear();
}

std::optional<CensusFigures> Broker::TakeCensus(TimeMs patience) const {
  struct Asked {
    std::shared_ptr<Census> census = std::make_shared<Census>();
    std::shared_ptr<Question> question;
  };
  std::vector<Asked> all;
  for (const auto& shard : shared_.shards) {
    Asked& asked = all.emplace_back();
    asked.question = std::make_shared<Question>(
        [census = asked.census](const ShardState& state) { return census->Step(state); });
    if (!shard->Ask(asked.question)) return std::nullopt;
  }
  CensusFigures sum;
  const TimeMs deadline = Now() + patience;
  for (const Asked& asked : all) {
    if (!asked.question->Await(std::max<TimeMs>(deadline - Now(), 0))) return std::nullopt;
    sum.Merge(asked.census->figures());
  }
  return sum;
}

size_t Broker::peer_backlog() const {
  size_t most = 0;
  for (const auto& shard : shared_.shards)
    most = std::max(most, shard->peer_backlog());
  return most;
}

std::vector<net::Endpoint> Broker::endpoints() const {
  std::vector<net::Endpoint> result;
  for (const net::Listener& listener : shared_.listeners)
    result.push_back(listener.endpoint());
  return result;
}

std::vector<const ShardStats*> Broker::stats() const {
  std::vector<const ShardStats*> result;
  for (const auto& shard : shared_.shards)
    result.push_back(&shard->stats());
  return result;
}

ShardStats Broker::Totals() const {
  ShardStats totals;
  for (const auto& shard : shared_.shards)
    totals.Merge(shard->stats());
  return totals;
}

}  // namespace skein::shard
