#include "cluster/coordinator/state.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "cluster/coordinator/etcd_coordinator.h"

namespace skein::cluster {
namespace {

using nlohmann::json;

json Parse(const std::string& text) {
  return json::parse(text, nullptr, false);
}

template <class T>
T Get(const json& object, const char* key, T otherwise) {
  const auto found = object.find(key);
  if (found == object.end()) return otherwise;
  try {
    return found->get<T>();
  } catch (const json::exception&) {
    return otherwise;
  }
}

}  // namespace

const char* NameOf(MemberState state) {
  switch (state) {
    case MemberState::kJoining:
      return "joining";
    case MemberState::kActive:
      return "active";
    case MemberState::kDraining:
      return "draining";
  }
  return "";
}

std::string Format(const ClusterConfig& config) {
  return json{{"format", config.format}, {"partitions", config.partitions}, {"id", config.id}}
      .dump();
}

std::optional<ClusterConfig> ParseConfig(const std::string& value) {
  const json object = Parse(value);
  if (!object.is_object()) return std::nullopt;
  ClusterConfig config;
  config.format = Get(object, "format", 0);
  config.partitions = Get(object, "partitions", 0u);
  config.id = Get(object, "id", std::string());
  return config;
}

std::string Format(const NodeRecord& record) {
  json object{{"number", record.number}, {"address", record.address}};
  if (!record.incarnation.empty()) {
    object["incarnation"] = record.incarnation;
    object["state"] = NameOf(record.state);
  }
  return object.dump();
}

std::optional<NodeRecord> ParseNode(const std::string& value) {
  const json object = Parse(value);
  if (!object.is_object()) return std::nullopt;
  const int number = Get(object, "number", -1);
  if (number < 0 || number >= shard::kMaxNodes) return std::nullopt;
  NodeRecord record;
  record.number = static_cast<shard::NodeNumber>(number);
  record.address = Get(object, "address", std::string());
  record.incarnation = Get(object, "incarnation", std::string());
  const std::string state = Get(object, "state", std::string());
  for (const MemberState each : {MemberState::kActive, MemberState::kDraining}) {
    if (state == NameOf(each)) record.state = each;
  }
  return record;
}

std::string FormatRow(const shard::PartitionRow& row) {
  return json{{"epoch", row.epoch}, {"node", row.node}}.dump();
}

std::optional<shard::PartitionRow> ParseRow(const std::string& value) {
  const json object = Parse(value);
  if (!object.is_object()) return std::nullopt;
  const int node = Get(object, "node", -1);
  if (node < 0 || node >= shard::kMaxNodes) return std::nullopt;
  return shard::PartitionRow{Get(object, "epoch", 0u), static_cast<shard::NodeNumber>(node)};
}

std::string TableKey(uint32_t partition) {
  char text[32];
  std::snprintf(text, sizeof text, "%s%05u", keys::kTable, partition);
  return text;
}

std::optional<ClusterConfig> ClusterState::config() const {
  const auto found = values.find(keys::kConfig);
  return found == values.end() ? std::nullopt : ParseConfig(found->second);
}

std::map<std::string, NodeRecord> ClusterState::Nodes(const char* kind) const {
  std::map<std::string, NodeRecord> nodes;
  const std::string prefix = kind;
  for (auto each = values.lower_bound(prefix);
       each != values.end() && each->first.starts_with(prefix); ++each) {
    if (auto record = ParseNode(each->second))
      nodes.emplace(each->first.substr(prefix.size()), std::move(*record));
  }
  return nodes;
}

std::vector<LiveMember> ClusterState::LiveMembers() const {
  std::vector<LiveMember> members;
  for (const auto& [node, record] : Nodes(keys::kLive))
    members.push_back({{node, record.address, record.number}, record.state});
  return members;
}

std::vector<shard::PartitionRow> ClusterState::Table(uint32_t partitions) const {
  std::vector<shard::PartitionRow> table(partitions);
  const std::string prefix = keys::kTable;
  for (auto each = values.lower_bound(prefix);
       each != values.end() && each->first.starts_with(prefix); ++each) {
    uint32_t partition = 0;
    const std::optional<shard::PartitionRow> row = ParseRow(each->second);
    if (absl::SimpleAtoi(each->first.substr(prefix.size()), &partition) && row &&
        partition < partitions)
      table[partition] = *row;
  }
  return table;
}

}  // namespace skein::cluster
