// `skeinmqctl cluster`: asks a running node about its cluster, or to leave it.
//
// Purpose: one function a command, over the node's admin API. Thread: called once, at start.
// Errors: one line on `err`; kExitRefused when the node says no.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "cmd/skeinmqctl/http_client.h"

namespace skein::ctl {

struct ClusterOptions {
  ServerOptions server;
  bool json = false;
};
int ClusterStatus(const ClusterOptions& options, std::ostream& out, std::ostream& err);
int ClusterPartitions(const ClusterOptions& options, std::ostream& out, std::ostream& err);
// kExitProblem: it is not ready; `out` says what is missing.
int ClusterReady(const ClusterOptions& options, std::ostream& out, std::ostream& err);

struct RoutesOptions {
  std::string prefix;
  std::string node;
  std::optional<uint32_t> limit;
};
int ClusterRoutes(const ClusterOptions& options, const RoutesOptions& which, std::ostream& out,
                  std::ostream& err);

// wait_seconds: until the last partition is gone and the clients were told, or so long; 0: not.
int ClusterDrain(const ClusterOptions& options, uint32_t wait_seconds, std::ostream& out,
                 std::ostream& err);

struct LeaveOptions {
  std::string dead_node;      // not the node that is asked, but that one, with its sessions
  uint32_t wait_seconds = 0;  // until the node answers no more, or so long; 0: not
};
int ClusterLeave(const ClusterOptions& options, const LeaveOptions& how, std::ostream& out,
                 std::ostream& err);

}  // namespace skein::ctl
