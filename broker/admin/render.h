// The admin API's answers as JSON; docs/operations.md describes them.
//
// Purpose: one place for the names of fields. Bytes that are no UTF-8 are replaced. Thread: pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/admin/answers.h"
#include "broker/admin/node.h"

namespace skein::admin {

// Null for a number that nobody has; nothing for a name that nobody has.
Json NodeJson(shard::NodeNumber number, const ClusterStatus& cluster);
std::optional<shard::NodeNumber> NumberOfNode(const std::string& name,
                                              const ClusterStatus& cluster);

// {"nodes": [one row]}
Json OverviewJson(const NodeOverview& overview, const ClusterStatus& cluster);

std::string RenderError(const std::string& text);
std::string RenderHealth(const Health& health);
std::string RenderLiveness(const Health& health);
std::string RenderReadiness(const Readiness& readiness);
std::string RenderCluster(const ClusterStatus& status, bool ready);
// cluster: for the nodes' names.
std::string RenderTable(const std::vector<shard::PartitionRow>& table,
                        const ClusterStatus& cluster);
std::string RenderRoutes(const shard::RouteList& routes, const ClusterStatus& cluster);

}  // namespace skein::admin
