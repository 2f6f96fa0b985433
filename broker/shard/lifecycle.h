// Connections and sessions: how they begin, change hands and end.
//
// Purpose: CONNECT after its verdict, takeover, DISCONNECT in both directions, loss of the network,
// wills, expiry. One client id has one live connection: the older one is told 0x8E before the new
// one is accepted [MQTT-3.1.4-3]. Thread: confined to the shard. Nothing here runs while a message
// is being fanned out. Limits: Limits::max_sessions.
#pragma once

#include <string>
#include <string_view>

#include "broker/mqtt/packets.h"
#include "broker/session/connect_rules.h"
#include "broker/shard/access.h"
#include "broker/shard/client_events.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/promises.h"
#include "broker/shard/redispatch.h"
#include "broker/shard/state.h"

namespace skein::shard {

class Lifecycle {
 public:
  // How long a closed connection may take to read our last bytes; milliseconds.
  static constexpr TimeMs kLingerMs = 2'000;
  // Between looks at a will that cannot be published yet.
  static constexpr TimeMs kWillPauseMs = 50;

  Lifecycle(ShardState* state, Access* access, Sender* sender, Dispatcher* dispatcher,
            Promises* promises, StoredQueues* stored, Redispatcher* redispatch)
      : state_(*state),
        access_(*access),
        sender_(*sender),
        dispatcher_(*dispatcher),
        promises_(*promises),
        stored_(*stored),
        redispatch_(*redispatch),
        events_(state, dispatcher) {}

  // Who a client is: the grant of an authenticator, and what the connection tells. Null for an
  // anonymous one without anything special.
  auth::PrincipalPtr MakePrincipal(const Connection& connection, std::string_view client_id,
                                   const auth::Grant& grant) const;

  // An allowed CONNECT: finds or makes the session, answers CONNACK.
  void Establish(Connection& connection, const mqtt::Connect& connect,
                 const auth::Decision& decision);
  // When the connection is looked at next: keep alive, or its credentials run out.
  void ScheduleTimer(Connection& connection);

  // Refuses a CONNECT with a CONNACK, then closes. client_id: if it is known.
  void RefuseConnect(Connection& connection, mqtt::ReasonCode reason, const char* rule,
                     std::string_view client_id = {});

  // Ends a connection by the server: DISCONNECT with the reason where the version has it, then the
  // will, then close.
  void Close(Connection& connection, mqtt::ReasonCode reason, const char* rule);

  // The client's DISCONNECT. expiry: the new Session Expiry Interval or nothing.
  void OnDisconnect(Connection& connection, const mqtt::Disconnect& packet);

  // Ends a session that has no connection: an operator wants it.
  void Delete(session::Session& session) { End(session); }

  // The network connection is gone.
  void OnTransportClosed(Connection& connection, EndReason why = EndReason::kClosed);

  // A session's timer fired: its will is due, or the session is over.
  void OnSessionTimer(session::Session& session);

  // Ends every connection, for shutdown.
  void CloseAll(mqtt::ReasonCode reason);

  // Brings back what the store holds, before the first connection or when its partition came here.
  session::Session& Restore(const session::SessionImage& image);
  // An offline session's will and expiry are looked at in time.
  void StartTimer(session::Session& session);
  // Those whose connection died with their process are seen off.
  void FinishOrphans();
  // The session has gone to another node with its partition: nothing of it is left here.
  void Discard(session::Session& session);
  // A client whose owner cannot be reached is served here (a stray); when it can be, or another
  // node has become the owner, the client has to come again.
  void CloseStrays();
  void AddStray(const session::Session& session) {
    strays_.push_back({session.slot(), session.token()});
  }
  // When the other shards know the routes of what was restored: the timers begin to run, and the
  // connections that died with the process are seen off, their wills with them.
  void FinishRestore();

  // Tells the other shards how many subscribers the filter has here. Returns the sequence to wait
  // for, 0 with one shard.
  uint64_t AnnounceRoute(std::string_view filter);
  // One subscription of a durable session more or less (by = 1, -1); the others are told when it is
  // the partition's first or last.
  void CountDurable(const session::Session& session, std::string_view filter, int by);

  // Counts a session's memberships in shared groups again after it came or went.
  void AnnounceShared(const session::Session& session);

  // A connected session has left a group.
  void LeaveGroup(session::Session& session, std::string_view filter) {
    redispatch_.OnUnsubscribed(&session, filter);
  }

  // Empty: this shard owns no partition that could have it.
  std::string NewClientId();

 private:
  session::Session* Resume(Connection& connection, const mqtt::Connect& connect,
                           const std::string& client_id, Gate* gate);
  void SetWill(session::Session& session, const mqtt::Connect& connect);
  bool IsLeaving(const session::Session& session) const {
    return !state_.leaving.empty() && state_.leaving.contains(session.key.partition) &&
           session.recorded();
  }
  void Detach(session::Session& session, bool want_will);
  void PublishWill(session::Session& session);
  void End(session::Session& session);
  void DropSubscriptions(session::Session& session);
  void Linger(Connection& connection);
  // Both of a connection with a session: it has begun to serve its client, and does so no more.
  void NoteBegin(const Connection& connection);
  void NoteEnd(const Connection& connection, EndReason why);
  void Note(EventKind kind, const Connection& connection, std::string_view client_id,
            std::string_view reason);
  void LogRefusal(const Connection& connection, mqtt::ReasonCode reason, const char* rule,
                  std::string_view client_id = {});

  ShardState& state_;
  Access& access_;
  Sender& sender_;
  Dispatcher& dispatcher_;
  Promises& promises_;
  StoredQueues& stored_;
  Redispatcher& redispatch_;
  ClientEvents events_;
  std::vector<SessionRef> orphans_;  // restored sessions whose connection died with the process
  std::vector<SessionRef> strays_;
};

session::PartitionId PartitionOf(std::string_view client_id, uint32_t partitions);

// This shard owns the client id, and its partition stays.
bool IsOwner(std::string_view client_id, const ShardState& state);

}  // namespace skein::shard
