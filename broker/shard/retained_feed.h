// Retained messages for the other nodes of the cluster.
//
// Purpose: every node holds all retained messages. What is retained here is told to each peer at
// once (Announce); a peer that comes up is told everything, by one shard (Start), and what it knows
// better it keeps: see RetainedStore::Merge(). Thread: confined to the shard. Limits: one slice at
// a time and at most kWaiting messages wait for a peer's link; the rest is read when they have
// left.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "broker/shard/state.h"

namespace skein::shard {

class RetainedFeed {
 public:
  static constexpr size_t kSlice = 64;
  static constexpr size_t kWaiting = 512;

  explicit RetainedFeed(ShardState* state) : state_(*state) {}

  void Announce(const mqtt::MessagePtr& message);
  // A peer came up, or went.
  void Start(NodeNumber peer);
  void Stop(NodeNumber peer);

  // One slice for each peer. True if there is more that need not wait.
  bool Run();

  // What a peer says.
  void OnChange(const RetainedChange& change);

 private:
  struct Snapshot {
    NodeNumber peer = 0;
    std::vector<mqtt::MessagePtr> removed;  // told first
    std::unique_ptr<RetainedReader> reader;
  };
  PlaceId PlaceAt(NodeNumber peer) const;
  // False: it is done.
  bool Slice(Snapshot* snapshot, bool* more);

  ShardState& state_;
  std::deque<Snapshot> snapshots_;
  std::vector<mqtt::MessagePtr> found_;
};

}  // namespace skein::shard
