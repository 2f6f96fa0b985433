// The port to this node's clients.
//
// Purpose: what operators see of clients and do with them, as values. The API puts the nodes' parts
// together. Owner: cmd/ implements it over the shards' questions. Thread: any of the API's. Errors:
// NotFound: no such client here; Unavailable: not now.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/session/store.h"
#include "broker/shard/client_scan.h"
#include "broker/shard/event_log.h"

namespace skein::admin {

struct ClientDetail {
  shard::ClientRow row;
  shard::SubscriptionList subscriptions;  // the first of them
};

struct ClientQueue {
  std::vector<session::StoredDelivery> messages;  // the first of them
  uint64_t total = 0;                             // in flight or waiting
};

struct EventQuery {
  std::optional<uint64_t> after;  // this event; none: the newest are wanted
  std::optional<shard::EventKind> kind;
  size_t limit = 100;
};

struct Events {
  std::vector<shard::ClientEvent> events;  // by number
  uint64_t last = 0;                       // what to ask after the next time
};

class Clients {
 public:
  virtual ~Clients() = default;

  virtual absl::StatusOr<shard::ClientList> List(const shard::ClientQuery& query) = 0;
  virtual absl::StatusOr<ClientDetail> Find(const std::string& client_id) = 0;
  virtual absl::StatusOr<ClientQueue> Queue(const std::string& client_id, size_t limit) = 0;
  virtual absl::StatusOr<shard::SubscriptionList> Subscriptions(
      const shard::SubscriptionQuery& query) = 0;
  virtual absl::StatusOr<Events> EventsOf(const EventQuery& query) = 0;
  // NotFound: it is not connected, or its session is not here.
  virtual absl::Status Kick(const std::string& client_id) = 0;
  // Returns when it is gone for good.
  virtual absl::Status EndSession(const std::string& client_id) = 0;
};

}  // namespace skein::admin
