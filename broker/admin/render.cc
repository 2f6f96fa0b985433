#include "broker/admin/render.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace skein::admin {
namespace {

std::string Text(const Json& json) {
  return TextOf(json);
}

Json NumberOrNull(const std::optional<double>& number) {
  return number ? Json(*number) : Json();
}

Json LatencyJson(const NodeOverview::Latency& latency) {
  return {{"p50", NumberOrNull(latency.p50)}, {"p99", NumberOrNull(latency.p99)}};
}

}  // namespace

Json NodeJson(shard::NodeNumber number, const ClusterStatus& cluster) {
  const auto found = std::find_if(cluster.members.begin(), cluster.members.end(),
                                  [&](const auto& member) { return member.number == number; });
  return found == cluster.members.end() ? Json() : Json(found->node);
}

std::optional<shard::NodeNumber> NumberOfNode(const std::string& name,
                                              const ClusterStatus& cluster) {
  for (const ClusterMember& member : cluster.members) {
    if (member.node == name) return member.number;
  }
  return std::nullopt;
}

Json OverviewJson(const NodeOverview& overview, const ClusterStatus& cluster) {
  Json row;
  row["node"] = cluster.node;
  row["version"] = cluster.version;
  row["state"] = cluster.state;
  size_t linked = 0;
  size_t partitions = 0;
  for (const ClusterMember& member : cluster.members) {
    linked += member.linked && !member.self ? 1 : 0;
    if (member.self) partitions = member.partitions;
  }
  row["linked"] = linked;
  row["uptime_seconds"] = overview.uptime_ms / 1'000;
  row["connections"] = overview.connections;
  row["sessions"] = overview.sessions;
  row["subscriptions"] = overview.subscriptions;
  row["routes"] = overview.routes;
  row["retained_messages"] = overview.retained_messages;
  row["queued_messages"] = overview.queued_messages;
  row["messages_in_total"] = overview.messages_in;
  row["messages_out_total"] = overview.messages_out;
  row["bytes_in_total"] = overview.bytes_in;
  row["bytes_out_total"] = overview.bytes_out;
  row["dropped_total"] = overview.dropped;
  row["partitions"] = partitions;
  row["outbox_messages"] = overview.outbox_messages;
  row["latency"] = {{"publish_ack", LatencyJson(overview.publish_ack)},
                    {"publish_deliver", LatencyJson(overview.publish_deliver)}};
  row["websocket_listeners"] = Json::array();
  for (const NodeOverview::Door& door : overview.websocket_listeners)
    row["websocket_listeners"].push_back({{"name", door.name}, {"url", door.url}});
  Json json;
  json["nodes"] = Json::array({row});
  return json;
}

std::string RenderError(const std::string& text) {
  return Text({{"error", text}});
}

std::string RenderHealth(const Health& health) {
  return Text({{"ok", health.ok()}, {"reasons", health.reasons}});
}

std::string RenderLiveness(const Health& health) {
  return Text({{"ok", health.ok()}, {"reasons", health.reasons}, {"live", health.ok()}});
}

std::string RenderReadiness(const Readiness& readiness) {
  Json json;
  json["ok"] = readiness.ready();
  json["reasons"] = Json::array();
  const auto unless = [&](bool good, const char* reason) {
    if (!good) json["reasons"].push_back(reason);
  };
  unless(readiness.serving, "clients are not let in yet");
  unless(readiness.joined, "what the other nodes' clients subscribe to is not known yet");
  unless(readiness.lease, "the lease is lost, and not all nodes can be reached");
  unless(!readiness.draining, "the node is draining");
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
                                  {"node", NodeJson(table[partition].node, cluster)}});
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
    each["node"] = NodeJson(row.node, cluster);
    each["weight"] = row.weight;
    json["routes"].push_back(std::move(each));
  }
  json["truncated"] = routes.truncated;
  return Text(json);
}

}  // namespace skein::admin
