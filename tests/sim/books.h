// What was published, promised and received: the judge of a simulated run.
//
// Purpose: knows every publication by its payload, every subscription by when it was acknowledged,
// and says what of docs/architecture.md's promises was broken. It looks at nothing but what clients
// can see. Thread: confined to the run. `event` counts what clients did and saw; it orders them.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "broker/base/types.h"

namespace skein::sim {

using Event = uint64_t;
inline constexpr Event kNotYet = std::numeric_limits<Event>::max();

struct Publication {
  std::string topic;
  std::string payload;  // unique, but for the removal of a retained message
  Qos qos = Qos::kAtLeastOnce;
  int publisher = 0;
  int number = 0;  // counts the publisher's
  // A life of a transient session, or a durable one's stay on one node. Order is promised within
  // it; and of a durable one beyond, unless messages were kept for nodes that are away: what is
  // kept does not follow its publisher.
  int stretch = 0;
  Event sent = 0;
  Event acknowledged = kNotYet;
  bool retain = false;
  bool durable_publisher = false;
  bool repeated = false;
};

struct SubscriptionEntry {
  std::string filter;
  Event acknowledged = kNotYet;
  Event ended = kNotYet;  // UNSUBSCRIBE was sent, or the session was given up
};

// One session, as its client counts: the broker may have forgotten it, and must not.
struct SessionBook {
  std::string client_id;
  bool durable = false;
  Event connected = 0;  // the present connection, or the last
  std::vector<SubscriptionEntry> subscriptions;
  std::map<std::string, int> received;  // by payload
  // By publisher, topic and stretch; stretch -1: of all.
  std::map<std::tuple<int, std::string, int>, int> last_number;
};

struct WillBook {
  std::string payload;
  Event accepted = kNotYet;  // CONNACK
  Event closed = kNotYet;    // the client lost the connection, or left it
  bool taken_back = false;   // DISCONNECT 0x00 was carried out
};

class Books {
 public:
  Event Next() { return ++event_; }
  Event now() const { return event_; }

  size_t Sent(Publication publication);
  void Repeated(size_t publication) { publications_[publication].repeated = true; }
  void Acknowledged(size_t publication) { publications_[publication].acknowledged = Next(); }
  const Publication& publication(size_t index) const { return publications_[index]; }

  size_t Open(const std::string& client_id, bool durable);
  SessionBook& session(size_t index) { return sessions_[index]; }

  // From now on some messages are kept for nodes that are away.
  void SetOutboxUsed() { outbox_used_ = true; }

  size_t AddWill(std::string payload);
  WillBook& will(size_t index) { return wills_[index]; }

  // A session got a message that was not a retained one, for the first time as its handshake goes.
  void Received(size_t session, const std::string& topic, const std::string& payload, Qos qos);

  // When everything has settled. last_fault: what came after it must be without a gap.
  void Judge(Event last_fault);
  // What is retained under a topic in the end, at every node; nothing: no message.
  void JudgeRetained(const std::string& topic,
                     const std::vector<std::optional<std::string>>& at_nodes);

  void Broken(const std::string& text) { broken_.push_back(text); }
  const std::vector<std::string>& broken() const { return broken_; }
  size_t acknowledged() const;
  size_t received() const { return received_; }

 private:
  void JudgeShared(const std::string& group_filter);

  Event event_ = 0;
  size_t received_ = 0;
  bool outbox_used_ = false;
  std::vector<Publication> publications_;
  std::map<std::string, size_t> by_payload_;
  std::vector<SessionBook> sessions_;
  std::vector<WillBook> wills_;
  std::map<std::string, int> wills_received_;
  std::vector<std::string> broken_;
};

// "t/+" and "t/#" match "t/a"; "$share/GROUP/" is left out.
bool Matches(const std::string& filter, const std::string& topic);

}  // namespace skein::sim
