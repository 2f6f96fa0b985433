// A count of what a shard has, session by session.
//
// Purpose: the figures that nobody keeps, since keeping them would cost something with every
// message: how many sessions of each kind, what waits in their queues, what is in flight, and how
// many routes each node has told. Asked as a Question, it looks at kSlice sessions a slice. Thread:
// Step() on the shard's, Take() on the asker's when the question is answered. Errors: sessions that
// come or go meanwhile may be missed.
#pragma once

#include <cstdint>
#include <map>

#include "broker/shard/state.h"

namespace skein::shard {

struct CensusFigures {
  struct Kind {
    uint64_t connected = 0;
    uint64_t offline = 0;
    uint64_t subscriptions = 0;
  };
  Kind transient;
  Kind durable;
  uint64_t shared_subscriptions = 0;  // of those
  uint64_t queued_messages = 0;
  uint64_t queued_bytes = 0;
  uint64_t inflight_messages = 0;
  // Since when the longest of the queues has not been empty; kNever: all are.
  TimeMs queued_since = kNever;
  // Filters that somebody has subscribed to, on any node; of the shard that knows the most.
  uint64_t filters = 0;
  // Filters that each node has subscribers for; of shard 0 only, for it knows what all told.
  std::map<NodeNumber, uint64_t> routes;
  // Changes of this node's routes that a node has not applied yet; the greatest of its shards.
  std::map<NodeNumber, uint64_t> lag;

  void Merge(const CensusFigures& other);
};

class Census {
 public:
  static constexpr size_t kSlice = 2'000;

  // True: that was all.
  bool Step(const ShardState& state);
  const CensusFigures& figures() const { return figures_; }

 private:
  void Count(const session::Session& session, const ShardState& state);
  void CountRoutes(const ShardState& state);

  SessionSlot next_ = 0;
  CensusFigures figures_;
};

}  // namespace skein::shard
