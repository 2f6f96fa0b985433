// Explain and traces, as the admin API puts the answers of all nodes together.
#include "broker/admin/api_traces.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/admin/fakes.h"

namespace skein::admin {
namespace {

class ApiTracesTest : public testing::Test {
 protected:
  ApiTracesTest() {
    node_.cluster.node = "a";
    node_.cluster.members = {{"a", 0, "h:1", "active", true, true, 2},
                             {"b", 3, "h:2", "active", false, true, 1}};
    api_.AddTo(&router_);
  }
  Response Send(const std::string& method, const std::string& path, const std::string& body = "") {
    request_.body = body;
    const Router::Found found = router_.Find(method, path);
    EXPECT_NE(found.route, nullptr) << method << " " << path;
    return found.route->handle(request_, found.values);
  }
  Json Ask(const std::string& method, const std::string& path, const std::string& body = "") {
    return Json::parse(Send(method, path, body).body);
  }
  void PeerSays(const Json& json, int status = 200) {
    peers_.answers.answers = {{"b", {status, json.dump(), {}}}};
  }

  FakeNode node_;
  FakeTraces traces_;
  FakePeers peers_;
  ApiTraces api_{&traces_, &node_, &peers_};
  Router router_;
  Request request_;
};

TEST_F(ApiTracesTest, AnExplanationCoversAllNodes) {
  shard::ExplainRow row;
  row.client_id = "z";
  row.would = shard::Would::kQueue;
  row.filter = "t";
  traces_.explanation.rows = {row};
  traces_.explanation.publisher.allowed = true;
  PeerSays({{"publisher", {{"known", true}, {"allowed", true}, {"client_id", "p"}}},
            {"receivers", {{{"client_id", "c"}, {"filter", "t"}, {"would", "deliver"}}}},
            {"retained", true}});
  peers_.answers.silent = {"c"};
  request_.query = {{"topic", "t"}, {"client_id", "p"}};
  const Json told = Ask("GET", "/api/v1/explain");
  EXPECT_TRUE(traces_.asked.as_publisher);
  EXPECT_EQ(told["publisher"]["known"], true);
  ASSERT_EQ(told["receivers"].size(), 2u);
  EXPECT_EQ(told["receivers"][0]["client_id"], "c");
  EXPECT_EQ(told["receivers"][1]["would"], "queue");
  EXPECT_EQ(told["receivers"][1]["node"], "a");
  EXPECT_EQ(told["retained"], false) << "every node has all retained messages: this one's word";
  EXPECT_EQ(told["silent_nodes"], Json::parse(R"(["c"])"));
}

TEST_F(ApiTracesTest, WhoMayNotPublishReachesNobody) {
  shard::ExplainRow row;
  row.client_id = "c";
  traces_.explanation.rows = {row};
  traces_.explanation.publisher.allowed = false;
  request_.query = {{"topic", "t"}, {"client_id", "p"}};
  EXPECT_EQ(Ask("GET", "/api/v1/explain")["receivers"][0]["would"], "drop");
  request_.from_node = true;
  EXPECT_EQ(Ask("GET", "/api/v1/explain")["receivers"][0]["would"], "deliver") << "its part only";
  EXPECT_FALSE(traces_.asked.as_publisher);
}

TEST_F(ApiTracesTest, OtherNodesAreToldOfATrace) {
  PeerSays({{"id", "new"}}, 201);
  EXPECT_EQ(Send("POST", "/api/v1/traces", R"({"topic": "t/#", "seconds": 5})").status, 201);
  EXPECT_EQ(traces_.started.at(0).ends_at, traces_.Now() + 5'000);
  const Json told = Json::parse(peers_.asked.at(0).body);
  EXPECT_EQ(told, Json::parse(R"({"id": "new", "topic": "t/#", "milliseconds": 5000})"));
  // What they are told starts it there, and is what they are reminded of.
  request_.from_node = true;
  EXPECT_EQ(
      Send("POST", "/api/v1/traces", R"({"id": "x", "client_id": "c", "milliseconds": 7})").status,
      201);
  EXPECT_EQ(traces_.started.at(1).id, "x");
  EXPECT_EQ(traces_.started.at(1).ends_at, traces_.Now() + 7);
  EXPECT_EQ(
      Send("GET", "/api/v1/traces/y", R"({"id": "y", "topic": "t", "milliseconds": 9})").status,
      200);
  EXPECT_EQ(traces_.started.at(2).id, "y");
  EXPECT_EQ(Send("GET", "/api/v1/traces/z").status, 404);
}

TEST_F(ApiTracesTest, EventsAreMergedAndReadOn) {
  PeerSays({{"id", "new"}}, 201);
  Send("POST", "/api/v1/traces", R"({"client_id": "c"})");
  trace::Event event;
  event.time = 2'000;
  event.step = trace::Step::kForwarded;
  event.nodes = {3};
  traces_.book.Write(1, event);
  PeerSays({{"spec", {{"id", "new"}}},
            {"last", 4},
            {"lost", 1},
            {"done", false},
            {"events", {{{"time", "1970-01-01T00:00:01.000Z"}, {"step", "received"}}}}});
  Json told = Ask("GET", "/api/v1/traces/new");
  ASSERT_EQ(told["events"].size(), 2u);
  EXPECT_EQ(told["events"][0]["step"], "received");
  EXPECT_EQ(told["events"][1]["nodes"][0], "b");
  EXPECT_EQ(told["last"], "a:1,b:4");
  EXPECT_EQ(told["lost"], 1);
  EXPECT_EQ(told["client_id"], "c");
  // A node that is silent goes on where it was.
  peers_.answers = {{}, {"b"}};
  request_.query = {{"after", "a:1,b:4"}};
  told = Ask("GET", "/api/v1/traces/new");
  EXPECT_TRUE(told["events"].empty());
  EXPECT_EQ(told["last"], "a:1,b:4");
  EXPECT_EQ(told["silent_nodes"][0], "b");
}

TEST_F(ApiTracesTest, RefusalsHaveTheirStatus) {
  for (const char* body :
       {"", "{}", "[]", R"({"topic": "t", "client_id": "c"})", R"({"topic": "t", "seconds": 0})",
        R"({"topic": "t", "seconds": 3601})", R"({"topic": "t", "id": "mine"})", R"({"topic": 1})"})
    EXPECT_EQ(Send("POST", "/api/v1/traces", body).status, 400) << body;
  traces_.answer = absl::ResourceExhaustedError("8 run");
  EXPECT_EQ(Send("POST", "/api/v1/traces", R"({"topic": "t"})").status, 429);
  EXPECT_EQ(Send("DELETE", "/api/v1/traces/no").status, 404);
  EXPECT_EQ(Send("GET", "/api/v1/traces/no").status, 404);
  for (const auto& query : {std::multimap<std::string, std::string>{{"topic", "a/+"}},
                            {},
                            {{"topic", "t"}, {"qos", "3"}},
                            {{"topic", "t"}, {"payload_bytes", "-1"}}}) {
    request_.query = query;
    EXPECT_EQ(Send("GET", "/api/v1/explain").status, 400);
  }
}

}  // namespace
}  // namespace skein::admin
