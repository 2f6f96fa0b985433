// The coordinator that etcd is.
//
// Purpose: keeps what the cluster has agreed on under one prefix of etcd, see docs/formats.md: who
// the nodes are and their numbers, who lives (under a lease), the partition table. Decides with
// Plan() what this node gives away and claims. Thread: two of its own, one that acts and one that
// watches. Limits: max_moves partitions of ours are on the move at once. Errors: what etcd does not
// take or answer is tried again; a lease that cannot be renewed in time counts as lost before etcd
// says so.
#pragma once

#include <memory>
#include <string>

#include "broker/base/log.h"
#include "cluster/coordinator/coordinator.h"
#include "cluster/coordinator/etcd_client.h"

namespace skein::cluster {

struct EtcdCoordinatorOptions {
  EtcdOptions etcd;
  std::string cluster = "skeinmq";
  std::string node;
  std::string address;  // where the other nodes reach this one
  uint32_t partitions = 256;
  uint32_t lease_seconds = 10;
  size_t max_moves = 4;
  Logger* log = nullptr;
  std::function<TimeMs()> clock;  // any thread
};

std::unique_ptr<Coordinator> MakeEtcdCoordinator(EtcdCoordinatorOptions options);

// The keys below "/skeinmq/<cluster>/", for the coordinator and for operators' tools.
namespace keys {
std::string Prefix(const std::string& cluster);
inline constexpr const char* kConfig = "config";
inline constexpr const char* kNodes = "nodes/";      // + node id: its number and address
inline constexpr const char* kNumbers = "numbers/";  // + number: its node id
inline constexpr const char* kLive = "live/";        // + node id, under the node's lease
inline constexpr const char* kTable = "table/";      // + partition: its row
inline constexpr const char* kDrain = "drain/";      // + node id: an operator wants it to drain
}  // namespace keys

}  // namespace skein::cluster
