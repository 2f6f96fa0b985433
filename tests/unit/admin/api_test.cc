// Who may ask the admin API, and what it answers.
#include "broker/admin/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "broker/admin/openapi.h"
#include "tests/unit/admin/fakes.h"

namespace skein::admin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

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
    GateOptions gate;
    gate.listen_host = host;
    if (!token_file.empty()) gate.tokens = {{"all", Role::kAdmin, token_file}};
    Make(gate);
  }
  void Make(const GateOptions& gate) {
    api_.emplace(
        ApiOptions{gate, &node_, &clients_, &messages_, &settings_, &traces_, &peers_, &log_});
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
  FakeClients clients_;
  FakeMessages messages_;
  FakeSettings settings_;
  FakeTraces traces_;
  FakePeers peers_;
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
            json::parse(R"({"ok": false, "reasons": ["the node is draining"], "ready": false,
                            "serving": true, "joined": true, "lease": true, "draining": true})"));
}

TEST_F(ApiTest, ProbesSayWhyNot) {
  EXPECT_EQ(Get("/livez"), json::parse(R"({"ok": true, "reasons": [], "live": true})"));
  EXPECT_EQ(Get("/startupz"), json::parse(R"({"ok": true, "reasons": []})"));
  node_.alive.reasons = {"shard 0 is stuck"};
  node_.started.reasons = {"it starts"};
  EXPECT_EQ(Send("GET", "/livez").status, 503);
  EXPECT_EQ(Send("GET", "/startupz").status, 503);
  EXPECT_EQ(Get("/livez")["reasons"][0], "shard 0 is stuck");
  EXPECT_EQ(Get("/startupz")["reasons"][0], "it starts");
}

TEST_F(ApiTest, MetricsAreOpenOrNot) {
  GiveToken();
  const auto make = [&](MetricsAccess access) {
    ApiOptions options;
    options.gate.listen_host = "0.0.0.0";
    options.gate.tokens = {{"all", Role::kAdmin, token_file_}};
    options.node = &node_;
    options.clients = &clients_;
    options.messages = &messages_;
    options.settings = &settings_;
    options.traces = &traces_;
    options.peers = &peers_;
    options.log = &log_;
    options.metrics_access = access;
    options.metrics = [] { return std::string("a 1\n"); };
    api_.emplace(options);
    request_.authorization.clear();
  };
  make(MetricsAccess::kOpen);
  const Response open = Send("GET", "/metrics");
  EXPECT_EQ(open.status, 200);
  EXPECT_EQ(open.body, "a 1\n");
  EXPECT_THAT(open.content_type, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_EQ(Send("GET", "/api/v1/cluster").status, 401);
  EXPECT_EQ(api_->answers(), (std::map<int, uint64_t>{{200, 1}, {401, 1}}));
  make(MetricsAccess::kToken);
  EXPECT_EQ(Send("GET", "/metrics").status, 401);
  request_.authorization = "Bearer 0123456789abcdef";
  EXPECT_EQ(Send("GET", "/metrics").status, 200);
  make(MetricsAccess::kOff);
  request_.authorization = "Bearer 0123456789abcdef";
  EXPECT_EQ(Send("GET", "/metrics").status, 404);
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

TEST_F(ApiTest, EveryRouteIsDocumentedAndTheOtherWayRound) {
  const json document = json::parse(kOpenApi);
  std::set<std::string> documented;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      std::string name = method + " " + path + " " + operation["x-role"].get<std::string>();
      std::set<std::string> query;
      for (const json& parameter : operation.value("parameters", json::array())) {
        if (parameter["in"] == "query") query.insert(parameter["name"]);
      }
      for (const std::string& each : query)
        name += " " + each;
      documented.insert(name);
    }
  }
  std::set<std::string> known;
  for (const Route& route : api_->router().routes()) {
    std::string name = route.method;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return std::tolower(c); });
    name += " " + route.path + " " + std::string(NameOf(route.role));
    for (const std::string& each :
         std::set<std::string>(route.parameters.begin(), route.parameters.end()))
      name += " " + each;
    known.insert(name);
  }
  EXPECT_EQ(documented, known);
}

TEST_F(ApiTest, RolesAreLadders) {
  const std::string file = testing::TempDir() + "api-role-";
  GateOptions gate;
  for (const Role role : {Role::kRead, Role::kOperate, Role::kAdmin}) {
    const std::string name(NameOf(role));
    std::ofstream(file + name) << name << "-0123456789abcdef\n";
    gate.tokens.push_back({name, role, file + name});
  }
  gate.certificates = {{"grafana", Role::kRead}};
  Make(gate);
  for (const Route& route : api_->router().routes()) {
    for (const Role role : {Role::kRead, Role::kOperate, Role::kAdmin}) {
      request_.authorization = "Bearer " + std::string(NameOf(role)) + "-0123456789abcdef";
      const int status = Send(route.method, route.path).status;
      EXPECT_EQ(status == 403, role < route.role) << route.method << " " << route.path;
      EXPECT_NE(status, 401);
    }
  }
  request_.authorization.clear();
  EXPECT_EQ(Send("GET", "/api/v1/clients").status, 401);
  request_.certificate = "grafana";
  EXPECT_EQ(Send("GET", "/api/v1/clients").status, 200);
  EXPECT_EQ(Send("POST", "/api/v1/publish").status, 403);
  request_.certificate = "somebody else";
  EXPECT_EQ(Send("GET", "/api/v1/clients").status, 401);
  gate.tokens.clear();
  Make(gate);
  EXPECT_EQ(Send("GET", "/api/v1/clients").status, 403) << "a token would not help";
}

TEST_F(ApiTest, NodesArePutTogether) {
  const auto row = [](const std::string& id) {
    shard::ClientRow made;
    made.client_id = id;
    return made;
  };
  clients_.list.rows = {row("b"), row("d")};
  peers_.answers.answers = {
      {"b", {200, R"({"clients": [{"client_id": "a"}, {"client_id": "c"}], "more": true})", {}}},
      {"c", {200, "no JSON", {}}}};
  peers_.answers.silent = {"d"};
  request_.query = {{"limit", "3"}};
  const json answer = Get("/api/v1/clients");
  std::vector<std::string> ids;
  for (const json& each : answer["clients"])
    ids.push_back(each["client_id"]);
  EXPECT_THAT(ids, testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(answer["silent_nodes"], json::parse(R"(["d", "c"])"));
  request_.query = {{"cursor", answer["next"]}};
  Get("/api/v1/clients");
  EXPECT_EQ(clients_.asked->after, "c");
  // Another node asks: this one's part alone.
  const size_t asked = peers_.asked.size();
  request_.from_node = true;
  EXPECT_EQ(Get("/api/v1/clients")["clients"].size(), 2u);
  EXPECT_EQ(peers_.asked.size(), asked);
}

TEST_F(ApiTest, OneNodeKnowsOrNobodyDoes) {
  EXPECT_EQ(Send("DELETE", "/api/v1/clients/a%2Fb/connection").status, 404);
  EXPECT_EQ(clients_.kicked, "a/b");
  EXPECT_EQ(peers_.asked.back().path, "/api/v1/clients/a%2Fb/connection");
  peers_.answers.silent = {"c"};
  EXPECT_EQ(Send("DELETE", "/api/v1/clients/x/connection").status, 503);
  peers_.answers.answers = {{"b", {404, "{}", {}}}, {"d", {200, "{\"disconnected\":true}", {}}}};
  EXPECT_EQ(Send("DELETE", "/api/v1/clients/x/connection").status, 200);
  clients_.answer = absl::OkStatus();
  const size_t asked = peers_.asked.size();
  EXPECT_EQ(Send("DELETE", "/api/v1/clients/x/connection").status, 200);
  EXPECT_EQ(peers_.asked.size(), asked) << "this node knew it";
}

TEST_F(ApiTest, ASilentNodeGoesOnWhereItWas) {
  peers_.answers.answers = {{"b", {200, R"({"events": [], "last": 5})", {}}}};
  peers_.answers.silent = {"c"};
  request_.query = {{"after", "a:3,c:9"}};
  EXPECT_EQ(Get("/api/v1/events")["last"], "a:7,b:5,c:9");
  EXPECT_EQ(clients_.events_asked->after, 3u);
}

TEST_F(ApiTest, WhatIsDoneOnAllNodesTellsWhoHasNot) {
  peers_.answers.answers = {{"b", {409, R"({"reloaded": false, "error": "line 3"})", {}}}};
  const Response response = Send("POST", "/api/v1/config/reload");
  EXPECT_EQ(response.status, 409);
  const json answer = json::parse(response.body);
  EXPECT_EQ(answer["nodes"][0], json::parse(R"({"node": "a", "error": null, "reloaded": true})"));
  EXPECT_EQ(answer["nodes"][1]["error"], "line 3");
  EXPECT_EQ(Send("GET", "/api/v1/config").status, 200);
  request_.query = {{"node", "b"}};
  EXPECT_EQ(Send("GET", "/api/v1/config").status, 409) << "as that node answers";
  request_.query = {{"node", "x"}};
  EXPECT_EQ(Send("GET", "/api/v1/config").status, 404);
}

TEST_F(ApiTest, PropertiesOfAPublishAreAsOnTheWire) {
  EXPECT_EQ(Send("POST", "/api/v1/publish",
                 R"({"topic": "t", "payload": "p", "qos": 2, "retain": true, "content_type": "c",
                     "payload_is_utf8": true, "user_properties": [["k", "v"]]})")
                .status,
            200);
  const mqtt::Message& message = *messages_.published;
  EXPECT_EQ(message.payload(), "p");
  EXPECT_EQ(message.qos(), Qos::kExactlyOnce);
  EXPECT_TRUE(message.retain());
  EXPECT_EQ(message.properties(), std::string("\x01\x01\x03\0\x01"
                                              "c\x26\0\x01k\0\x01v",
                                              13));
}

TEST(RouterTest, TakesPathsApart) {
  Router router;
  const auto none = [](const Request&, const Values&) { return Response(); };
  router.Add({"GET", "/a/{id}", Role::kRead, {}, none});
  router.Add({"DELETE", "/a/{id}/b", Role::kRead, {}, none});
  EXPECT_EQ(router.Find("GET", "/a/x%2fy%").values, Values{"x/y%"});
  EXPECT_NE(router.Find("HEAD", "/a/x").route, nullptr);
  EXPECT_EQ(router.Find("GET", "/a/").route, nullptr);
  EXPECT_EQ(router.Find("GET", "/a/x/").route, nullptr);
  EXPECT_EQ(router.Find("GET", "/a/x/b").route, nullptr);
  EXPECT_EQ(router.Find("GET", "/a/x/b").allow, "DELETE");
  EXPECT_EQ(router.Find("GET", "/").allow, "");
}

}  // namespace
}  // namespace skein::admin
