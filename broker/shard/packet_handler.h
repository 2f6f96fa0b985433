// What each packet of a client does.
//
// Purpose: decoded packets in, calls on session, dispatcher, promises and lifecycle out. Everything
// a client can get wrong after CONNECT is answered here with the reason code of the standard.
// Thread: confined to the shard.
#pragma once

#include <string>

#include "broker/mqtt/codec.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/lifecycle.h"
#include "broker/shard/promises.h"
#include "broker/shard/retained_replay.h"

namespace skein::shard {

class PacketHandler {
 public:
  PacketHandler(ShardState* state, Access* access, Sender* sender, Dispatcher* dispatcher,
                Promises* promises, Lifecycle* lifecycle, RetainedReplay* replay)
      : state_(*state),
        access_(*access),
        sender_(*sender),
        dispatcher_(*dispatcher),
        promises_(*promises),
        lifecycle_(*lifecycle),
        replay_(*replay) {}

  // A packet on a connection that has a session. CONNECT and AUTH are the ConnectHandler's.
  void Handle(Connection& connection, const mqtt::Frame& frame);

 private:
  void OnPublish(Connection& connection, const mqtt::Frame& frame);
  bool ResolveAlias(Connection& connection);
  bool AcceptPublish(Connection& connection, session::Session& session);
  bool AcceptRepeated(Connection& connection, session::Session& session);
  Once OnceOf(session::Session& session);
  void Deliver(Connection& connection, session::Session& session);
  void RefusePublish(Connection& connection, mqtt::ReasonCode reason, const char* rule);
  void RefuseFlood(Connection& connection);
  // What is retained is not lost.
  void NoteUnwanted(bool matched) {
    if (!matched && !publish_.retain) state_.stats.Drop(DropReason::kNoSubscriber);
  }
  void AnswerRefused(Connection& connection, mqtt::ReasonCode reason);
  void TracePublish(const Connection& connection, const session::Session& session, trace::Step step,
                    std::string_view why);
  void TraceAnswer(const session::Session& session, const mqtt::Message& message, const Gate& gate,
                   mqtt::ReasonCode reason);

  void OnAck(Connection& connection, const mqtt::Frame& frame);
  void OnPubrec(Connection& connection, session::Session& session, const mqtt::Ack& ack);
  void OnPubrel(Connection& connection, session::Session& session, const mqtt::Ack& ack);
  void AckMismatch(Connection& connection);
  void TraceAck(session::Session& session, const mqtt::Ack& ack);

  void OnSubscribe(Connection& connection, const mqtt::Frame& frame);
  mqtt::ReasonCode Subscribe(session::Session& session, const mqtt::SubscribeEntry& entry,
                             uint32_t identifier, Promises::Wait* wait);
  void OnUnsubscribe(Connection& connection, const mqtt::Frame& frame);
  mqtt::ReasonCode Unsubscribe(session::Session& session, std::string_view filter,
                               Promises::Wait* wait);
  void TraceSubscribe(const session::Session& session, const mqtt::SubscribeEntry& entry,
                      mqtt::ReasonCode reason);
  void OnDisconnect(Connection& connection, const mqtt::Frame& frame);

  void Refuse(Connection& connection, const mqtt::Error& error) {
    lifecycle_.Close(connection, error.code, error.rule);
  }

  ShardState& state_;
  Access& access_;
  Sender& sender_;
  Dispatcher& dispatcher_;
  Promises& promises_;
  Lifecycle& lifecycle_;
  RetainedReplay& replay_;
  mqtt::Publish publish_;  // reused, so that a PUBLISH costs no initialisation
  std::string scratch_;
  // Of the SUBSCRIBE being handled: what was granted.
  struct Accepted {
    mqtt::SubscribeEntry entry;
    routing::SubscriptionOptions options;
    bool existed;
  };
  std::vector<Accepted> accepted_;
};

}  // namespace skein::shard
