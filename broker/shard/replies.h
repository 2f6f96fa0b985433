// Replies that wait for what they promise.
//
// Purpose: a PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK or CONNACK leaves a connection only when the
// effects it stands for are done: its records durable, its routes known to every shard, its message
// taken by every destination. Replies leave in the order in which their packets came [MQTT-4.6.0-2]
// [MQTT-4.6.0-3], so a waiting one holds back those behind it. Owner and thread: one a connection,
// made when a first reply has to wait; confined to the shard. Limits: the shard stops reading from
// a connection that has more than kMaxHeld replies waiting.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "broker/base/ring.h"
#include "broker/session/store.h"

namespace skein::shard {

// What a reply waits for. All zero: nothing.
struct Gate {
  session::Lsn lsn = 0;       // records of this shard durable up to here
  uint64_t routes = 0;        // route changes of this shard applied everywhere up to here
  uint32_t destinations = 0;  // answers still to come from other shards and from sliced fan-outs
  bool refused = false;       // a durable session could not take it: there is no positive answer
};

class HeldReplies {
 public:
  static constexpr size_t kMaxHeld = 4096;

  struct Reply {
    Gate gate;
    bool counts_as_publish =
        false;  // a QoS 1 PUBLISH not yet acknowledged, for the Receive Maximum
    bool connack = false;
    // Of a PUBACK or PUBREC that may turn out to be a refusal; 0 = the reply is none.
    PacketId publish_id = 0;
    // Of a PUBREC: for a PUBLISH that came again while the answer to the first one waits. It leaves
    // behind that one, and says the same.
    bool repeats = false;
    int64_t since = 0;  // when that PUBLISH came, microseconds; 0: it is not timed
    std::string bytes;
  };

  // Returns the reply's ordinal, by which DestinationDone() finds it.
  uint64_t Push(Reply reply) {
    if (reply.counts_as_publish) ++publishes_;
    if (reply.repeats) ++repeats_;
    replies_.push_back(std::move(reply));
    return first_ + replies_.size() - 1;
  }

  void DestinationDone(uint64_t ordinal, bool refused) {
    if (ordinal < first_ || ordinal - first_ >= replies_.size()) return;
    Gate& gate = replies_[ordinal - first_].gate;
    if (gate.destinations > 0) --gate.destinations;
    gate.refused |= refused;
  }

  // So many more destinations are to answer before the reply with this ordinal may go.
  void AwaitMore(uint64_t ordinal, uint32_t count) {
    if (Waits(ordinal)) replies_[ordinal - first_].gate.destinations += count;
  }

  // The first PUBREC of this packet id was a refusal.
  void RefuseRepeated(PacketId id) {
    for (size_t i = 0; repeats_ > 0 && i < replies_.size(); ++i) {
      Reply& reply = replies_[i];
      if (reply.repeats && reply.publish_id == id) reply.gate.refused = true;
    }
  }

  // Whether the reply with this ordinal still waits.
  bool Waits(uint64_t ordinal) const {
    return ordinal >= first_ && ordinal - first_ < replies_.size();
  }

  bool empty() const { return replies_.empty(); }
  size_t size() const { return replies_.size(); }
  size_t publishes() const { return publishes_; }
  Reply& front() { return replies_.front(); }
  void PopFront() {
    if (replies_.front().counts_as_publish) --publishes_;
    if (replies_.front().repeats) --repeats_;
    replies_.pop_front();
    ++first_;
  }

 private:
  Ring<Reply> replies_;
  uint64_t first_ = 1;
  size_t publishes_ = 0;
  size_t repeats_ = 0;
};

}  // namespace skein::shard
