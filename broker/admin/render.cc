#include "broker/admin/render.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace skein::admin {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Null for a number that nobody has.
Json NameOf(shard::NodeNumber number, const ClusterStatus& cluster) {
  const auto found = std::find_if(cluster.members.begin(), cluster.members.end(),
                                  [&](const auto& member) { return member.number == number; });
  return found == cluster.members.end() ? Json() : Json(found->node);
}

}  // namespace

std::string RenderError(const std::string& text) {
  return Text({{"error", text}});
}

std::string RenderReadiness(const Readiness& readiness) {
  Json json;
  json["ready"] = readiness.ready();
  json["serving"] = readiness.serving;
  json["joined"] = readiness.joined;
  json["lease"] = readiness.lease;
  json["draining"] = readiness.draining;
  return Text(json);
}

std::string RenderCluster(const ClusterStatus& status, bool ready) {
  Json json;
  json["node"] = status.node;
  json["number"] = status.number;
  json["version"] = status.version;
  json["cluster"] = status.cluster;
  json["coordinator"] = status.coordinator;
  json["lease"] = status.lease ? Json(*status.lease) : Json();
  json["state"] = status.state;
  json["ready"] = ready;
  json["partitions"] = status.partitions;
  json["moving"] = status.moving;
  json["members"] = Json::array();
  for (const ClusterMember& member : status.members) {
    Json each;
    each["node"] = member.node;
    each["number"] = member.number;
    each["address"] = member.address;
    each["state"] = member.state;
    each["self"] = member.self;
    each["linked"] = member.linked;
    each["partitions"] = member.partitions;
    json["members"].push_back(std::move(each));
  }
  return Text(json);
}

std::string RenderTable(const std::vector<shard::PartitionRow>& table,
                        const ClusterStatus& cluster) {
  Json json;
  json["partitions"] = Json::array();
  for (size_t partition = 0; partition < table.size(); ++partition) {
    json["partitions"].push_back({{"partition", partition},
                                  {"epoch", table[partition].epoch},
                                  {"node", NameOf(table[partition].node, cluster)}});
  }
  return Text(json);
}

std::string RenderRoutes(const shard::RouteList& routes, const ClusterStatus& cluster) {
  Json json;
  json["routes"] = Json::array();
  for (const shard::RouteRow& row : routes.rows) {
    Json each;
    each["filter"] = row.filter;
    each["partition"] = row.partition ? Json(*row.partition) : Json();
    each["node"] = NameOf(row.node, cluster);
    each["weight"] = row.weight;
    json["routes"].push_back(std::move(each));
  }
  json["truncated"] = routes.truncated;
  return Text(json);
}

}  // namespace skein::admin
