// The whole protocol of one shard, without I/O.
//
// Purpose: bytes, mail and time in; effects out (ShardState::out and the connections' output
// queues). A runner feeds it from sockets, a test from strings, a simulator from a script. Thread:
// confined to the shard. Contract with the runner, each tick:
//   BeginTick(now); any number of Accept/Adopt/Receive/OnMail/...; Tick(); Commit(); then write the
//   output of the dirty connections (telling Drained), carry out moves, send the mail.
// Errors: a client's fault ends its connection with a reason code; ours is a failed check.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "broker/shard/cluster_view.h"
#include "broker/shard/connect_handler.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/lifecycle.h"
#include "broker/shard/mover.h"
#include "broker/shard/operator_desk.h"
#include "broker/shard/packet_handler.h"
#include "broker/shard/promises.h"
#include "broker/shard/redispatch.h"
#include "broker/shard/retained_feed.h"
#include "broker/shard/retained_replay.h"
#include "broker/shard/route_check.h"
#include "broker/shard/sender.h"
#include "broker/shard/state.h"

namespace skein::shard {

class Core {
 public:
  // Timers handled before the shard turns to other work.
  static constexpr size_t kTimersATick = 1'000;

  Core(const ShardOptions& options, const Ports& ports, TimeMs now);
  Core(const Core&) = delete;
  ~Core();

  // Loads the shard's durable sessions. Before anything else.
  void Recover();
  // Once every shard has Settled(): wills and expiries of what was loaded. Then clients may come.
  void FinishRecovery() {
    redispatch_.Begin();
    lifecycle_.FinishRestore();
  }

  // The other shards know the routes of what was recovered, and what was given is known here: who
  // sends it again would be refused, and what comes behind it would not.
  bool Settled() const {
    return state_.RoutesApplied(state_.route_sequence) && once_book_.loaded();
  }

  // What the shard knows of the cluster.
  ClusterView& view() { return view_; }
  const ClusterView& view() const { return view_; }
  const Redispatcher& redispatcher() const { return redispatch_; }
  Mover& mover() { return mover_; }
  OperatorDesk& desk() { return desk_; }

  void BeginTick(TimeMs now) { BeginTurn(now * 1'000); }
  // The same to the microsecond, for the latencies that are counted.
  void BeginTurn(int64_t micros) {
    if constexpr (kObserved) {
      // Not all are timed: that would cost more than all else that is counted.
      const bool paused = micros - state_.now_micros > ShardState::kTimedPauseMicros;
      if (--state_.turns_to_timed == 0 || paused) [[unlikely]] {
        state_.turns_to_timed = ShardState::kTimedTurns;
        state_.timing_due = true;
      }
    }
    state_.now = micros / 1'000;
    state_.now_micros = micros;
  }
  // Time has passed since, in the same turn.
  void SetNow(int64_t micros) {
    state_.now_micros = std::max(state_.now_micros, micros);
    state_.now = state_.now_micros / 1'000;
  }

  // A connection came in. `accepted_at` starts the time for CONNECT. assigned_id: see
  // MovedConnection.
  Connection& Accept(int fd, uint16_t listener, TimeMs accepted_at,
                     std::string_view assigned_id = {});

  // Bytes came. All are taken: what cannot be handled now is kept.
  void Receive(Connection& connection, std::string_view bytes);

  // The peer is gone. The runner closes the descriptor and then calls Release().
  void OnTransportClosed(Connection& connection, EndReason why = EndReason::kClosed);

  // The runner wrote output; more may be sent now.
  void Drained(Connection& connection);

  // The runner has let go of the descriptor (closed it or moved it on).
  void Release(Connection& connection);

  void OnMail(ShardId from, Mail&& mail);
  void OnAuthDecision(ConnectionSlot slot, uint32_t generation, const auth::Decision& decision);

  // Timers, waiting fan-outs, retained replays, paused readers.
  void Tick();

  // There is more to do that needs no event.
  bool more_work() const { return more_work_ || redispatch_.woken(); }

  // Ends the tick's batch of records; releases the replies whose promise is kept.
  void Commit();

  // The store made records durable or brought messages since.
  void OnStore();

  // What the broker says about itself, on one shard of the node. kept: for who subscribes later.
  void PublishOwn(const OwnMessage& own);

  // The access rules changed.
  void SetRules(std::shared_ptr<const auth::AccessRules> rules) {
    access_.SetRules(std::move(rules));
  }

  // Ends one connection, with DISCONNECT if it speaks MQTT 5.
  void Close(Connection& connection, mqtt::ReasonCode reason, const char* why) {
    if (connection.open()) lifecycle_.Close(connection, reason, why);
  }

  // Ends all connections with the reason, wills included.
  void CloseAll(mqtt::ReasonCode reason) { lifecycle_.CloseAll(reason); }

  // Other shards cannot take our mail fast enough: publishers have to wait.
  void set_mail_congested(bool congested) { mail_congested_ = congested; }

  TimeMs NextWake() const {
    return std::min(
        {state_.wheel.NextWake(state_.now), next_ready_, check_.next_at(), feed_.next_at()});
  }
  ShardState& state() { return state_; }

 private:
  // Handles whole packets at the front of `bytes`, returns how many bytes they had.
  size_t Process(Connection& connection, std::string_view bytes);
  void HandleFrame(Connection& connection, const mqtt::Frame& frame, std::string_view bytes);
  void Keep(Connection& connection, std::string_view rest);
  void ProcessKept(Connection& connection);
  bool MustPause(const Connection& connection) const;
  bool StoreBehind() const;
  // False: the client has been over its rate for too long.
  bool CountRates(Connection& connection, size_t bytes);
  void NoteRate();
  // When the next packet may be taken, as far as rates say.
  TimeMs PublishReadyAt(const Connection& connection) const;
  // Clients that came in before they were banned.
  void CloseBanned();
  void NoteReady(const Connection& connection);
  void Pause(Connection& connection);
  // Output was written or replies left: somebody who was paused may go on.
  bool CanResume();
  void ResumePaused();
  void OnTimer(const TimerEntry& entry);
  bool RunDueTimers();
  void OnConnectionTimer(Connection& connection);

  void OnDurable();

  ShardState state_;
  Access access_;
  Sender sender_;
  StoredQueues stored_;
  RetainedFeed feed_;
  OnceBook once_book_;
  Dispatcher dispatcher_;
  Promises promises_;
  Redispatcher redispatch_;
  Lifecycle lifecycle_;
  RetainedReplay replay_;
  ConnectHandler connect_handler_;
  PacketHandler packet_handler_;
  Mover mover_;
  OperatorDesk desk_;
  RouteCheck check_;
  ClusterView view_;
  std::vector<SlotAndGeneration> paused_;
  std::vector<session::QueuePage> pages_;
  // Timers that fired and whose work is not done yet: a network that goes away makes very many fire
  // at once.
  struct Due {
    uint8_t kind;
    SlotAndGeneration connection;
    SessionRef session;
  };
  std::deque<Due> due_;
  TimeMs next_ready_ = kNever;  // when the first of paused_ may go on that is over its rate
  bool mail_congested_ = false;
  bool more_work_ = false;
};

}  // namespace skein::shard
