// The nodes of a cluster as a configuration has them: "a=HOST:PORT,b=HOST:PORT".
//
// Purpose: reads, writes and checks them. Thread: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/problems.h"

namespace skein::config {

inline constexpr std::string_view kNodeIdAllowed = "1..64 of A-Z a-z 0-9 . _ -";

bool IsNodeId(std::string_view text);

// An entry with a range, "mq-{0..2}=mq-{0..2}.mq:7883", stands for one of each number. Nothing if
// one of them is not NODE=HOST:PORT, or a node is named twice.
std::optional<std::vector<ClusterPeer>> ParsePeers(std::string_view text);
std::string FormatPeers(const std::vector<ClusterPeer>& peers);

// Nothing if one of them is not http://HOST:PORT or https://HOST:PORT, or they differ in that.
std::optional<std::vector<std::string>> ParseEtcd(std::string_view text);

// What only shows when everything is read.
void CheckCluster(const Config& config, Problems* problems);

}  // namespace skein::config
