// The words of traces on a shard.
//
// Purpose: what the shard's parts say about a step, in one place. Everything here is called only
// while a trace is on. Thread: the shard's.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "broker/shard/access.h"
#include "broker/shard/state.h"

namespace skein::shard {

// Why a message was dropped, for people; the key that sets a limit is named.
inline constexpr std::array<std::string_view, kDropReasonNames.size()> kDropTexts = {
    "QoS 0, and the client does not read fast enough: limits.max_output_bytes waits for it",
    "the queue is full: limits.max_queued_messages",
    "the queue is full: limits.max_queued_bytes",
    "the node's queues are full: limits.max_total_queued_bytes",
    "it expired while it waited: the publisher's Message Expiry Interval",
    "it is larger than the client's Maximum Packet Size",
    "it is not retained: limits.max_retained_messages or limits.max_retained_bytes",
    "the session ended",
    "the session's node cannot be reached, and nobody knows who subscribed there; the publisher is "
    "told",
    "the disk is nearly full: storage.reserve_bytes; the publisher is told",
    "the access rules do not let the client have it",
    "the session's node cannot be reached, and limits.max_outbox_bytes wait for it; the publisher "
    "is told",
    "no subscription on any node matches",
    "QoS 0, and the client is not connected"};

inline std::string_view DropText(DropReason reason) {
  return kDropTexts[static_cast<size_t>(reason)];
}
inline constexpr std::string_view kCameBeforeText =
    "it was published before the subscription was made, and waited for this node";
inline constexpr std::string_view kNoLocalText =
    "No Local: the client published it itself and subscribed without its own messages";

// The rule that decides about a step; "default" where none of them speaks.
inline std::string_view RuleText(const auth::AccessRules::Verdict& verdict) {
  return verdict.source.empty() ? std::string_view("default") : verdict.source;
}

// A step that needs nothing but the session and the message.
void Trace(ShardState& state, trace::Step step, const session::Session& session,
           const mqtt::Message& message, std::string_view why);
// A message that was dropped on its way to the session.
void TraceDrop(ShardState& state, DropReason reason, const session::Session& session,
               const mqtt::Message& message);
// What a PUBLISH on the connection sent or would send.
void TraceSent(ShardState& state, const Connection& connection, const mqtt::Message& message,
               const trace::Detail& detail);
// A step of a client. connection: where it is; null: nowhere.
void TraceClient(ShardState& state, trace::Step step, std::string_view client_id,
                 const Connection* connection, std::string_view why);
// The message was matched on this shard. others: the places that it goes to.
void TraceMatch(ShardState& state, trace::Step step, const mqtt::Message& message,
                const routing::SubscriptionTable::Matches& matches,
                const std::vector<PlaceId>& others);

}  // namespace skein::shard
