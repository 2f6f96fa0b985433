// The last clients that came, went and were refused.
//
// Purpose: what an operator looks at first when a client does not get in. Owner and thread:
// ShardState, confined to the shard; others ask (Question). Limits: kEvents of a shard; an older
// one goes for each that comes. Texts are cut at kTextBytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "broker/base/types.h"

namespace skein::shard {

enum class EventKind : uint8_t { kConnected, kDisconnected, kRefused };

struct ClientEvent {
  uint64_t number = 0;  // of all shards of the node, in order
  TimeMs time = 0;
  EventKind kind = EventKind::kConnected;
  std::string client_id;  // empty: it is not known
  std::string listener;
  std::string address;
  std::string reason;
};

class EventLog {
 public:
  static constexpr size_t kEvents = 1'000;
  static constexpr size_t kTextBytes = 256;

  // Numbers events; of the node, any shard. Null: this shard counts alone.
  explicit EventLog(std::atomic<uint64_t>* numbers) : numbers_(numbers) {}

  void Add(TimeMs time, EventKind kind, std::string_view client_id, std::string_view listener,
           std::string_view address, std::string_view reason) {
    if (events_.size() >= kEvents) events_.pop_front();
    ClientEvent& event = events_.emplace_back();
    event.number = numbers_ == nullptr ? ++own_ : numbers_->fetch_add(1) + 1;
    event.time = time;
    event.kind = kind;
    event.client_id = client_id.substr(0, kTextBytes);
    event.listener = listener.substr(0, kTextBytes);
    event.address = address;
    event.reason = reason.substr(0, kTextBytes);
  }

  const std::deque<ClientEvent>& events() const { return events_; }

 private:
  std::atomic<uint64_t>* const numbers_;
  uint64_t own_ = 0;
  std::deque<ClientEvent> events_;
};

}  // namespace skein::shard
