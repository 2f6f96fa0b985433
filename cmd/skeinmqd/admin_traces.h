// Explain and trace on this node.
//
// Purpose: asks the node's shards and keeps what they see (broker/trace/book.h). Owner and thread:
// as AdminNode; the shards write to sink(). Limits: those of admin_shards.h and of the book.
// Errors: as admin::Traces has them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/admin/traces.h"
#include "broker/base/mutex.h"
#include "broker/shard/broker.h"
#include "cmd/skeinmqd/admin_node.h"

namespace skein {

class AdminTraces final : public admin::Traces {
 public:
  explicit AdminTraces(AdminNode* node) : node_(*node) {}

  trace::Sink* sink() { return &book_; }

  TimeMs Now() override;
  absl::StatusOr<shard::Explanation> Explain(const shard::ExplainQuery& query) override;
  absl::Status StartTrace(const trace::Spec& spec) override;
  bool EndTrace(const std::string& id) override;
  std::optional<trace::Reading> ReadTrace(const std::string& id, uint64_t after,
                                          size_t most) override;
  std::vector<trace::Spec> All() override;
  std::string NewTraceId() override;

 private:
  // The shards follow what the book says.
  absl::Status TellShards(shard::Broker* broker);

  AdminNode& node_;
  trace::Book book_;
  Mutex telling_;  // one change after the other
};

}  // namespace skein
