// What shards of one node tell each other.
//
// Purpose: the values that cross from one shard thread to another. Nothing else does, but immutable
// messages and the two stores. Thread: made on one shard, moved to another; nothing in it is shared
// but MessagePtr. Order: mail from one shard to another arrives in the order it was sent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "broker/base/types.h"
#include "broker/mqtt/message.h"
#include "broker/net/transport.h"
#include "broker/session/store.h"

namespace skein::shard {

// A connection whose CONNECT names a client id that the receiving shard owns. `unread` begins with
// that CONNECT.
struct MovedConnection {
  int fd = -1;
  std::unique_ptr<net::Transport> transport;  // null: plain TCP
  uint16_t listener = 0;
  TimeMs accepted_at = 0;
  std::string unread;
  std::string assigned_id;  // the client id that an authenticator chose; empty: CONNECT has it
};

// The sender now has `weight` subscribers for the filter, 0 = none. Shared filters: 2 for each
// connected member, or 1 if all are offline, so that a receiver can prefer shards that can deliver
// at once.
struct RouteChange {
  uint64_t sequence = 0;
  uint32_t weight = 0;
  std::string filter;
};

// All of the receiver's RouteChanges up to `sequence` are in the sender's table.
struct RouteApplied {
  uint64_t sequence = 0;
};

// Deliver to your own subscribers: to all that match if `plain`, and to one member of each group
// named.
struct ForwardedPublish {
  mqtt::MessagePtr message;
  uint64_t token = 0;  // answer PublishDone with it once every promise is kept; 0 = no answer
  bool plain = true;
  std::unique_ptr<std::vector<std::string>> groups;
  std::vector<ShardId> tried;  // shards that had no member of the groups who could have it
  session::CommitGroupPtr commit_group;  // the records belong to it; null = to none
};

// refused: a durable session that matched could not take the message.
struct PublishDone {
  uint64_t token = 0;
  bool refused = false;
};

using Mail = std::variant<std::unique_ptr<MovedConnection>, RouteChange, RouteApplied,
                          ForwardedPublish, PublishDone>;

}  // namespace skein::shard
