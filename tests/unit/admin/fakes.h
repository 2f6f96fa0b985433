// Ports of the admin API that answer as a test wants.
//
// Purpose: values in, values out. Thread: the test's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/admin/clients.h"
#include "broker/admin/messages.h"
#include "broker/admin/node.h"
#include "broker/admin/peers.h"
#include "broker/admin/settings.h"
#include "broker/admin/traces.h"

namespace skein::admin {

class FakeNode final : public Node {
 public:
  const std::string& name() const override { return cluster.node; }
  Readiness Ready() override { return readiness; }
  Health Alive() override { return alive; }
  Health Started() override { return started; }
  absl::StatusOr<NodeOverview> Overview() override { return overview; }
  absl::StatusOr<ClusterStatus> Cluster() override {
    if (!answer.ok()) return answer;
    return cluster;
  }
  absl::StatusOr<std::vector<shard::PartitionRow>> Table() override { return table; }
  absl::StatusOr<shard::RouteList> Routes(const shard::RouteQuery& query) override {
    asked = query;
    return routes;
  }
  absl::StatusOr<ShardStats> Totals() override { return ShardStats(); }
  absl::Status Drain() override { return answer; }
  absl::Status Leave() override { return answer; }
  absl::Status Forget(const std::string& node) override {
    forgotten = node;
    return answer;
  }

  Readiness readiness{true, true, true, false};
  Health alive;
  Health started;
  NodeOverview overview;
  ClusterStatus cluster;
  std::vector<shard::PartitionRow> table;
  shard::RouteList routes;
  absl::Status answer;
  std::optional<shard::RouteQuery> asked;
  std::string forgotten;
};

class FakeClients final : public Clients {
 public:
  absl::StatusOr<shard::ClientList> List(const shard::ClientQuery& query) override {
    asked = query;
    return list;
  }
  absl::StatusOr<ClientDetail> Find(const std::string&) override { return answer; }
  absl::StatusOr<ClientQueue> Queue(const std::string&, size_t) override { return answer; }
  absl::StatusOr<shard::SubscriptionList> Subscriptions(const shard::SubscriptionQuery&) override {
    return shard::SubscriptionList();
  }
  absl::StatusOr<Events> EventsOf(const EventQuery& query) override {
    events_asked = query;
    return Events{{}, 7};
  }
  absl::Status Kick(const std::string& client_id) override {
    kicked = client_id;
    return answer;
  }
  absl::Status EndSession(const std::string&) override { return answer; }

  shard::ClientList list;
  absl::Status answer = absl::NotFoundError("there is none");
  std::optional<shard::ClientQuery> asked;
  std::optional<EventQuery> events_asked;
  std::string kicked;
};

class FakeMessages final : public Messages {
 public:
  absl::StatusOr<RetainedPage> Retained(const std::string&, const std::string&, size_t) override {
    return RetainedPage();
  }
  absl::StatusOr<Published> Publish(const mqtt::Message::Init& message) override {
    published = mqtt::Message::Make(message);
    return Published{true};
  }
  absl::Status Remove(const std::vector<std::string>&) override { return absl::OkStatus(); }

  mqtt::MessagePtr published;
};

class FakeSettings final : public Settings {
 public:
  std::vector<auth::Ban> Bans() override { return bans; }
  absl::Status AddBan(const auth::Ban& ban) override {
    bans.push_back(ban);
    return absl::OkStatus();
  }
  absl::Status RemoveBan(auth::BanKind, const std::string&) override {
    return absl::NotFoundError("there is no ban");
  }
  std::vector<ConfigValue> Config() override { return {{"shards", "2", "default"}}; }
  absl::Status Reload() override { return reload; }
  LogLevel log_level() override { return level; }
  void set_log_level(LogLevel to) override { level = to; }
  absl::StatusOr<BackupResult> Backup(const std::string&) override { return BackupResult{"/b", 1}; }

  std::vector<auth::Ban> bans;
  absl::Status reload;
  LogLevel level = LogLevel::kInfo;
};

class FakeTraces final : public Traces {
 public:
  TimeMs Now() override { return 1'000'000; }
  absl::StatusOr<shard::Explanation> Explain(const shard::ExplainQuery& query) override {
    asked = query;
    return explanation;
  }
  absl::Status StartTrace(const trace::Spec& spec) override {
    if (!answer.ok()) return answer;
    started.push_back(spec);
    return book.Add(spec, Now());
  }
  bool EndTrace(const std::string& id) override { return book.Remove(id); }
  std::optional<trace::Reading> ReadTrace(const std::string& id, uint64_t after,
                                          size_t most) override {
    return book.Read(id, after, most, Now());
  }
  std::vector<trace::Spec> All() override { return book.All(); }
  std::string NewTraceId() override { return "new"; }

  absl::Status answer;
  shard::ExplainQuery asked;
  shard::Explanation explanation;
  std::vector<trace::Spec> started;
  trace::Book book;
};

class FakePeers final : public Peers {
 public:
  PeerAnswers Ask(const Request& request, const std::string& node) override {
    asked.push_back(request);
    PeerAnswers chosen;
    for (const PeerAnswer& each : answers.answers) {
      if (node.empty() || each.node == node) chosen.answers.push_back(each);
    }
    chosen.silent = answers.silent;
    return chosen;
  }

  std::vector<Request> asked;
  PeerAnswers answers;
};

}  // namespace skein::admin
