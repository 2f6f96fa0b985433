// Messages as the admin API sees them.
//
// Purpose: reads retained messages, publishes and removes by way of a shard. Owner and thread: as
// AdminNode. Limits: kReadMs for a page; a slow disk makes it short. Errors: as admin::Messages has
// them.
#pragma once

#include <string>
#include <vector>

#include "broker/admin/messages.h"
#include "cmd/skeinmqd/admin_node.h"

namespace skein {

class AdminMessages final : public admin::Messages {
 public:
  static constexpr TimeMs kReadMs = 1'000;

  explicit AdminMessages(AdminNode* node) : node_(*node) {}

  absl::StatusOr<admin::RetainedPage> Retained(const std::string& filter, const std::string& after,
                                               size_t limit) override;
  absl::StatusOr<admin::Published> Publish(const mqtt::Message::Init& message) override;
  absl::Status Remove(const std::vector<std::string>& topics) override;

  // Retains on all nodes what the broker keeps for itself; durable here on return.
  absl::Status Keep(const mqtt::Message::Init& message);

 private:
  AdminNode& node_;
};

}  // namespace skein
