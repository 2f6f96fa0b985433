// What one shard tells the traces that are on.
//
// Purpose: decides which traces want a step, makes the event, and gives it to the sink. While no
// trace is on, all that a step costs is the question on(), one pointer that is null. Owner: the
// shard's state. Thread: the shard's; the sink sees to its own. Limits: those of the sink. A trace
// ends by itself: the shard forgets its targets when the last one's time is over.
//
// A trace of a client follows what concerns the client, and every message that it published, to
// all receivers. Those are known by the hash of the publisher's client id, 32 bits, which goes
// along with the message; what was read from a queue on disk has lost it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/stats.h"
#include "broker/base/types.h"
#include "broker/mqtt/message.h"
#include "broker/trace/event.h"

namespace skein::trace {

// What one trace follows: a client or a topic filter; the other is empty.
struct Target {
  uint64_t number = 0;  // the sink's
  std::string client_id;
  uint32_t client_hash = 0;  // as Session::client_hash()
  std::string filter;
  TimeMs ends_at = 0;
};
using Targets = std::vector<Target>;

class Sink {
 public:
  virtual ~Sink() = default;
  // Any shard. Returns how many older events had to go for it.
  virtual uint64_t Write(uint64_t number, Event event) = 0;
};

// What a step says besides the message. Views: until the call returns.
struct Detail {
  std::string_view client = {};
  std::string_view why = {};
  std::string_view rule = {};
  Qos qos = Qos::kAtMostOnce;
  bool dup = false;
  bool retain = false;
  PacketId packet_id = 0;
  uint64_t message = 0;  // see NumberOf(); Message() knows it
  std::vector<uint32_t> nodes = {};
};

class Tracer {
 public:
  Tracer(Sink* sink, ShardStats* stats) : sink_(sink), stats_(*stats) {}

  bool on() const { return kObserved && targets_ != nullptr; }
  // From now on; null or empty: nothing is traced.
  void Set(std::shared_ptr<const Targets> targets);

  // Need on(). A step of a message; of what a publisher sent, before it has become a message
  // (detail.message is its number); of a client, with the filter of a subscription or nothing.
  void Message(TimeMs now, Step step, const mqtt::Message& message, const Detail& detail);
  void Topic(TimeMs now, Step step, std::string_view topic, const Detail& detail);
  void Client(TimeMs now, Step step, std::string_view filter, const Detail& detail);

 private:
  // Forgets the targets when all of them have ended. False: nothing is traced.
  bool Runs(TimeMs now);
  void Write(const Target& target, TimeMs now, Step step, std::string_view topic,
             const Detail& detail, uint64_t message);

  Sink* const sink_;  // null: Set() has no effect
  ShardStats& stats_;
  std::shared_ptr<const Targets> targets_;
  TimeMs ends_at_ = 0;
};

// Names a message, the same on all nodes: by its publisher (Session::token()), topic and payload;
// what is sent again and again has one name. When it came is another time on each node's clock.
// Never 0.
uint64_t NumberOf(uint64_t publisher, std::string_view topic, std::string_view payload);

}  // namespace skein::trace
