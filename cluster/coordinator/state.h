// What the keys in etcd say.
//
// Purpose: turns keys and values into members and rows, and back. For .cc files of this folder and
// operators' tools. Thread: pure. Errors: what cannot be read is left out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/coordinator/coordinator.h"

namespace skein::cluster {

struct ClusterConfig {
  static constexpr int kFormat = 1;
  int format = kFormat;
  uint32_t partitions = 256;
  std::string id;
};

std::string Format(const ClusterConfig& config);
std::optional<ClusterConfig> ParseConfig(const std::string& value);

// A node, whether it lives or not; `incarnation` and `state` of live ones.
struct NodeRecord {
  shard::NodeNumber number = 0;
  std::string address;
  std::string incarnation;
  MemberState state = MemberState::kJoining;
};
std::string Format(const NodeRecord& record);
std::optional<NodeRecord> ParseNode(const std::string& value);

std::string FormatRow(const shard::PartitionRow& row);
std::optional<shard::PartitionRow> ParseRow(const std::string& value);
std::string TableKey(uint32_t partition);  // below the prefix

// All keys below the prefix, without it.
struct ClusterState {
  std::map<std::string, std::string> values;

  std::optional<ClusterConfig> config() const;
  // By node id.
  std::map<std::string, NodeRecord> Nodes(const char* kind) const;
  std::vector<LiveMember> LiveMembers() const;
  std::vector<shard::PartitionRow> Table(uint32_t partitions) const;
  bool Has(const std::string& key) const { return values.contains(key); }
};

const char* NameOf(MemberState state);

}  // namespace skein::cluster
