// What the dispatcher says to traces.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/tracing.h"

namespace skein::shard {

using trace::Detail;
using trace::Step;

namespace {

std::string Text(std::string_view text) {
  return std::string(text);
}

}  // namespace

void Dispatcher::Drop(DropReason reason, const session::Session& session,
                      const mqtt::Message& message) {
  state_.stats.Drop(reason);
  if (state_.tracer.on()) [[unlikely]]
    TraceDrop(state_, reason, session, message);
}

void Dispatcher::TraceMessage(Step step, const mqtt::Message& message, std::string_view why) {
  Detail detail;
  detail.why = why;
  detail.qos = message.qos();
  detail.retain = message.retain();
  state_.tracer.Message(state_.now, step, message, detail);
}

void Dispatcher::TraceMatched(Step step, const mqtt::Message& message) {
  std::vector<PlaceId> others;
  if (state_.has_others()) {
    for (const Share& share : shares_)
      others.push_back(share.shard);
  }
  TraceMatch(state_, step, message, matches_, others);
}

void Dispatcher::TraceForward(PlaceId place, const ForwardedPublish& mail) {
  if (place < state_.options.count) return;
  std::string why = absl::StrCat("to shard ", state_.ShardOf(place));
  if (mail.groups != nullptr) {
    for (const std::string& group : *mail.groups)
      absl::StrAppend(&why, ", for ", group);
  }
  Detail detail;
  detail.why = why;
  detail.qos = mail.message->qos();
  detail.nodes = {state_.NodeOf(place)};
  state_.tracer.Message(state_.now, Step::kForwarded, *mail.message, detail);
}

void Dispatcher::TraceTaken(ShardId from, const ForwardedPublish& mail) {
  size_t here = 0;
  for (const auto* list : matches_.plain)
    here += list->size();
  std::string why =
      absl::StrCat("by shard ", state_.options.id, " from shard ", state_.ShardOf(from), "; ");
  if (!mail.plain) {
    absl::StrAppend(&why, "only for shared groups");
  } else {
    absl::StrAppend(&why, here, " subscriptions match");
  }
  if (mail.repeated) why += "; it may have been sent before";
  Detail detail;
  detail.why = why;
  detail.qos = mail.message->qos();
  detail.retain = mail.message->retain();
  const NodeNumber node = state_.NodeOf(from);
  if (node != state_.options.node) detail.nodes = {node};
  state_.tracer.Message(state_.now, Step::kTaken, *mail.message, detail);
}

void Dispatcher::TracePicked(const mqtt::Message& message, const routing::SharedGroup& group,
                             const session::Session& member) {
  const ShareStrategy strategy = state_.options.shares.Of(group.share_name());
  const std::string why =
      absl::StrCat("one of ", group.members.size(), " members of ", Text(group.text()),
                   " here, by ", Text(kShareStrategyNames[static_cast<size_t>(strategy)]));
  Trace(state_, Step::kPicked, member, message, why);
}

void Dispatcher::TraceNoMember(const mqtt::Message& message, const routing::SharedGroup& group) {
  const std::string why = absl::StrCat("no member of ", Text(group.text()),
                                       " here is connected, or waits for it, and may have it");
  TraceMessage(Step::kDropped, message, why);
}

void Dispatcher::TraceQueued(const session::Session& session, const mqtt::Message& message) {
  std::string_view why = "the client is offline";
  if (const Connection* const connection = ServingConnection(session)) {
    why = !sender_.HasRoom(*connection) ? "the client does not read fast enough"
          : session.has_queued()        ? "others wait before it"
                                        : "the client's Receive Maximum is in flight";
  } else if (session.connected()) {
    why = "the client's CONNACK is on its way";
  }
  Trace(state_, Step::kQueued, session, message, why);
}

}  // namespace skein::shard
