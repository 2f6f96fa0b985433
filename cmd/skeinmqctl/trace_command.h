// `skeinmqctl trace` and `skeinmqctl explain`: why a message arrives, or does not.
//
// Purpose: one function a command, over a node's admin API, which asks all nodes. Thread: called
// once, at start. Errors: one line on `err`; kExitRefused when the node says no.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "cmd/skeinmqctl/http_client.h"

namespace skein::ctl {

struct ExplainOptions {
  ServerOptions server;
  bool json = false;
  std::string topic;
  std::string client_id;  // of the publisher; empty: not asked about
  uint32_t qos = 1;
  bool retain = false;
  uint32_t payload_bytes = 0;
  std::optional<uint32_t> limit;
};
int ExplainTopic(const ExplainOptions& options, std::ostream& out, std::ostream& err);

struct TraceOptions {
  ServerOptions server;
  bool json = false;      // one event a line
  std::string client_id;  // or:
  std::string topic;
  uint32_t seconds = 60;
};
// Prints what happens until the time is over or SIGINT or SIGTERM comes; then the trace is deleted.
int TraceMessages(const TraceOptions& options, std::ostream& out, std::ostream& err);

}  // namespace skein::ctl
