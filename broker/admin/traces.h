// The port to what a node can say about the way of messages.
//
// Purpose: one node's part of explain and trace, as values. Owner: cmd/ implements it. Thread: any
// of the API's. Errors: Unavailable: not now (503); ResourceExhausted: too many traces run (429).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/shard/explain.h"
#include "broker/trace/book.h"

namespace skein::admin {

class Traces {
 public:
  virtual ~Traces() = default;

  virtual TimeMs Now() = 0;
  virtual absl::StatusOr<shard::Explanation> Explain(const shard::ExplainQuery& query) = 0;

  // On return every shard of the node follows it. Has no effect if there is one with that id.
  virtual absl::Status StartTrace(const trace::Spec& spec) = 0;
  // False: there is none.
  virtual bool EndTrace(const std::string& id) = 0;
  // Nothing: there is none.
  virtual std::optional<trace::Reading> ReadTrace(const std::string& id, uint64_t after,
                                                  size_t most) = 0;
  virtual std::vector<trace::Spec> All() = 0;
  virtual std::string NewTraceId() = 0;
};

}  // namespace skein::admin
