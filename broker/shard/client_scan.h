// The clients of one shard, for operators.
//
// Purpose: goes through the shard's sessions and keeps those that are wanted: the first `limit` by
// client id, or those with the longest queues. First only who they are, then the rows of those that
// are left. Thread: the shard's, slice by slice; the result on any, after the last. Limits: `limit`
// rows; kSlice sessions or kRowsASlice rows a slice. Who comes or goes meanwhile may be in it or
// not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/types.h"
#include "broker/routing/subscription_table.h"
#include "broker/shard/partition_row.h"
#include "broker/shard/tables.h"

namespace skein::shard {

struct ShardState;

struct ClientQuery {
  std::string prefix;  // of the client id
  std::optional<std::string> user_name;
  std::optional<std::string> listener;
  std::optional<bool> connected;
  std::optional<NodeNumber> node;  // only who is connected there
  std::string after;               // only greater client ids
  bool longest_queue_first = false;
  size_t limit = 100;
};

struct ClientRow {
  std::string client_id;
  bool connected = false;
  NodeNumber node = kNoNode;  // where it is connected
  std::string listener;
  uint8_t version = 4;
  std::string user_name;
  std::string address;
  TimeMs connected_at = 0;
  bool durable = false;
  uint32_t expiry_seconds = 0;
  uint16_t keep_alive = 0;
  uint64_t subscriptions = 0;
  uint64_t queued_messages = 0;
  uint64_t queued_bytes = 0;
  uint64_t inflight = 0;
};

struct ClientList {
  std::vector<ClientRow> rows;
  bool more = false;
};

ClientRow RowOf(const session::Session& session, const ShardState& state);

class ClientScan {
 public:
  static constexpr size_t kSlice = 4'000;
  static constexpr size_t kRowsASlice = 100;

  explicit ClientScan(ClientQuery query) : query_(std::move(query)) {}

  // True: that was all.
  bool Step(const ShardState& state);

  ClientList Take() { return std::move(list_); }

 private:
  // How long the queue is, as UINT64_MAX less that, if that is the order; then the client id.
  using Key = std::pair<uint64_t, std::string>;

  bool Wanted(const session::Session& session, const ShardState& state) const;
  void Add(const session::Session& session);

  const ClientQuery query_;
  size_t slot_ = 0;
  std::map<Key, SessionRef> found_;
  bool found_all_ = false;
  ClientList list_;
};

// --- one client, and subscriptions

struct SubscriptionRow {
  std::string client_id;
  std::string filter;  // with "$share/NAME/"
  routing::SubscriptionOptions options;
};

struct SubscriptionQuery {
  std::optional<std::string> client_id;
  std::optional<std::string> filter;  // this very one
  // Only what comes after this client id and filter.
  std::pair<std::string, std::string> after;
  size_t limit = 100;
};

struct SubscriptionList {
  std::vector<SubscriptionRow> rows;
  bool more = false;
};

// As ClientScan, by client id and filter.
class SubscriptionScan {
 public:
  static constexpr size_t kSlice = 2'000;  // subscriptions, but always all of one session

  explicit SubscriptionScan(SubscriptionQuery query) : query_(std::move(query)) {}

  bool Step(const ShardState& state);

  SubscriptionList Take();

 private:
  using Key = std::pair<std::string, std::string>;

  size_t Look(const session::Session& session, const ShardState& state);
  void Add(const session::Session& session, std::string_view filter,
           const routing::SubscriptionOptions& options);

  const SubscriptionQuery query_;
  size_t slot_ = 0;
  bool more_ = false;
  std::map<Key, routing::SubscriptionOptions> found_;
};

}  // namespace skein::shard
