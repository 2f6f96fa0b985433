#include "cmd/skeinmqctl/cluster_command.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "cmd/skeinmqctl/ask.h"
#include "cmd/skeinmqctl/cluster_tables.h"
#include "cmd/skeinmqctl/commands.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::json;

std::string StateOf(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  const bool known = json.is_object() && json.contains("state") && json["state"].is_string();
  return known ? json["state"].get<std::string>() : "";
}

using PrintBody = bool (*)(const std::string& body, std::ostream& out, std::ostream& err);

int Show(const ClusterOptions& options, const HttpRequest& request, PrintBody print,
         std::ostream& out, std::ostream& err) {
  return Show(
      options.server, request, options.json,
      [&](const std::string& body) { return print(body, out, err); }, out, err);
}

// Whether the node stops answering in that time.
bool WaitForEnd(const ServerOptions& server, uint32_t wait_seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(wait_seconds);
  while (HttpClient(server).Ask({"GET", "/livez", {}, {}}).ok()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return true;
}

}  // namespace

int ClusterStatus(const ClusterOptions& options, std::ostream& out, std::ostream& err) {
  return Show(options, {"GET", "/api/v1/cluster", {}, {}}, &PrintStatus, out, err);
}

int ClusterPartitions(const ClusterOptions& options, std::ostream& out, std::ostream& err) {
  return Show(options, {"GET", "/api/v1/partitions", {}, {}}, &PrintPartitions, out, err);
}

int ClusterRoutes(const ClusterOptions& options, const RoutesOptions& which, std::ostream& out,
                  std::ostream& err) {
  HttpRequest request{"GET", "/api/v1/routes", {}, {}};
  if (!which.prefix.empty()) request.query.emplace_back("prefix", which.prefix);
  if (!which.node.empty()) request.query.emplace_back("node", which.node);
  if (which.limit) request.query.emplace_back("limit", std::to_string(*which.limit));
  return Show(options, request, &PrintRoutes, out, err);
}

int ClusterReady(const ClusterOptions& options, std::ostream& out, std::ostream& err) {
  const auto answer = HttpClient(options.server).Ask({"GET", "/readyz", {}, {}});
  if (!answer.ok()) return Fail(std::string(answer.status().message()), err);
  if (answer->status != 200 && answer->status != 503) return Refused(options.server, *answer, err);
  if (options.json) {
    out << answer->body;
  } else if (!PrintReady(answer->body, out, err)) {
    return Fail(options.server.url + ": the answer is not understood", err);
  }
  return answer->status == 200 ? kExitOk : kExitProblem;
}

int ClusterDrain(const ClusterOptions& options, uint32_t wait_seconds, std::ostream& out,
                 std::ostream& err) {
  int code = kExitOk;
  auto answer = Ask(options.server, {"POST", "/api/v1/cluster/drain", {}, {}}, err, &code);
  if (!answer) return code;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(wait_seconds);
  bool drained = false;
  while (wait_seconds > 0 && !drained) {
    answer = Ask(options.server, {"GET", "/api/v1/cluster", {}, {}}, err, &code);
    if (!answer) return code;
    drained = StateOf(answer->body) == "drained";
    if (drained) break;
    if (std::chrono::steady_clock::now() > deadline) {
      return Fail("the node has not given all of its partitions away within " +
                      std::to_string(wait_seconds) + " s; it goes on",
                  err);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  if (options.json) {
    out << answer->body;
  } else {
    out << (drained ? "drained\n" : "draining; `skeinmqctl cluster status` shows how far it is\n");
  }
  return kExitOk;
}

int ClusterLeave(const ClusterOptions& options, const LeaveOptions& how, std::ostream& out,
                 std::ostream& err) {
  HttpRequest request{"POST", "/api/v1/cluster/leave", {}, {}};
  if (!how.dead_node.empty()) {
    request.path = "/api/v1/cluster/nodes/" + how.dead_node + "/leave";
    request.body = "{\"lose_sessions\": true}";
  }
  int code = kExitOk;
  const auto answer = Ask(options.server, request, err, &code);
  if (!answer) return code;
  if (how.wait_seconds > 0 && !WaitForEnd(options.server, how.wait_seconds)) {
    return Fail("the node has not left within " + std::to_string(how.wait_seconds) +
                    " s; it goes on trying",
                err);
  }
  if (options.json) {
    out << answer->body;
  } else if (!how.dead_node.empty()) {
    out << "node '" << how.dead_node << "' does not belong to the cluster any more\n";
  } else if (how.wait_seconds > 0) {
    out << "left\n";
  } else {
    out << "leaving; the process ends when its partitions are with the others\n";
  }
  return kExitOk;
}

}  // namespace skein::ctl
