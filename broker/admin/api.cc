#include "broker/admin/api.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "broker/admin/answers.h"
#include "broker/admin/gather.h"
#include "broker/admin/openapi.h"
#include "broker/admin/render.h"

namespace skein::admin {
namespace {

// A parameter that the route does not know; empty: there is none.
std::string Unknown(const Request& request, const Route& route) {
  for (const auto& [name, value] : request.query) {
    if (std::find(route.parameters.begin(), route.parameters.end(), name) == route.parameters.end())
      return name;
  }
  return {};
}

}  // namespace

Api::Api(ApiOptions options)
    : options_(std::move(options)),
      gate_(options_.gate, options_.log),
      clients_(options_.clients, options_.node, options_.peers),
      messages_(options_.messages),
      settings_(options_.settings, options_.node, options_.peers),
      traces_(options_.traces, options_.node, options_.peers) {
  AddRoutes();
  clients_.AddTo(&router_);
  messages_.AddTo(&router_);
  settings_.AddTo(&router_);
  traces_.AddTo(&router_);
}

void Api::AddRoutes() {
  const auto add = [this](const char* method, const char* path, Role role,
                          std::vector<std::string> parameters,
                          Response (Api::*handle)(const Request&, const Values&)) {
    router_.Add({method, path, role, std::move(parameters),
                 [this, handle](const Request& request, const Values& values) {
                   return (this->*handle)(request, values);
                 }});
  };
  add("GET", "/livez", Role::kOpen, {}, &Api::Live);
  add("GET", "/readyz", Role::kOpen, {}, &Api::Ready);
  add("GET", "/startupz", Role::kOpen, {}, &Api::Started);
  add("GET", "/metrics",
      options_.metrics_access == MetricsAccess::kOpen ? Role::kOpen : Role::kRead, {},
      &Api::Metrics);
  add("GET", "/api/v1/overview", Role::kRead, {}, &Api::Overview);
  add("GET", "/api/v1/cluster", Role::kRead, {}, &Api::Cluster);
  add("GET", "/api/v1/partitions", Role::kRead, {}, &Api::Partitions);
  add("GET", "/api/v1/routes", Role::kRead, {"prefix", "node", "limit"}, &Api::Routes);
  add("POST", "/api/v1/cluster/drain", Role::kOperate, {}, &Api::Drain);
  add("POST", "/api/v1/cluster/leave", Role::kAdmin, {}, &Api::Leave);
  add("POST", "/api/v1/cluster/nodes/{node}/leave", Role::kAdmin, {}, &Api::Forget);
  router_.Add({"GET", "/api/v1/openapi.json", Role::kRead, {}, [](const Request&, const Values&) {
                 Response response;
                 response.body = kOpenApi;
                 return response;
               }});
}

Response Api::Handle(const Request& request) {
  ++requests_;
  Request mine = request;
  Response response = Dispatch(&mine);
  if (response.status == 401 || response.status == 403) ++refused_;
  if (response.status == 503) ++busy_;
  {
    MutexLock lock(mutex_);
    ++answers_[response.status];
  }
  const bool changes = request.method != "GET" && request.method != "HEAD";
  options_.log->Log(changes ? LogLevel::kInfo : LogLevel::kDebug, "admin.request",
                    {{"who", mine.who},
                     {"peer", request.peer},
                     {"method", request.method},
                     {"path", request.path},
                     {"status", response.status}});
  return response;
}

std::map<int, uint64_t> Api::answers() const {
  MutexLock lock(mutex_);
  return answers_;
}

Response Api::Dispatch(Request* request) {
  const Router::Found found = router_.Find(request->method, request->path);
  // Who may not ask is not told either what there is.
  const Role role = found.route == nullptr ? Role::kRead : found.route->role;
  if (role != Role::kOpen && !request->from_node) {
    if (Response refusal = Admit(*request, role, &request->who); refusal.status != 200)
      return refusal;
  }
  if (found.route == nullptr) {
    if (found.allow.empty()) return Fail(404, "there is nothing here");
    Response wrong = Fail(405, absl::StrCat("only ", found.allow, " is possible"));
    wrong.allow = found.allow;
    return wrong;
  }
  if (const std::string name = Unknown(*request, *found.route); !name.empty()) {
    const std::vector<std::string>& known = found.route->parameters;
    return Fail(400, absl::StrCat("there is no parameter '", name, "'",
                                  known.empty() ? "" : "; known: ", absl::StrJoin(known, ", ")));
  }
  return found.route->handle(*request, found.values);
}

Response Api::Admit(const Request& request, Role role, std::string* who) const {
  const absl::StatusOr<Caller> caller = gate_.Admit(request);
  if (absl::IsUnauthenticated(caller.status()))
    return Fail(401, std::string(caller.status().message()));
  if (!caller.ok()) return Fail(caller.status());
  *who = caller->who;
  if (caller->role >= role) return {};
  return Fail(403, absl::StrCat("the role ", std::string(NameOf(role)), " is needed; '",
                                caller->who, "' has ", std::string(NameOf(caller->role))));
}

Response Api::Live(const Request& /*request*/, const Values& /*values*/) {
  const Health health = options_.node->Alive();
  return {health.ok() ? 200 : 503, RenderLiveness(health), {}};
}

Response Api::Ready(const Request& /*request*/, const Values& /*values*/) {
  const Readiness readiness = options_.node->Ready();
  return {readiness.ready() ? 200 : 503, RenderReadiness(readiness), {}};
}

Response Api::Started(const Request& /*request*/, const Values& /*values*/) {
  const Health health = options_.node->Started();
  return {health.ok() ? 200 : 503, RenderHealth(health), {}};
}

Response Api::Metrics(const Request& /*request*/, const Values& /*values*/) {
  if (options_.metrics_access == MetricsAccess::kOff || options_.metrics == nullptr)
    return Fail(404, "metrics are off (admin.metrics)");
  Response response;
  response.body = options_.metrics();
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

// Every node's part has one row.
Response Api::Overview(const Request& request, const Values& /*values*/) {
  const auto overview = options_.node->Overview();
  const auto cluster = options_.node->Cluster();
  const absl::Status status = overview.ok() ? cluster.status() : overview.status();
  const Response mine = status.ok() ? Ok(OverviewJson(*overview, *cluster)) : Fail(status);
  if (request.from_node) return mine;
  Parts parts = Gather(request, options_.peers, options_.node->name(), mine);
  Json json;
  json["time"] = absl::ToUnixMillis(absl::Now());
  json["nodes"] = RowsOf(&parts, "nodes");
  json["silent_nodes"] = parts.silent;
  return Ok(json);
}

Response Api::Cluster(const Request& /*request*/, const Values& /*values*/) {
  const absl::StatusOr<ClusterStatus> status = options_.node->Cluster();
  if (!status.ok()) return Fail(status.status());
  return {200, RenderCluster(*status, options_.node->Ready().ready()), {}};
}

Response Api::Partitions(const Request& /*request*/, const Values& /*values*/) {
  const auto table = options_.node->Table();
  if (!table.ok()) return Fail(table.status());
  const auto cluster = options_.node->Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  return {200, RenderTable(*table, *cluster), {}};
}

Response Api::Routes(const Request& request, const Values& /*values*/) {
  const auto cluster = options_.node->Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  shard::RouteQuery query;
  query.limit = kDefaultRoutes;
  query.prefix = ParameterOf(request, "prefix").value_or("");
  if (const auto limit = ParameterOf(request, "limit")) {
    uint32_t rows = 0;
    if (!absl::SimpleAtoi(*limit, &rows) || rows == 0 || rows > kMostRoutes)
      return Fail(400, absl::StrCat("limit: a number from 1 to ", kMostRoutes));
    query.limit = rows;
  }
  if (const auto name = ParameterOf(request, "node")) {
    const auto& members = cluster->members;
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const auto& member) { return member.node == *name; });
    if (found == members.end())
      return Fail(404, absl::StrCat("node: there is no node '", *name, "'"));
    query.node = found->number;
  }
  const auto routes = options_.node->Routes(query);
  if (!routes.ok()) return Fail(routes.status());
  return {200, RenderRoutes(*routes, *cluster), {}};
}

Response Api::Drain(const Request& /*request*/, const Values& /*values*/) {
  if (const absl::Status status = options_.node->Drain(); !status.ok()) return Fail(status);
  return {202, "{\"accepted\":true}\n", {}};
}

Response Api::Leave(const Request& /*request*/, const Values& /*values*/) {
  if (const absl::Status status = options_.node->Leave(); !status.ok()) return Fail(status);
  return {202, "{\"accepted\":true}\n", {}};
}

Response Api::Forget(const Request& request, const Values& values) {
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  const bool sure = body.is_object() && body.contains("lose_sessions") &&
                    body["lose_sessions"].is_boolean() && body["lose_sessions"].get<bool>();
  if (!sure) {
    return Fail(400,
                "the sessions of that node are lost by this; if that is meant, send "
                "{\"lose_sessions\": true}");
  }
  const absl::Status status = options_.node->Forget(values[0]);
  if (!status.ok()) return Fail(status);
  return {200, "{\"forgotten\":true}\n", {}};
}

}  // namespace skein::admin
