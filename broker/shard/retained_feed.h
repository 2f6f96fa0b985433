// Retained messages for the other nodes of the cluster.
//
// Purpose: every node holds all retained messages. What is retained here is told to each peer at
// once (Announce). When a link comes up, and regularly from then on, one shard of each node tells
// the peer a digest; who receives one that differs from its own sends all that it has in the
// buckets that differ, and the receiver keeps what it knows better: see RetainedStore::Merge().
// Thread: confined to the shard. Limits: one slice at a time and at most kWaiting messages wait for
// a peer's link; the rest is read when they have left. A bucket is sent again when it has differed
// kPatience times in a row, for a change may be under way, then ever less often: some differences
// stay, as between nodes with other limits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "broker/shard/state.h"

namespace skein::shard {

class RetainedFeed {
 public:
  static constexpr size_t kSlice = 64;
  static constexpr size_t kWaiting = 512;
  static constexpr uint32_t kPatience = 2;
  static constexpr uint32_t kLongestPatience = 64;
  // Nodes whose clocks differ by more do not compare.
  static constexpr TimeMs kClockSkewMs = 300'000;

  explicit RetainedFeed(ShardState* state) : state_(*state), tell_at_(NextTelling()) {}

  void Announce(const mqtt::MessagePtr& message);
  // A peer came up, or went.
  void Start(NodeNumber peer);
  void Stop(NodeNumber peer);

  // One slice for each peer, and digests when it is time. True if there is more that need not wait.
  bool Run();
  TimeMs next_at() const { return tell_at_; }

  // What a peer says.
  void OnChange(const RetainedChange& change);
  void OnDigest(PlaceId from, const RetainedDigest& theirs);

 private:
  // What is sent to a peer: all in some buckets.
  struct Snapshot {
    NodeNumber peer = 0;
    RetainedBuckets buckets;
    bool repair = false;                    // not: what was missed while the link was down
    std::vector<mqtt::MessagePtr> removed;  // told first
    std::unique_ptr<RetainedReader> reader;
  };
  // What was found of a peer that is up.
  struct Comparison {
    bool first = true;                                        // of this link
    std::array<uint32_t, routing::kRetainedBuckets> times{};  // it differed, one after the other
  };

  TimeMs NextTelling() const {
    const bool tells =
        state_.clustered() && state_.options.id == 0 && state_.options.digest_interval_ms > 0;
    return tells ? state_.now + state_.options.digest_interval_ms : kNever;
  }
  PlaceId PlaceAt(NodeNumber peer) const;
  bool Sends(NodeNumber peer) const;
  // It should have come by itself: long ago, and no link was down or broke since it was written.
  bool IsLate(const mqtt::Message& message) const;
  void TellDigest(NodeNumber peer);
  void TellDigests();
  void Send(NodeNumber peer, const RetainedBuckets& buckets, bool repair);
  // False: it is done.
  bool Slice(Snapshot* snapshot, bool* more);

  ShardState& state_;
  TimeMs tell_at_;
  std::deque<Snapshot> snapshots_;
  std::vector<std::unique_ptr<Comparison>> comparisons_;  // by NodeNumber; null: it is not up
  TimeMs links_changed_at_ = 0;
  std::vector<mqtt::MessagePtr> found_;
};

}  // namespace skein::shard
