// Retained messages for new subscriptions.
//
// Purpose: after SUBSCRIBE, sends the retained messages that match, as the Retain Handling option
// asks [MQTT-3.3.1-9..11]. A wildcard may match more than a client's queue holds, so a replay goes
// at the pace of its client, in slices between other work. Thread: confined to the shard; the
// retained store is shared and has its own lock. Limits: one replay per (session, filter), the
// later one; a session's are served in the order they were asked for, kSlice messages and kFilters
// replays at a time, however many wait. A replay waits while its session has messages queued, and
// while the store has to read its disk. It ends with its connection or its subscription.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/state.h"

namespace skein::shard {

class RetainedReplay {
 public:
  static constexpr size_t kSlice = 64;
  static constexpr size_t kFilters = 1'024;

  RetainedReplay(ShardState* state, Sender* sender, Dispatcher* dispatcher)
      : state_(*state), sender_(*sender), dispatcher_(*dispatcher) {}

  // existed: the subscription replaced an equal one. suback: the ordinal of the SUBACK if it is
  // held: nothing is sent before it.
  void Start(const session::Session& session, std::string_view filter,
             const routing::SubscriptionOptions& options, bool existed, uint64_t suback);

  // One slice for each session. True if there is more that need not wait.
  bool Run();
  bool idle() const { return waiting_.empty(); }

 private:
  struct Replay {
    std::string filter;
    routing::SubscriptionOptions options;
    uint64_t suback = 0;
    uint64_t number = 0;
    std::unique_ptr<RetainedReader> reader;
  };
  struct Waiting {
    SessionRef session;
    std::deque<Replay> replays;
    absl::flat_hash_map<std::string, uint64_t> newest;  // filter -> number: older ones end
  };
  enum class Progress { kDone, kMore, kWait };

  // kDone: nothing is left for the session.
  Progress Serve(Waiting* waiting);
  Progress Slice(const SessionRef& ref, Replay* replay);

  ShardState& state_;
  Sender& sender_;
  Dispatcher& dispatcher_;
  std::list<Waiting> waiting_;
  absl::flat_hash_map<uint64_t, std::list<Waiting>::iterator> of_session_;  // by token
  uint64_t number_ = 0;
  std::vector<mqtt::MessagePtr> found_;
};

}  // namespace skein::shard
