// This node's clients as the admin API sees them.
//
// Purpose: asks the shards, and puts their parts together. Owner and thread: as AdminNode. Limits:
// see admin_shards.h. Errors: as admin::Clients has them.
#pragma once

#include <string>

#include "broker/admin/clients.h"
#include "cmd/skeinmqd/admin_node.h"

namespace skein {

class AdminClients final : public admin::Clients {
 public:
  static constexpr size_t kShownSubscriptions = 1'000;

  explicit AdminClients(AdminNode* node) : node_(*node) {}

  absl::StatusOr<shard::ClientList> List(const shard::ClientQuery& query) override;
  absl::StatusOr<admin::ClientDetail> Find(const std::string& client_id) override;
  absl::StatusOr<admin::ClientQueue> Queue(const std::string& client_id, size_t limit) override;
  absl::StatusOr<shard::SubscriptionList> Subscriptions(
      const shard::SubscriptionQuery& query) override;
  absl::StatusOr<admin::Events> EventsOf(const admin::EventQuery& query) override;
  absl::Status Kick(const std::string& client_id) override;
  absl::Status EndSession(const std::string& client_id) override;

 private:
  AdminNode& node_;
};

}  // namespace skein
