#include "broker/shard/tracing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace skein::shard {

using trace::Detail;
using trace::Step;

void Trace(ShardState& state, Step step, const session::Session& session,
           const mqtt::Message& message, std::string_view why) {
  Detail detail;
  detail.client = session.client_id();
  detail.why = why;
  detail.qos = message.qos();
  state.tracer.Message(state.now, step, message, detail);
}

void TraceDrop(ShardState& state, DropReason reason, const session::Session& session,
               const mqtt::Message& message) {
  Detail detail;
  detail.client = session.client_id();
  detail.why = DropText(reason);
  detail.qos = message.qos();
  auth::AccessRules::Verdict verdict;
  if (reason == DropReason::kNotAuthorized) {
    verdict = RuleFor(state, PrincipalOf(state, session), auth::kSubscribe, message.topic());
    detail.rule = RuleText(verdict);
  }
  state.tracer.Message(state.now, Step::kDropped, message, detail);
}

void TraceSent(ShardState& state, const Connection& connection, const mqtt::Message& message,
               const Detail& detail) {
  if (connection.session == kNoSession) return;
  Detail sent = detail;
  sent.client = state.sessions[connection.session].client_id();
  const Step step = detail.dup ? Step::kRedelivered : Step::kSent;
  if (detail.dup) sent.why = "sent before on a connection that ended without an acknowledgement";
  state.tracer.Message(state.now, step, message, sent);
}

void TraceClient(ShardState& state, Step step, std::string_view client_id,
                 const Connection* connection, std::string_view why) {
  Detail detail;
  detail.client = client_id;
  std::string text(why);
  if (connection != nullptr) {
    const std::string at = absl::StrCat(state.ports.peer(*connection).name, " on listener ",
                                        state.options.listeners[connection->listener].name);
    text = text.empty() ? at : absl::StrCat(text, "; ", at);
  }
  detail.why = text;
  state.tracer.Client(state.now, step, {}, detail);
}

void TraceMatch(ShardState& state, Step step, const mqtt::Message& message,
                const routing::SubscriptionTable::Matches& matches,
                const std::vector<PlaceId>& others) {
  size_t here = 0;
  for (const auto* list : matches.plain)
    here += list->size();
  Detail detail;
  size_t shards = 0;
  for (const PlaceId place : others) {
    const NodeNumber node = state.NodeOf(place);
    if (node == state.options.node) {
      ++shards;
    } else if (std::find(detail.nodes.begin(), detail.nodes.end(), node) == detail.nodes.end()) {
      detail.nodes.push_back(node);
    }
  }
  if (step == Step::kMatched && here == 0 && matches.shared.empty() && others.empty()) return;
  std::string why = absl::StrCat(here, " subscriptions and ", matches.shared.size(),
                                 " shared groups on shard ", state.options.id);
  if (shards > 0) absl::StrAppend(&why, ", ", shards, " other shards of the node");
  if (!detail.nodes.empty()) absl::StrAppend(&why, ", ", detail.nodes.size(), " other nodes");
  detail.why = why;
  detail.qos = message.qos();
  detail.retain = message.retain();
  state.tracer.Message(state.now, step, message, detail);
}

}  // namespace skein::shard
