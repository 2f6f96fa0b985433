#include "broker/shard/explain.h"

#include <algorithm>
#include <utility>

#include "broker/auth/topic_rules.h"
#include "broker/mqtt/encode.h"
#include "broker/routing/topic.h"
#include "broker/shard/state.h"
#include "broker/shard/tracing.h"

namespace skein::shard {
namespace {

using session::Outbound;
using session::QueueResult;
using session::Session;

// As Dispatcher::ServingConnection().
const Connection* Serving(const ShardState& state, const Session& session) {
  if (!session.connected()) return nullptr;
  const Connection& connection = state.connections[session.connection];
  return connection.state == Connection::State::kServing ? &connection : nullptr;
}

// As Access::MayReceive().
bool MayReceive(const ShardState& state, const Session& session,
                const auth::AccessRules::Verdict& verdict) {
  if (session.access_epoch == state.access_epoch && !session.check_each) return true;
  if (session.rules_unknown && !session.connected()) return true;
  return verdict.allowed;
}

// As Dispatcher::TooLarge(), with no identifiers.
bool TooLarge(const Connection& connection, const mqtt::Message& message, Qos qos) {
  if (connection.maximum_packet_size == UINT32_MAX) return false;
  mqtt::PublishShape shape;
  shape.version = connection.version;
  shape.qos = qos;
  return MeasurePublish(message, shape).total > connection.maximum_packet_size;
}

}  // namespace

bool Explain::Step(const ShardState& state) {
  if (!began_) {
    began_ = true;
    const std::string payload(query_.payload_bytes, '\0');
    mqtt::Message::Init init;
    init.topic = query_.topic;
    init.payload = payload;
    init.qos = query_.qos;
    init.retain = query_.retain;
    init.received_at = state.now;
    message_ = mqtt::Message::Make(init);
    if (!query_.publisher.empty()) Publisher(state);
    Receivers(state);
    if (Speaks(state)) OutOfReach(state);
  }
  if (Speaks(state) && !Retained(state)) return false;
  reader_.reset();
  return true;
}

bool Explain::Speaks(const ShardState& state) const {
  return query_.as_publisher && state.options.id == 0;
}

void Explain::Publisher(const ShardState& state) {
  const Session* const session = state.sessions.Find(query_.publisher);
  ExplainPublisher& publisher = result_.publisher;
  auth::Principal client;
  client.client_id = query_.publisher;
  if (session != nullptr) {
    publisher.known = true;
    publisher.connected = session->connected();
    client = PrincipalOf(state, *session);
  }
  if (!auth::ClientMayPublishTo(query_.topic)) {
    publisher.why = "the topic is the broker's own";
    return;
  }
  const auto verdict = RuleForPublish(state, client, query_.topic, query_.retain);
  publisher.allowed = verdict.allowed;
  if (state.rules != nullptr || !verdict.source.empty()) publisher.rule = RuleText(verdict);
  if (!verdict.allowed) publisher.why = "the access rules do not let the client publish it";
  if (session == nullptr)
    publisher.why = "the client has no session: judged by its client id alone";
}

void Explain::Receivers(const ShardState& state) {
  // What one session matches more than once is one copy with the highest QoS.
  state.subscriptions.ForEachMatch(
      query_.topic,
      [&](const std::vector<routing::Subscriber>& members, const routing::SharedGroup* group) {
        for (const routing::Subscriber& subscriber : members) {
          if (group != nullptr || merged_.size() >= query_.limit || IsOwn(state, subscriber))
            continue;
          Merged& merged = merged_[subscriber.session];
          ++merged.subscriptions;
          merged.qos = std::max(merged.qos, subscriber.qos());
        }
      });
  state.subscriptions.ForEachMatch(
      query_.topic,
      [&](const std::vector<routing::Subscriber>& members, const routing::SharedGroup* group) {
        for (const routing::Subscriber& subscriber : members) {
          if (Full()) return;
          Add(state, subscriber, group);
        }
      });
}

bool Explain::IsOwn(const ShardState& state, const routing::Subscriber& subscriber) const {
  return subscriber.no_local() &&
         state.sessions[subscriber.session].client_id() == query_.publisher;
}

void Explain::Add(const ShardState& state, const routing::Subscriber& subscriber,
                  const routing::SharedGroup* group) {
  const Session& session = state.sessions[subscriber.session];
  ExplainRow& row = result_.rows.emplace_back();
  row.client_id = session.client_id();
  row.node = state.options.node;
  row.qos = subscriber.qos();
  row.connected = session.connected();
  row.durable = session.durable();
  if (group == nullptr) {
    row.filter = state.subscriptions.text(state.subscriptions.filter(subscriber.handle));
  } else {
    row.filter = group->topic_filter();
    row.share = group->share_name();
    const ShareStrategy strategy = state.options.shares.Of(group->share_name());
    row.strategy = kShareStrategyNames[static_cast<size_t>(strategy)];
  }
  Judge(state, subscriber, &row);
}

void Explain::Judge(const ShardState& state, const routing::Subscriber& subscriber,
                    ExplainRow* row) {
  const Session& session = state.sessions[subscriber.session];
  const Connection* const connection = Serving(state, session);
  const auto verdict = RuleFor(state, PrincipalOf(state, session), auth::kSubscribe, query_.topic);
  if (state.rules != nullptr || !verdict.source.empty()) row->rule = RuleText(verdict);
  Merged merged{subscriber.qos(), 1};
  if (const auto found = merged_.find(subscriber.session);
      found != merged_.end() && row->share.empty())
    merged = found->second;
  const Qos qos = std::min(query_.qos, merged.qos);
  const auto drop = [&](std::string_view why) {
    row->would = Would::kDrop;
    row->why = why;
  };
  if (row->share.empty() && IsOwn(state, subscriber)) return drop(kNoLocalText);
  if (!MayReceive(state, session, verdict)) return drop(DropText(DropReason::kNotAuthorized));
  if (session.recorded() && state.frozen.contains(session.key.partition)) {
    row->would = Would::kQueue;
    row->why = "its partition is moving: the message waits until it has arrived";
    return;
  }
  const bool has_room =
      connection != nullptr && connection->out.bytes() < state.limits.max_output_bytes;
  if (qos == Qos::kAtMostOnce) {
    if (connection == nullptr) return drop(DropText(DropReason::kOffline));
    if (!has_room) return drop(DropText(DropReason::kOutputFull));
  }
  if (connection != nullptr && TooLarge(*connection, *message_, qos))
    return drop(DropText(DropReason::kPacketTooLarge));
  if (qos > Qos::kAtMostOnce) {
    if (session.recorded() && state.ports.store->full())
      return drop(DropText(DropReason::kDiskFull));
    const Outbound* const outbound = session.outbound_if_any();
    const bool window = connection != nullptr &&
                        (outbound == nullptr || outbound->WindowOpen(connection->receive_maximum));
    if (!has_room || session.has_queued() || !window)
      return JudgeQueue(state, subscriber.session, row);
  }
  row->would = Would::kDeliver;
  row->why = row->share.empty() ? "connected" : "connected; one member of the group is picked";
  if (row->share.empty() && merged.subscriptions > 1)
    row->why += "; one copy for all of its subscriptions that match, with the highest QoS";
}

// As Dispatcher::MakeRoom().
void Explain::JudgeQueue(const ShardState& state, SessionSlot slot, ExplainRow* row) {
  static const Outbound kEmpty;
  const Session& session = state.sessions[slot];
  const Outbound* outbound = session.outbound_if_any();
  if (outbound == nullptr) outbound = &kEmpty;
  const Limits& limits = state.limits;
  const session::StoredQueue& stored = session.stored;
  session::QueueBounds bounds;
  bounds.messages = static_cast<uint32_t>(
      limits.max_queued_messages - std::min<uint64_t>(stored.messages, limits.max_queued_messages));
  bounds.bytes = limits.max_queued_bytes - std::min(stored.bytes, limits.max_queued_bytes);
  const QueueResult room = outbound->Room(*message_, bounds, state.budget);
  row->would = Would::kQueue;
  row->why = session.connected() ? "others wait before it, or the client reads too slowly"
                                 : "offline: it waits until the client comes back";
  if (!row->share.empty()) row->why += "; members that can have it at once come first";
  if (room == QueueResult::kQueued) return;
  const DropReason reason = room == QueueResult::kFull        ? DropReason::kQueueFull
                            : room == QueueResult::kFullBytes ? DropReason::kQueueBytes
                                                              : DropReason::kTotalQueueBytes;
  if (limits.queue_drop == QueueDrop::kOldest && reason != DropReason::kTotalQueueBytes) {
    row->why = "the queue is full: with queue_drop = oldest it takes the oldest one's place";
    return;
  }
  row->would = Would::kDrop;
  row->why = DropText(reason);
}

// What a publisher here could not give to anybody now.
void Explain::OutOfReach(const ShardState& state) {
  if (!state.owners_missing) return;
  state.durable_routes.ForEachMatch(query_.topic, [&](std::string_view filter, auto shares) {
    const bool shared = filter.starts_with("$share/");
    const auto away = [&](const auto& share) { return !state.OwnerKnown(share.destination); };
    // A group with members that can be reached goes to them.
    if (shared && !std::all_of(shares.begin(), shares.end(), away)) return;
    for (const auto& share : shares) {
      if (!away(share) || Full()) continue;
      Away(state, filter, share.destination);
      if (shared) break;
    }
  });
}

void Explain::Away(const ShardState& state, std::string_view filter, uint32_t partition) {
  const routing::ParsedFilter parsed = routing::ParseFilter(filter);
  const NodeNumber owner = state.OwnerOf(partition);
  // One row for all partitions of a node with the same filter.
  for (const ExplainRow& row : result_.rows) {
    if (row.client_id.empty() && row.node == owner && row.filter == parsed.topic_filter &&
        row.share == parsed.share_name)
      return;
  }
  ExplainRow& row = result_.rows.emplace_back();
  row.node = owner;
  row.filter = parsed.topic_filter;
  row.share = parsed.share_name;
  row.durable = true;
  const auto waiting = static_cast<uint64_t>(state.stats.outbox_bytes.value());
  if (query_.qos == Qos::kAtMostOnce) {
    row.would = Would::kDrop;
    row.why = "QoS 0, and the node cannot be reached";
  } else if (waiting + message_->cost() > state.PartOf(state.limits.max_outbox_bytes)) {
    row.would = Would::kDrop;
    row.why = DropText(DropReason::kOutboxFull);
  } else {
    row.would = Would::kQueue;
    row.why = "the node cannot be reached: it waits in the outbox of the publisher's node";
  }
}

bool Explain::Retained(const ShardState& state) {
  // A topic name is a filter that matches itself only.
  if (reader_ == nullptr) reader_ = state.ports.retained->Open(query_.topic, state.ports.wake);
  std::vector<mqtt::MessagePtr> found;
  const auto result = reader_->Read(state.now, 1, &found);
  result_.retained |= !found.empty();
  return result == RetainedReader::Result::kDone || result_.retained;
}

}  // namespace skein::shard
