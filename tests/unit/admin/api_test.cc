// Who may ask the admin API, and what it answers.
#include "broker/admin/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

namespace skein::admin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class FakeNode final : public Node {
 public:
  Readiness Ready() override { return readiness; }
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
  ClusterStatus cluster;
  std::vector<shard::PartitionRow> table;
  shard::RouteList routes;
  absl::Status answer;
  std::optional<shard::RouteQuery> asked;
  std::string forgotten;
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() {
    node_.cluster.node = "a";
    node_.cluster.coordinator = "etcd";
    node_.cluster.lease = true;
    node_.cluster.members = {{"a", 0, "h:1", "active", true, true, 2},
                             {"b", 3, "h:2", "away", false, false, 1}};
    node_.table = {{4, 0}, {1, 3}, {7, 0}, {2, 9}};
    Make("", "127.0.0.1");
  }
  ~ApiTest() override { std::remove(token_file_.c_str()); }

  void Make(const std::string& token_file, const std::string& host) {
    api_.emplace(ApiOptions{token_file, host, &node_, &log_});
  }
  Response Send(const std::string& method, const std::string& path, const std::string& body = "") {
    request_.method = method;
    request_.path = path;
    request_.body = body;
    return api_->Handle(request_);
  }
  json Get(const std::string& path) { return json::parse(Send("GET", path).body); }
  void GiveToken() { std::ofstream(token_file_) << "0123456789abcdef\n"; }

  const std::string token_file_ = testing::TempDir() + "api-token";
  FakeNode node_;
  NullLogger log_;
  Request request_;
  std::optional<Api> api_;
};

TEST_F(ApiTest, ReadinessNamesWhatIsMissing) {
  EXPECT_EQ(Send("GET", "/livez").status, 200);
  EXPECT_EQ(Send("GET", "/readyz").status, 200);
  for (bool Readiness::*part :
       {&Readiness::serving, &Readiness::joined, &Readiness::lease, &Readiness::draining}) {
    node_.readiness = {true, true, true, false};
    node_.readiness.*part = !(node_.readiness.*part);
    EXPECT_EQ(Send("GET", "/readyz").status, 503);
    EXPECT_EQ(Send("GET", "/livez").status, 200);
  }
  EXPECT_EQ(Get("/readyz"),
            json::parse(R"({"ready": false, "serving": true, "joined": true, "lease": true,
                            "draining": true})"));
}

TEST_F(ApiTest, ClusterAndPartitionsNameTheNodes) {
  const json cluster = Get("/api/v1/cluster");
  EXPECT_EQ(cluster["node"], "a");
  EXPECT_EQ(cluster["lease"], true);
  EXPECT_EQ(cluster["members"][1]["state"], "away");
  EXPECT_EQ(cluster["members"][1]["partitions"], 1);
  node_.cluster.lease.reset();
  EXPECT_TRUE(Get("/api/v1/cluster")["lease"].is_null());
  const json rows = Get("/api/v1/partitions")["partitions"];
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1], json::parse(R"({"partition": 1, "epoch": 1, "node": "b"})"));
  EXPECT_TRUE(rows[3]["node"].is_null()) << "it belongs to nobody who is known";
}

TEST_F(ApiTest, RoutesAreAskedForWithinBounds) {
  node_.routes.rows = {{"a/\xff", std::nullopt, 3, 2}, {"b", 1, 0, 1}};
  node_.routes.truncated = true;
  const json answer = Get("/api/v1/routes");
  EXPECT_EQ(node_.asked->limit, Api::kDefaultRoutes);
  EXPECT_EQ(answer["truncated"], true);
  EXPECT_EQ(answer["routes"][0]["node"], "b");
  EXPECT_TRUE(answer["routes"][0]["partition"].is_null());
  EXPECT_EQ(answer["routes"][1]["partition"], 1);

  request_.query = {{"prefix", "a/"}, {"limit", "10000"}, {"node", "b"}};
  EXPECT_EQ(Send("GET", "/api/v1/routes").status, 200);
  EXPECT_EQ(node_.asked->prefix, "a/");
  EXPECT_EQ(node_.asked->limit, 10'000u);
  EXPECT_EQ(node_.asked->node, 3);
  for (const char* limit : {"0", "10001", "-1", "ten", ""}) {
    request_.query = {{"limit", limit}};
    EXPECT_EQ(Send("GET", "/api/v1/routes").status, 400) << limit;
  }
  request_.query = {{"node", "c"}};
  EXPECT_EQ(Send("GET", "/api/v1/routes").status, 404);
}

TEST_F(ApiTest, WhatTheNodeSaysBecomesAStatus) {
  EXPECT_EQ(Send("POST", "/api/v1/cluster/drain").status, 202);
  EXPECT_EQ(Send("POST", "/api/v1/cluster/leave").status, 202);
  node_.answer = absl::FailedPreconditionError("no");
  const Response refused = Send("POST", "/api/v1/cluster/leave");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.body, "{\"error\":\"no\"}\n");
  node_.answer = absl::UnavailableError("later");
  EXPECT_EQ(Send("POST", "/api/v1/cluster/drain").status, 503);
  EXPECT_EQ(api_->busy(), 1u);
}

TEST_F(ApiTest, WhoGivesUpSessionsHasToSaySo) {
  const std::string path = "/api/v1/cluster/nodes/b.1/leave";
  for (const char* body : {"", "{}", "[]", "{\"lose_sessions\": 1}", "{\"lose_sessions\": false}",
                           "{\"lose_sessions\": true"}) {
    EXPECT_EQ(Send("POST", path, body).status, 400) << body;
  }
  EXPECT_EQ(node_.forgotten, "");
  EXPECT_EQ(Send("POST", path, "{\"lose_sessions\": true}").status, 200);
  EXPECT_EQ(node_.forgotten, "b.1");
  node_.answer = absl::NotFoundError("no such node");
  EXPECT_EQ(Send("POST", path, "{\"lose_sessions\": true}").status, 404);
}

TEST_F(ApiTest, OtherPathsAndMethods) {
  EXPECT_EQ(Send("GET", "/").status, 404);
  EXPECT_EQ(Send("POST", "/api/v1/cluster/nodes//leave").status, 404);
  EXPECT_EQ(Send("POST", "/api/v1/cluster/nodes/leave").status, 404);
  const Response wrong = Send("GET", "/api/v1/cluster/drain");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.allow, "POST");
  EXPECT_EQ(Send("DELETE", "/api/v1/cluster").allow, "GET");
  EXPECT_EQ(Send("HEAD", "/readyz").status, 200);
}

TEST_F(ApiTest, WithATokenNothingButHealthIsToldWithoutIt) {
  GiveToken();
  Make(token_file_, "0.0.0.0");
  request_.host = "mq.example:9883";
  for (const char* path : {"/api/v1/cluster", "/", "/api/v1/nothing"}) {
    EXPECT_EQ(Send("GET", path).status, 401) << path;
  }
  EXPECT_EQ(Send("POST", "/api/v1/cluster/drain").status, 401);
  EXPECT_EQ(Send("GET", "/livez").status, 200);
  EXPECT_EQ(Send("GET", "/readyz").status, 200);
  EXPECT_EQ(api_->refused(), 4u);
  request_.authorization = "Bearer 0123456789abcdeX";
  EXPECT_THAT(Send("GET", "/api/v1/cluster").body, HasSubstr("not right"));
  request_.authorization = "Bearer 0123456789abcdef";
  EXPECT_EQ(Send("GET", "/api/v1/cluster").status, 200);
  EXPECT_EQ(Send("GET", "/").status, 404);

  std::ofstream(token_file_) << "another-token-0123456789\n";
  EXPECT_EQ(Send("GET", "/api/v1/cluster").status, 401) << "it is read anew";
  std::remove(token_file_.c_str());
  EXPECT_EQ(Send("GET", "/api/v1/cluster").status, 503) << "without it nobody is let in";
}

TEST_F(ApiTest, WebPagesThatSomebodyLooksAtAreRefused) {
  request_.host = "localhost:9883";
  EXPECT_EQ(Send("POST", "/api/v1/cluster/drain").status, 202);
  request_.origin = "http://localhost:9883";
  EXPECT_EQ(Send("POST", "/api/v1/cluster/drain").status, 202);
  request_.origin = "https://evil.example";
  EXPECT_EQ(Send("POST", "/api/v1/cluster/drain").status, 403);
  request_.origin = "null";
  EXPECT_EQ(Send("POST", "/api/v1/cluster/drain").status, 403);
  request_.origin.clear();
  // Names of theirs that they have pointed at us.
  for (const char* host :
       {"evil.example:9883", "127.0.0.1.evil.example", "localhost.evil.example:1"}) {
    request_.host = host;
    EXPECT_EQ(Send("GET", "/api/v1/cluster").status, 403) << host;
  }
  for (const char* host : {"127.0.0.1:9883", "[::1]:9883", "localhost", "127.0.0.2"}) {
    request_.host = host;
    EXPECT_EQ(Send("GET", "/api/v1/cluster").status, 200) << host;
  }
  EXPECT_EQ(api_->refused(), 5u);
}

}  // namespace
}  // namespace skein::admin
