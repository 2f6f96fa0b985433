// Retained messages for new subscriptions.
//
// Purpose: after SUBSCRIBE, sends the retained messages that match, as the Retain Handling option
// asks [MQTT-3.3.1-9..11]. A wildcard may match more than a client's queue holds, so a replay goes
// at the pace of its client, in slices between other work. Thread: confined to the shard; the
// retained store is shared and has its own lock. Limits: one replay per (session, filter); kSlice
// messages at a time; a replay waits while its session has messages queued, and while the store has
// to read its disk. It ends with its connection or its subscription.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/state.h"

namespace skein::shard {

class RetainedReplay {
 public:
  static constexpr size_t kSlice = 64;

  RetainedReplay(ShardState* state, Sender* sender, Dispatcher* dispatcher)
      : state_(*state), sender_(*sender), dispatcher_(*dispatcher) {}

  // existed: the subscription replaced an equal one. suback: the ordinal of the SUBACK if it is
  // held: nothing is sent before it.
  void Start(const session::Session& session, std::string_view filter,
             const routing::SubscriptionOptions& options, bool existed, uint64_t suback);

  // One slice of each replay that can go on. True if there is more that need not wait.
  bool Run();
  bool idle() const { return replays_.empty(); }

 private:
  struct Replay {
    SessionRef session;
    std::string filter;
    routing::SubscriptionOptions options;
    uint64_t suback = 0;
    std::unique_ptr<RetainedReader> reader;
  };
  enum class Progress { kDone, kMore, kWait };

  Progress Slice(Replay* replay);

  ShardState& state_;
  Sender& sender_;
  Dispatcher& dispatcher_;
  std::deque<Replay> replays_;
  absl::flat_hash_set<uint64_t> busy_;  // sessions with an unfinished replay, in this Run()
  std::vector<mqtt::MessagePtr> found_;
};

}  // namespace skein::shard
