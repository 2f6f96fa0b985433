#include "cmd/skeinmqctl/cluster_tables.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "cmd/skeinmqctl/table.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

std::string Text(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

bool Is(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

// The rows below `key`, or null.
const Json* ListOf(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key) || !json[key].is_array()) return nullptr;
  const Json& list = json[key];
  const bool objects =
      std::all_of(list.begin(), list.end(), [](const Json& each) { return each.is_object(); });
  return objects ? &list : nullptr;
}

void Print(const std::vector<Row>& rows, std::ostream& out) {
  PrintRows(rows, out);
}

}  // namespace

bool PrintStatus(const std::string& body, std::ostream& out, std::ostream& /*err*/) {
  const Json json = Json::parse(body, nullptr, false);
  const Json* const members = ListOf(json, "members");
  if (members == nullptr) return false;
  std::string coordinator = Text(json, "coordinator");
  if (coordinator == "etcd") coordinator += Is(json, "lease") ? ", lease held" : ", no lease";
  Print({{"node", Text(json, "node")},
         {"state", Text(json, "state") + (Is(json, "ready") ? ", ready" : ", not ready")},
         {"cluster", Text(json, "cluster")},
         {"coordinator", coordinator},
         {"partitions", Text(json, "partitions") + ", " + Text(json, "moving") +
                            " on the way from here to other nodes"},
         {"version", Text(json, "version")}},
        out);
  out << "\n";
  std::vector<Row> rows = {{"NODE", "STATE", "LINK", "PARTITIONS", "ADDRESS"}};
  for (const Json& member : *members) {
    rows.push_back({Text(member, "node"), Text(member, "state"),
                    Is(member, "self")     ? "self"
                    : Is(member, "linked") ? "up"
                                           : "down",
                    Text(member, "partitions"), Text(member, "address")});
  }
  Print(rows, out);
  return true;
}

bool PrintPartitions(const std::string& body, std::ostream& out, std::ostream& /*err*/) {
  const Json json = Json::parse(body, nullptr, false);
  const Json* const partitions = ListOf(json, "partitions");
  if (partitions == nullptr) return false;
  std::vector<Row> rows = {{"PARTITION", "EPOCH", "NODE"}};
  for (const Json& row : *partitions)
    rows.push_back({Text(row, "partition"), Text(row, "epoch"), Text(row, "node")});
  Print(rows, out);
  return true;
}

bool PrintRoutes(const std::string& body, std::ostream& out, std::ostream& err) {
  const Json json = Json::parse(body, nullptr, false);
  const Json* const routes = ListOf(json, "routes");
  if (routes == nullptr) return false;
  std::vector<Row> rows = {{"NODE", "PARTITION", "WEIGHT", "FILTER"}};
  for (const Json& row : *routes) {
    rows.push_back(
        {Text(row, "node"), Text(row, "partition"), Text(row, "weight"), Text(row, "filter")});
  }
  Print(rows, out);
  if (Is(json, "truncated"))
    err << "skeinmqctl: there are more; see --limit, --prefix and --node\n";
  return true;
}

bool PrintReady(const std::string& body, std::ostream& out, std::ostream& /*err*/) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("ready")) return false;
  out << (Is(json, "ready") ? "ready" : "not ready:");
  if (!Is(json, "ready")) {
    if (!Is(json, "serving")) out << " no clients are served;";
    if (!Is(json, "joined")) out << " it has not joined the other nodes;";
    if (!Is(json, "lease")) out << " the coordinator does not count on it;";
    if (Is(json, "draining")) out << " it drains;";
  }
  out << "\n";
  return true;
}

}  // namespace skein::ctl
