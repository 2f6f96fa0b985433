#include "broker/admin/api.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "broker/admin/render.h"
#include "broker/admin/token.h"

namespace skein::admin {
namespace {

constexpr std::string_view kNodes = "/api/v1/cluster/nodes/";
constexpr std::string_view kLeave = "/leave";

Response Fail(int status, const std::string& why) {
  return {status, RenderError(why), {}};
}

Response Fail(const absl::Status& status) {
  const std::string why(status.message());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return Fail(400, why);
    case absl::StatusCode::kNotFound:
      return Fail(404, why);
    case absl::StatusCode::kFailedPrecondition:
      return Fail(409, why);
    default:
      return Fail(503, why);
  }
}

// "[::1]:9883" -> "::1", "localhost:9883" -> "localhost".
std::string_view HostOf(std::string_view header) {
  if (header.starts_with('[')) return header.substr(1, header.find(']') - 1);
  return header.substr(0, header.rfind(':'));
}

// An address, not a name that begins like one.
bool IsHere(std::string_view host) {
  const bool number = host.find_first_not_of("0123456789.") == host.npos;
  return host == "localhost" || host == "::1" || (number && host.starts_with("127."));
}

// NAME of /api/v1/cluster/nodes/NAME/leave; empty: it is something else.
std::string_view NodeOf(std::string_view path) {
  if (!path.starts_with(kNodes) || !path.ends_with(kLeave) ||
      path.size() <= kNodes.size() + kLeave.size())
    return {};
  return path.substr(kNodes.size(), path.size() - kNodes.size() - kLeave.size());
}

std::optional<std::string> ParameterOf(const Request& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

struct Api::Entry {
  std::string_view method;
  std::string_view path;  // empty: that of Forget
  Response (Api::*handle)(const Request&);
  bool open = false;  // for probes, which have no token

  bool Matches(std::string_view asked) const {
    return path.empty() ? !NodeOf(asked).empty() : path == asked;
  }
};

const Api::Entry Api::kEntries[] = {
    {"GET", "/livez", &Api::Live, true},
    {"GET", "/readyz", &Api::Ready, true},
    {"GET", "/api/v1/cluster", &Api::Cluster},
    {"GET", "/api/v1/partitions", &Api::Partitions},
    {"GET", "/api/v1/routes", &Api::Routes},
    {"POST", "/api/v1/cluster/drain", &Api::Drain},
    {"POST", "/api/v1/cluster/leave", &Api::Leave},
    {"POST", "", &Api::Forget},
};

Response Api::Handle(const Request& request) {
  ++requests_;
  Response response = Dispatch(request);
  if (response.status == 401 || response.status == 403) ++refused_;
  if (response.status == 503) ++busy_;
  const bool changes = request.method != "GET";
  options_.log->Log(changes ? LogLevel::kInfo : LogLevel::kDebug, "admin.request",
                    {{"peer", request.peer},
                     {"method", request.method},
                     {"path", request.path},
                     {"status", response.status}});
  return response;
}

Response Api::Dispatch(const Request& request) {
  const auto matches = [&](const Entry& entry) { return entry.Matches(request.path); };
  const Entry* const entry = std::find_if(std::begin(kEntries), std::end(kEntries), matches);
  // Who may not ask is not told either what there is.
  if (entry == std::end(kEntries) || !entry->open) {
    if (Response refusal = Admit(request); refusal.status != 200) return refusal;
  }
  if (entry == std::end(kEntries)) return Fail(404, "there is nothing here");
  if (request.method == entry->method || (request.method == "HEAD" && entry->method == "GET"))
    return (this->*entry->handle)(request);
  Response wrong = Fail(405, absl::StrCat("only ", std::string(entry->method), " is possible"));
  wrong.allow = entry->method;
  return wrong;
}

// Without a token whoever runs a program on this machine may ask; a web page that somebody looks at
// here may not. Browsers say where a page comes from, and which name they have looked up.
Response Api::Admit(const Request& request) const {
  if (request.from_node) return {};  // it has let its operator in
  if (!request.origin.empty() && request.origin != absl::StrCat("http://", request.host) &&
      request.origin != absl::StrCat("https://", request.host))
    return Fail(403, "requests of other web sites are refused");
  if (options_.token_file.empty()) {
    const std::string_view host = HostOf(request.host);
    if (request.host.empty() || IsHere(host) || host == options_.listen_host) return {};
    return Fail(403, "the Host of the request is not this machine");
  }
  const absl::StatusOr<std::string> token = ReadToken(options_.token_file);
  if (!token.ok()) {
    options_.log->Log(LogLevel::kError, "admin.no_token",
                      {{"error", std::string(token.status().message())}});
    return Fail(503, "the node cannot read its admin.token_file");
  }
  if (ShowsToken(request.authorization, *token)) return {};
  return Fail(
      401, request.authorization.empty() ? "a bearer token is needed" : "the token is not right");
}

Response Api::Live(const Request& /*request*/) {
  return {200, "{\"live\":true}\n", {}};
}

Response Api::Ready(const Request& /*request*/) {
  const Readiness readiness = options_.node->Ready();
  return {readiness.ready() ? 200 : 503, RenderReadiness(readiness), {}};
}

Response Api::Cluster(const Request& /*request*/) {
  const absl::StatusOr<ClusterStatus> status = options_.node->Cluster();
  if (!status.ok()) return Fail(status.status());
  return {200, RenderCluster(*status, options_.node->Ready().ready()), {}};
}

Response Api::Partitions(const Request& /*request*/) {
  const auto table = options_.node->Table();
  if (!table.ok()) return Fail(table.status());
  const auto cluster = options_.node->Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  return {200, RenderTable(*table, *cluster), {}};
}

Response Api::Routes(const Request& request) {
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

Response Api::Drain(const Request& /*request*/) {
  if (const absl::Status status = options_.node->Drain(); !status.ok()) return Fail(status);
  return {202, "{\"accepted\":true}\n", {}};
}

Response Api::Leave(const Request& /*request*/) {
  if (const absl::Status status = options_.node->Leave(); !status.ok()) return Fail(status);
  return {202, "{\"accepted\":true}\n", {}};
}

Response Api::Forget(const Request& request) {
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  const bool sure = body.is_object() && body.contains("lose_sessions") &&
                    body["lose_sessions"].is_boolean() && body["lose_sessions"].get<bool>();
  if (!sure) {
    return Fail(400,
                "the sessions of that node are lost by this; if that is meant, send "
                "{\"lose_sessions\": true}");
  }
  const absl::Status status = options_.node->Forget(std::string(NodeOf(request.path)));
  if (!status.ok()) return Fail(status);
  return {200, "{\"forgotten\":true}\n", {}};
}

}  // namespace skein::admin
