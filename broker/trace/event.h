// One step of a message or of a client, as a trace shows it.
//
// Purpose: the vocabulary of traces. What a step means to people is in docs/operations.md. Thread:
// values. Limits: texts that come from clients are cut to kMostText bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/types.h"

namespace skein::trace {

enum class Step : uint8_t {
  // A client.
  kConnected,
  kRefused,  // its CONNECT
  kDisconnected,
  kSubscribed,
  kUnsubscribed,
  // A message, from its publisher to its receivers.
  kReceived,  // from its publisher
  kAllowed,   // by an access rule, or since none forbids it
  kDenied,    // by an access rule, or by the broker's own ones
  kRepeated,  // it was taken before: acknowledged, and not delivered again
  kRetained,
  kMatched,
  kNoRoute,  // nobody wants it
  kHeld,     // until a partition has moved
  kForwarded,
  kTaken,   // by another shard, or by the node that it was forwarded to
  kOutbox,  // on disk, until a node can be reached
  kPicked,  // the member of a shared group
  kQueued,
  kDropped,
  kSent,
  kRedelivered,
  kAcknowledged,  // by its receiver
  kAnswered,      // to its publisher
};
inline constexpr size_t kSteps = static_cast<size_t>(Step::kAnswered) + 1;

inline constexpr std::array<std::string_view, kSteps> kStepNames = {
    "connected", "refused",   "disconnected", "subscribed",   "unsubscribed", "received",
    "allowed",   "denied",    "repeated",     "retained",     "matched",      "no_route",
    "held",      "forwarded", "taken",        "outbox",       "picked",       "queued",
    "dropped",   "sent",      "redelivered",  "acknowledged", "answered"};
static_assert(!kStepNames.back().empty());

inline std::string_view NameOf(Step step) {
  return kStepNames[static_cast<size_t>(step)];
}

struct Event {
  static constexpr size_t kMostText = 256;

  uint64_t id = 0;  // counts the events of one trace on one node, from 1
  TimeMs time = 0;
  Step step = Step::kReceived;
  std::string client_id;  // whom it is about: the publisher until kMatched, then a receiver
  std::string topic;      // or the filter of a subscription
  uint64_t message = 0;   // the same for all steps of one message, on all nodes; 0: about none
  Qos qos = Qos::kAtMostOnce;
  bool dup = false;
  bool retain = false;
  PacketId packet_id = 0;
  std::string why;
  std::string rule;             // of the access rules, where one decided
  std::vector<uint32_t> nodes;  // numbers of the other nodes that it is about
};

}  // namespace skein::trace
