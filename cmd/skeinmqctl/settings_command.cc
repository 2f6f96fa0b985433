// Commands about publishing, settings and backups; see admin_command.h.
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "cmd/skeinmqctl/admin_command.h"
#include "cmd/skeinmqctl/table.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::json;

// How each node has taken it. A 409 says that some have not.
int ShowNodes(const AdminOptions& options, const HttpRequest& request,
              const std::vector<Column>& columns, std::ostream& out, std::ostream& err) {
  const absl::StatusOr<HttpAnswer> answer = HttpClient(options.server).Ask(request);
  if (!answer.ok()) return Fail(std::string(answer.status().message()), err);
  const Json json = Json::parse(answer->body, nullptr, false);
  const bool told = json.is_object() && json.contains("nodes");
  if (!told || (answer->status != 200 && answer->status != 409))
    return Refused(options.server, *answer, err);
  if (options.json) {
    out << answer->body;
  } else {
    PrintTable(columns, json["nodes"], out);
  }
  const bool silent = json.contains("silent_nodes") && !json["silent_nodes"].empty();
  if (silent) err << "skeinmqctl: silent: " << json["silent_nodes"].dump() << "\n";
  if (answer->status != 200) return Refused(options.server, *answer, err);
  return silent ? kExitProblem : kExitOk;
}

std::optional<std::string> PayloadOf(const PublishOptions& publish, std::ostream& err) {
  if (publish.message) return *publish.message;
  if (publish.file.empty()) return std::string();
  std::ifstream file;
  if (publish.file != "-") {
    file.open(publish.file, std::ios::binary);
    if (!file) {
      Fail("cannot read " + publish.file, err);
      return std::nullopt;
    }
  }
  std::istream& in = publish.file == "-" ? std::cin : file;
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

}  // namespace

int Publish(const AdminOptions& options, const PublishOptions& publish, std::ostream& out,
            std::ostream& err) {
  const std::optional<std::string> payload = PayloadOf(publish, err);
  if (!payload) return kExitProblem;
  Json body = {{"topic", publish.topic},
               {"payload_base64", absl::Base64Escape(*payload)},
               {"qos", publish.qos},
               {"retain", publish.retain}};
  if (!publish.content_type.empty()) body["content_type"] = publish.content_type;
  if (publish.expiry_seconds) body["expiry_seconds"] = *publish.expiry_seconds;
  for (const std::string& property : publish.user_properties) {
    const size_t equals = property.find('=');
    body["user_properties"].push_back(
        {property.substr(0, equals), equals == property.npos ? "" : property.substr(equals + 1)});
  }
  const auto tell = [&](const std::string& answer) {
    const Json json = Json::parse(answer, nullptr, false);
    if (!json.is_object()) return false;
    out << (json.value("no_subscriber", false) ? "published; nobody has subscribed to it\n"
                                               : "published\n");
    return true;
  };
  return Show(
      options.server,
      {"POST", "/api/v1/publish", {}, body.dump(-1, ' ', false, Json::error_handler_t::replace)},
      options.json, tell, out, err);
}

int ShowConfig(const AdminOptions& options, const std::string& node, bool changed,
               std::ostream& out, std::ostream& err) {
  HttpRequest request{"GET", "/api/v1/config", {}, {}};
  if (!node.empty()) request.query.emplace_back("node", node);
  const auto tell = [&](const std::string& answer) {
    const Json json = Json::parse(answer, nullptr, false);
    if (!json.is_object() || !json.contains("values") || !json["values"].is_array()) return false;
    Json rows = Json::array();
    for (const Json& row : json["values"]) {
      if (!changed || TextOf(row, "source") != "default") rows.push_back(row);
    }
    PrintTable({{"KEY", "key"}, {"SOURCE", "source"}, {"VALUE", "value"}}, rows, out);
    return true;
  };
  return Show(options.server, request, options.json, tell, out, err);
}

int ReloadConfig(const AdminOptions& options, std::ostream& out, std::ostream& err) {
  return ShowNodes(options, {"POST", "/api/v1/config/reload", {}, {}},
                   {{"NODE", "node"}, {"RELOADED", "reloaded"}, {"ERROR", "error"}}, out, err);
}

int LogLevelOf(const AdminOptions& options, const std::string& level, std::ostream& out,
               std::ostream& err) {
  HttpRequest request{"GET", "/api/v1/log-level", {}, {}};
  if (!level.empty()) {
    request.method = "PUT";
    request.body = Json{{"level", level}}.dump();
  }
  return ShowNodes(options, request, {{"NODE", "node"}, {"LEVEL", "level"}}, out, err);
}

int Backup(const AdminOptions& options, const std::string& name, std::ostream& out,
           std::ostream& err) {
  HttpRequest request{"POST", "/api/v1/backup", {}, {}};
  request.body = Json{{"name", name}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  return ShowNodes(options, request,
                   {{"NODE", "node"},
                    {"DONE", "done"},
                    {"BYTES", "bytes"},
                    {"PATH", "path"},
                    {"ERROR", "error"}},
                   out, err);
}

}  // namespace skein::ctl
