// From a published message to the sessions that get it.
//
// Purpose: the middle of every message's way: match the topic, merge what one session matched more
// than once, apply each subscription's options, and hand the message to each session's window or
// queue, to other shards, and to the retained store. Thread: confined to the shard. Limits: a match
// of more than Limits::fanout_slice subscribers is served in slices between other work; messages to
// the same topic wait behind it, so order holds. At most kMaxJobs such fan-outs wait, then the
// shard stops reading from publishers.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/shard/access.h"
#include "broker/shard/once_book.h"
#include "broker/shard/outbox.h"
#include "broker/shard/retained_feed.h"
#include "broker/shard/sender.h"
#include "broker/shard/share_picker.h"
#include "broker/shard/state.h"
#include "broker/shard/stored_queues.h"

namespace skein::shard {

// A QoS 2 message of a cluster, which may be sent more than once but is to arrive once.
struct Once {
  uint64_t id = 0;        // 0: it is none
  bool repeated = false;  // it may have been sent before
  bool later = false;     // to other nodes when it is durable that it was taken
};

class Dispatcher {
 public:
  static constexpr size_t kMaxJobs = 1024;
  // Marks the numbers of GiveToGroup().
  static constexpr uint64_t kGivenBit = uint64_t{1} << 63;

  Dispatcher(ShardState* state, Access* access, Sender* sender, StoredQueues* stored,
             RetainedFeed* feed, OnceBook* once_book)
      : state_(*state),
        access_(*access),
        sender_(*sender),
        stored_(*stored),
        feed_(*feed),
        once_book_(*once_book),
        outbox_(state),
        picker_(state->options.shares, state->options.node, state->options.id, state->options.count,
                state->ports.random),
        // An answer that was meant for the process before this one finds nothing.
        next_token_(1 + (state->clustered() ? state->ports.random() & UINT32_MAX : 0)),
        once_salt_(state->clustered() ? state->ports.random() : 0) {}

  struct Outcome {
    bool matched = false;        // somebody, here or elsewhere, wants it
    bool retained_full = false;  // it asked to be retained and there is no room
    bool held = false;           // it waits for a partition: nobody has it yet
  };

  // Publishes on behalf of a client of this shard. gate: what an acknowledgement has to wait for;
  // null if nobody waits. gate->destinations > 0 on return: *token names the answers to come, see
  // Bind(). atomic: its records and those the caller appends until EndPublish() become durable
  // together on all shards.
  Outcome Publish(const mqtt::MessagePtr& message, Gate* gate, uint64_t* token, bool atomic = false,
                  const Once& once = {});
  void EndPublish();
  // The same for a will, which nobody waits for. name: the same if a crash makes us send it again,
  // and no other will's.
  void PublishWill(const mqtt::MessagePtr& message, std::string_view name, bool atomic);
  // A message of the broker's own, at QoS 0. everywhere: to the subscribers of other nodes, too.
  void PublishOwn(const mqtt::MessagePtr& message, bool everywhere);
  // Names a QoS 2 message that is sent by nobody again but us.
  uint64_t NewOnce() { return (once_salt_ += 0x9E3779B97F4A7C15) | 1; }

  // The reply that waits for the answers of `token`: Bind() says where it is once it is held.
  void Bind(uint64_t token, ConnectionSlot slot, uint32_t generation, uint64_t ordinal);

  // When all answers are there the session is told whether its packet id stays taken.
  void Settle(uint64_t token, SessionRef publisher, PacketId packet_id, bool refused);
  // What a later reply that waits for the same has to wait for. None: for its turn, since one of
  // this connection does.
  std::optional<Gate> WaitFor(uint64_t token, const Connection& connection) const;

  // The same for whoever is no connection: called once, when all answers are there.
  void Notify(uint64_t token, std::function<void(bool refused)> done) {
    notify_[token] = std::move(done);
  }
  // Retains a message that is delivered to nobody. False: there is no room.
  bool Keep(const mqtt::MessagePtr& message, Gate* gate) { return Retain(message, gate); }

  // A publish that another shard matched to this one.
  void OnForwarded(ShardId from, ForwardedPublish mail);
  void OnPublishDone(uint64_t token, bool refused);
  // The same from a shard of a peer.
  void OnPeerDone(PlaceId place, uint64_t token, bool refused);
  // A peer is gone. Nobody knows whether what it has not answered is safe: it is kept in the outbox
  // for the durable sessions there, and given to others of the shared groups.
  void OnPlaceDown(PlaceId place);

  // What is kept for durable sessions that could not be reached. RunOutbox() sends what can go.
  // True: more can go at once.
  Outbox& outbox() { return outbox_; }
  bool RunOutbox();

  // Some partition does not move any more: what waited for it goes on, in order.
  void OnThaw();
  // What waits for partitions is answered with a refusal.
  void RefuseHeld();
  // The session's will would have to wait for a partition that moves.
  bool MustHold(const session::Session& session) {
    return !state_.frozen.empty() && session.will != nullptr &&
           IsFrozen(session.will->message->topic());
  }
  bool MustHold(std::string_view topic) { return !state_.frozen.empty() && IsFrozen(topic); }
  // All publishes of this shard whose token is less have arrived or are refused, but for those that
  // wait for a partition.
  bool AllAnswered(uint64_t before) const;
  uint64_t next_token() const { return next_token_; }
  // Fan-outs in slices, numbered through.
  uint64_t jobs_begun() const { return jobs_begun_; }
  uint64_t jobs_done() const { return jobs_begun_ - jobs_.size(); }

  // Gives one message to one session, as a subscription of the given QoS would.
  void Offer(session::Session& session, const mqtt::MessagePtr& message, Qos subscription_qos,
             bool retain, std::span<const uint32_t> ids, ImageCache* images, Gate* gate);

  // Sends what the session has for its client as far as window and output allow: first again what
  // was in flight when the last connection ended, in order [MQTT-4.4.0-1] [MQTT-4.6.0-1], then the
  // queue.
  void Pump(session::Session& session);

  // One message for a member of the group, wherever it is. What becomes of it is told by
  // TakeGiven(), with this id (it has kGivenBit), when it is safe. The records that the caller
  // appends until EndPublish() become durable together with those made on this node.
  // kAway: only durable members of a node that cannot be reached.
  enum class Reach : uint8_t { kNobody, kAway, kNode, kPeer };
  Reach GiveToGroup(const mqtt::MessagePtr& message, const routing::ShareRef& group, uint64_t id);
  struct Given {
    uint64_t id = 0;
    bool refused = false;
  };
  std::vector<Given> TakeGiven() { return std::exchange(given_, {}); }
  bool has_given() const { return !given_.empty(); }
  // The group has members somewhere.
  bool HasMembers(std::string_view group) const {
    return state_.has_others() ? state_.routes.HasGroup(group)
                               : state_.subscriptions.Find(group) != routing::kNoFilter;
  }

  // One slice of the waiting fan-outs. True if there is more to do.
  bool RunJobs();
  bool congested() const { return jobs_.size() + held_.size() >= kMaxJobs; }

  // Messages that were asked for from the store.
  void OnPage(session::QueuePage* page);

  // Sends what waited for records to become durable: answers to other shards, and QoS 2 messages to
  // durable sessions. Such a message must not reach a client before it is certain that neither it
  // nor its packet id can be forgotten: the client would be given it twice.
  void OnDurable(session::Lsn durable);

 private:
  // One receiver of a message: a session, and what its matching subscriptions add up to.
  struct Target {
    SessionSlot session = kNoSession;
    uint32_t identifier = 0;
    uint64_t token = 0;     // of the session
    int32_t more_ids = -1;  // index of the list in TargetList::ids when several identifiers matched
    Qos qos = Qos::kAtMostOnce;
    bool retain_as_published = false;
  };
  struct TargetList {
    std::vector<Target> targets;
    std::vector<std::vector<uint32_t>> ids;
  };
  // A message that not every session here may be given.
  struct Special {
    uint64_t id = 0;  // Once::id
    bool repeated = false;
    DeliveryScope scope;
    // Who was: partitions of durable sessions, and transient ones.
    std::vector<session::PartitionId> given_to = {};
    bool given_to_transient = false;
  };
  // A message that waited in an outbox may be older than a subscription that was made meanwhile,
  // also where the old one of the same session was for the same filter: it does not come by that.
  // What is published from SUBACK on must: some time is allowed from reading the clock to its use.
  static constexpr TimeMs kSubscribedSlackMs = 20;
  bool WasKept() const {
    return special_ != nullptr && special_->scope.only != DeliveryScope::kAll;
  }
  bool CameBefore(const mqtt::Message& message, const routing::Subscriber& subscriber) const;

  struct Job {
    mqtt::MessagePtr message;
    std::shared_ptr<const TargetList> list;
    size_t next = 0;
    ShardId origin = 0;
    uint64_t token = 0;
    session::CommitGroupPtr commit_group;
    bool refused = false;
    std::unique_ptr<Special> special;  // null: nothing is
  };
  // A publish that waits for a partition that moves.
  struct Held {
    mqtt::MessagePtr message;
    uint64_t token = 0;  // who is told when it is done; 0: nobody
    Once once;
  };
  struct WaitingAnswer {
    session::Lsn lsn;
    ShardId origin;
    uint64_t token;
    bool refused;
  };
  // Goes to another node when the record is durable. lsn 0: it is not appended yet.
  struct Later {
    session::Lsn lsn;
    PlaceId place;
    ForwardedPublish mail;
  };
  struct WaitingSend {
    session::Lsn lsn;
    SessionRef session;
    ConnectionSlot slot;
    uint32_t generation;
    PacketId packet_id;
  };
  // A publish that came from another shard and went on to a third: answered when all is done.
  struct Chain {
    ShardId origin = 0;
    uint64_t token = 0;
  };
  struct Pending {
    ConnectionSlot slot = UINT32_MAX;  // UINT32_MAX: no reply waits
    uint32_t generation = 0;
    uint64_t ordinal = 0;
    uint32_t remaining = 0;
    bool refused = false;
    Chain chain;           // instead of a reply of our own, if its token is not 0
    SessionRef publisher;  // with a packet id: see Settle()
    PacketId packet_id = 0;
    // Of a cluster: what it was, should a place go away with it.
    mqtt::MessagePtr message;
    uint64_t once = 0;
    Outbox::Ticket ticket;  // instead of all that: it came from there
  };
  // What goes to one other shard.
  struct Share {
    ShardId shard;
    bool plain;
    std::vector<std::string> groups;
  };

  // Delivers to this shard's subscribers. groups: the shared groups this shard must serve, null =
  // all that match; those that it served are taken out. Returns whether anybody matched; *sliced: a
  // job was made, its answer goes to (origin, token).
  bool DeliverHere(const mqtt::MessagePtr& message, std::vector<std::string>* groups, Gate* gate,
                   ShardId origin, uint64_t token, bool* sliced);
  // Of the publisher of a QoS 2 message that is held. kLeaving: its session has been copied, with
  // the name of the message, to a node that may be about to own it. Whoever turns out to own it
  // sends the message: sent by both it would be under way twice at once, and the first copy, which
  // is taken for new, might be the later one to arrive.
  enum class Whereabouts : uint8_t { kHere, kLeaving, kGone };
  Whereabouts WhereIsPublisher(uint64_t token) const;
  // The durable session that waits for a QoS 2 message that is held; null: there is none.
  const session::Session* OnceMore(const Held& held);
  // Whether a session may be given the message at hand, which is special; if so it is noted.
  bool Admits(const session::Session& session, Gate* gate);
  void RememberGiven(const Special& special);
  // Its two halves, for what is in matches_.
  bool DeliverPlain(const mqtt::MessagePtr& message, Gate* gate, ShardId origin, uint64_t token,
                    bool* sliced);
  bool DeliverToGroups(const mqtt::MessagePtr& message, std::vector<std::string>* groups,
                       Gate* gate);
  bool DeliverList(const mqtt::MessagePtr& message, const std::vector<routing::Subscriber>& list,
                   Gate* gate);
  // False: no member here can have it.
  bool DeliverShared(const mqtt::MessagePtr& message, routing::SharedGroup* group, Gate* gate);
  // waits: if its member cannot be sent it now. Asked by the picker.
  Member Look(const routing::Subscriber& subscriber, std::string_view topic, bool waits);
  void Collect(const mqtt::MessagePtr& message, TargetList* list);
  void DeliverTarget(const mqtt::MessagePtr& message, const TargetList& list, const Target& target,
                     Gate* gate);
  void StartJob(const mqtt::MessagePtr& message, size_t expected, ShardId origin, uint64_t token);
  // One more part of what Publish() makes durable together; null if it need not.
  const session::CommitGroupPtr& AddPart();
  // False: it could not be retained.
  bool Retain(const mqtt::MessagePtr& message, Gate* gate);

  void Forward(const mqtt::MessagePtr& message, uint64_t token,
               std::vector<std::string>* groups_here, uint32_t* sent, bool* matched);
  // Sends on what is for shared groups that have no member here who can have it: the publisher's
  // shard had not heard yet that the last one left, or the rules do not let those here have it.
  // `tried`: who could not serve it before us, so that this ends. Returns how many were sent.
  // What nobody can be given now, but has durable members, is kept; the gate is as in KeepAside().
  uint32_t PassOn(const mqtt::MessagePtr& message, uint64_t token,
                  const std::vector<std::string>& groups, std::vector<PlaceId> tried, Gate* gate);
  void KeepForGroup(std::string_view group, const mqtt::MessagePtr& message, Gate* gate);
  // The same for what another shard sent. Whom to answer then: *chain, changed when there are more
  // answers to wait for.
  void PassOnForwarded(ForwardedPublish* mail, Chain* chain, Gate* gate);
  void Send(PlaceId place, ForwardedPublish mail);
  // Keeps it back until it may leave this node. False: it may.
  bool Delay(PlaceId place, ForwardedPublish* mail);
  // Fills aside_: partitions that cannot be given it now, or have something to be given before it.
  void LookAside(const mqtt::Message& message);
  // Keeps it for those, and for shared groups whose members are all out of reach. The gate is
  // refused where that is not possible.
  void KeepAside(const mqtt::MessagePtr& message, Gate* gate, bool* matched);
  // Sends on, or keeps, what a place has taken with it. False: nobody can.
  bool Rescue(PlaceId place, uint64_t token, const Place::Awaited& lost, session::Lsn* lsn);
  uint32_t RescueShared(PlaceId place, uint64_t token, const mqtt::MessagePtr& message,
                        std::vector<std::string> groups, Gate* gate);
  // The cluster counts on us, and we know who has subscribed.
  bool MayPromise() const;
  // Nobody here can have what is for the group; perhaps somebody could who is away.
  Reach KeepGiven(const mqtt::MessagePtr& message, const routing::ShareRef& group, uint64_t id,
                  Gate* gate);
  Reach NobodyHere(std::string_view topic, std::string_view group);
  // A durable session of a partition that moves has.
  bool IsFrozen(std::string_view topic);
  // All of Publish() but what is retained.
  void Route(const mqtt::MessagePtr& message, Gate* gate, uint64_t token, uint32_t* destinations,
             bool* matched);
  void Answer(ShardId origin, uint64_t token, session::Lsn lsn, bool refused);

  // The session's connection if it can be sent to now, else null.
  Connection* ServingConnection(const session::Session& session);
  void Drop(DropReason reason) { state_.stats.Drop(reason); }
  // The same, on the way to a session.
  void Drop(DropReason reason, const session::Session& session, const mqtt::Message& message);
  // Whether a durable session may take on a message; if not, the gate says so.
  bool MayRecord(Gate* gate);
  bool MakeRoom(session::Session& session, const session::Delivery& delivery);
  void QueueOrDrop(session::Session& session, session::Delivery delivery, Gate* gate);
  void NoteWhyQueued(const session::Session& session, const Connection& connection);
  void SendWaiting(const WaitingSend& waiting);
  void SendInFlight(session::Session& session, Connection& connection, session::Delivery delivery,
                    ImageCache* images, Gate* gate);
  void Resend(session::Session& session, Connection& connection, session::Outbound::InFlight* sent);
  bool TooLarge(const Connection& connection, const session::Delivery& delivery) const;

  // --- dispatcher_trace.cc: only while a trace is on.
  // A step that concerns no receiver.
  void TraceMessage(trace::Step step, const mqtt::Message& message, std::string_view why);
  void TraceMatched(trace::Step step, const mqtt::Message& message);
  void TraceForward(PlaceId place, const ForwardedPublish& mail);
  void TraceTaken(ShardId from, const ForwardedPublish& mail);
  void TracePicked(const mqtt::Message& message, const routing::SharedGroup& group,
                   const session::Session& member);
  void TraceNoMember(const mqtt::Message& message, const routing::SharedGroup& group);
  void TraceQueued(const session::Session& session, const mqtt::Message& message);

  ShardState& state_;
  Access& access_;
  Sender& sender_;
  StoredQueues& stored_;
  RetainedFeed& feed_;
  OnceBook& once_book_;
  Outbox outbox_;
  SharePicker picker_;
  ImageCache images_;
  routing::SubscriptionTable::Matches matches_;
  routing::RouteTable::Matches route_matches_;
  routing::RouteTable::Matches stranded_;
  TargetList merged_;
  std::vector<Share> shares_;
  uint64_t stamp_ = 0;

  std::deque<Job> jobs_;
  absl::flat_hash_map<std::string, uint32_t> job_topics_;  // topics of waiting jobs, and how many
  std::shared_ptr<const TargetList> last_list_;  // of the newest job, reused while nothing changes
  std::string last_topic_;
  uint64_t last_epoch_ = 0;
  uint64_t last_publisher_ = 0;

  uint64_t jobs_begun_ = 0;
  std::deque<Held> held_;
  uint64_t next_token_;
  uint64_t once_salt_;
  absl::flat_hash_map<uint64_t, Pending> pending_;
  absl::flat_hash_map<uint64_t, std::function<void(bool refused)>> notify_;
  std::deque<WaitingAnswer> waiting_;                // by lsn
  std::deque<WaitingSend> waiting_sends_;            // by lsn
  std::deque<Later> later_;                          // by lsn
  absl::flat_hash_map<uint64_t, uint32_t> delayed_;  // publishers of those, and how many
  bool atomic_ = false;                              // the publish at hand
  bool stays_here_ = false;                          // the same: not for other nodes
  Once once_;                                        // the same
  std::vector<session::PartitionId> aside_;          // the same; see LookAside()
  Special* special_ = nullptr;                       // what is being delivered is that
  std::vector<Given> given_;
  const routing::ShareRef* via_ = nullptr;  // the group that the delivery at hand comes through
};

}  // namespace skein::shard
