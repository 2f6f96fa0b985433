#include "broker/metrics/broker_metrics.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace skein::metrics {
namespace {

double Value(const Counter& counter) {
  return static_cast<double>(counter.value());
}
double Value(const Gauge& gauge) {
  return static_cast<double>(gauge.value());
}
double Value(uint64_t value) {
  return static_cast<double>(value);
}

constexpr std::array<std::string_view, 2> kDirections = {"in", "out"};

// One label with the values of an enumeration.
template <typename Counters, typename Names>
void SetEach(Family family, const std::string& label, const Counters& counters,
             const Names& names) {
  for (size_t i = 0; i < names.size(); ++i)
    family.Set({{label, std::string(names[i])}}, Value(counters[i]));
}

// The same in both directions.
// value_of(way, i): 0 is in, 1 is out.
template <typename Names, typename ValueOf>
void SetBothWays(Family family, const std::string& label, const Names& names, size_t first,
                 ValueOf value_of) {
  for (size_t way = 0; way < kDirections.size(); ++way) {
    for (size_t i = first; i < names.size(); ++i)
      family.Set({{"direction", std::string(kDirections[way])}, {label, std::string(names[i])}},
                 Value(value_of(way, i)));
  }
}

std::string NameOfPeer(const BrokerFigures& figures, size_t number) {
  if (number == figures.self) return "self";
  return number < figures.peers.size() ? figures.peers[number] : std::string();
}

void AddConnections(const BrokerFigures& figures, Sheet* sheet) {
  const ShardStats& totals = figures.totals;
  const size_t listeners = std::min(figures.listeners.size(), totals.listeners.size());
  Family connections = sheet->Gauge("skeinmq_connections", "Clients that are served.");
  for (size_t i = 0; i < listeners; ++i) {
    for (size_t version = 0; version < kVersionLabels.size(); ++version)
      connections.Set({{"listener", figures.listeners[i]},
                       {"protocol_version", std::string(kVersionLabels[version])}},
                      Value(totals.listeners[i].connected[version]));
  }
  Family accepted =
      sheet->Counter("skeinmq_connections_accepted_total", "Network connections accepted.");
  for (size_t i = 0; i < listeners; ++i)
    accepted.Set({{"listener", figures.listeners[i]}}, Value(totals.listeners[i].accepted));
  Family refused =
      sheet->Counter("skeinmq_connections_refused_total", "Network connections closed at accept.");
  for (size_t i = 0; i < listeners; ++i) {
    for (size_t reason = 0; reason < kShedReasonNames.size(); ++reason)
      refused.Set(
          {{"listener", figures.listeners[i]}, {"reason", std::string(kShedReasonNames[reason])}},
          Value(totals.listeners[i].shed[reason]));
  }
  sheet->Counter("skeinmq_connections_closed_total", "Network connections that ended.")
      .Set(Value(totals.connections_closed));
  SetEach(sheet->Counter("skeinmq_disconnects_total", "Clients that are not served any more."),
          "reason", totals.disconnects, kEndReasonNames);
  sheet
      ->Counter("skeinmq_transport_failures_total",
                "Connections ended since the client broke the rules of TLS, WebSocket or PROXY.")
      .Set(Value(totals.transport_failures));
  sheet
      ->Counter("skeinmq_takeovers_total",
                "Connections ended since another one came with the same client id.")
      .Set(Value(totals.takeovers));
  sheet
      ->Gauge("skeinmq_relayed_connections",
              "Clients connected here whose session lives on another node.")
      .Set(Value(totals.relays));
  sheet
      ->Counter("skeinmq_reads_paused_total",
                "Times that a connection was not read for a while, for too much of it waited.")
      .Set(Value(totals.reads_paused));
}

void AddSessions(const BrokerFigures& figures, Sheet* sheet) {
  const shard::CensusFigures& census = figures.census;
  const std::array<std::pair<std::string, const shard::CensusFigures::Kind*>, 2> kinds = {
      {{"transient", &census.transient}, {"durable", &census.durable}}};
  Family sessions = sheet->Gauge("skeinmq_sessions", "Sessions of this node.");
  for (const auto& [name, kind] : kinds) {
    sessions.Set({{"kind", name}, {"state", "connected"}}, Value(kind->connected));
    sessions.Set({{"kind", name}, {"state", "offline"}}, Value(kind->offline));
  }
  Family subscriptions =
      sheet->Gauge("skeinmq_subscriptions", "Subscriptions of this node's sessions.");
  for (const auto& [name, kind] : kinds)
    subscriptions.Set({{"kind", name}}, Value(kind->subscriptions));
  sheet
      ->Counter("skeinmq_sessions_expired_total",
                "Durable sessions whose client did not come back in time.")
      .Set(Value(figures.totals.sessions_expired));
  Family routes = sheet->Gauge("skeinmq_routes", "Filters that a node has subscribers for.");
  for (const auto& [node, count] : census.routes) {
    const std::string peer = NameOfPeer(figures, node);
    if (!peer.empty()) routes.Set({{"peer", peer}}, Value(count));
  }
  sheet->Gauge("skeinmq_queued_messages", "Messages that wait for this node's sessions.")
      .Set(Value(census.queued_messages));
  sheet->Gauge("skeinmq_queued_bytes", "Bytes of the messages that wait.")
      .Set(Value(census.queued_bytes));
  const bool any = census.queued_since != kNever;
  sheet
      ->Gauge("skeinmq_queue_oldest_age_seconds",
              "How long the oldest of them has waited, about; at most since the start.")
      .Set(any ? static_cast<double>(std::max<TimeMs>(figures.now - census.queued_since, 0)) *
                     kMilli
               : 0);
  sheet->Gauge("skeinmq_inflight_messages", "QoS 1 and 2 messages sent and not acknowledged.")
      .Set(Value(census.inflight_messages));
  sheet->Gauge("skeinmq_retained_messages", "Retained messages; each node has them all.")
      .Set(Value(figures.retained_messages));
  sheet->Gauge("skeinmq_retained_bytes", "Bytes of the retained messages.")
      .Set(Value(figures.retained_bytes));
}

void AddTraffic(const ShardStats& totals, Sheet* sheet) {
  const std::array<const PacketCounters*, 2> packets = {&totals.packets_in, &totals.packets_out};
  SetBothWays(sheet->Counter("skeinmq_packets_total", "MQTT packets."), "packet", kPacketTypeLabels,
              1, [&](size_t way, size_t type) { return packets[way]->of_type(type); });
  SetBothWays(
      sheet->Counter("skeinmq_messages_total", "PUBLISH from clients (in) and to clients (out)."),
      "qos", kQosLabels, 0, [&](size_t way, size_t qos) { return packets[way]->publishes(qos); });
  sheet->Counter("skeinmq_bytes_total", "Bytes of MQTT from and to clients.")
      .Set({{"direction", "in"}}, Value(totals.bytes_in))
      .Set({{"direction", "out"}}, Value(totals.bytes_out));
  sheet->Counter("skeinmq_payload_bytes_total", "Bytes of payload in PUBLISH.")
      .Set({{"direction", "in"}}, Value(totals.payload_in))
      .Set({{"direction", "out"}}, Value(totals.payload_out));
  sheet->Counter("skeinmq_wills_sent_total", "Wills that were published.")
      .Set(Value(totals.wills_sent));
  sheet
      ->Counter("skeinmq_messages_redispatched_total",
                "Messages of a member of a shared group that went to another one.")
      .Set(Value(totals.messages_redispatched));
  sheet->Counter("skeinmq_trace_events_total", "Steps that were written down for traces.")
      .Set(Value(totals.trace_events));
  sheet
      ->Counter("skeinmq_trace_events_lost_total",
                "Steps that traces had to drop for newer ones, 10,000 each being kept.")
      .Set(Value(totals.trace_events_lost));
}

void AddRefusals(const ShardStats& totals, Sheet* sheet) {
  SetEach(sheet->Counter("skeinmq_messages_dropped_total",
                         "Messages that a subscriber did not get, or that were not retained."),
          "reason", totals.messages_dropped, kDropReasonNames);
  SetEach(sheet->Counter("skeinmq_limit_hits_total", "Times that a limit acted."), "limit",
          totals.limit_hits, kLimitNames);
  Family refusals = sheet->Counter("skeinmq_refusals_total",
                                   "Connections, subscriptions and publishes refused, by reason "
                                   "code; codes that did not occur are left out.");
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (size_t code = 0; code < totals.refusals.size(); ++code) {
    if (totals.refusals[code].value() == 0) continue;
    refusals.Set({{"code", {'0', 'x', kDigits[code >> 4], kDigits[code & 15]}}},
                 Value(totals.refusals[code]));
  }
  sheet->Counter("skeinmq_authorizations_total", "Answers of the access rules to clients.")
      .Set({{"action", "publish"}, {"result", "allow"}}, Value(totals.publish_allowed[1]))
      .Set({{"action", "publish"}, {"result", "deny"}}, Value(totals.publish_allowed[0]))
      .Set({{"action", "subscribe"}, {"result", "allow"}}, Value(totals.subscribe_allowed[1]))
      .Set({{"action", "subscribe"}, {"result", "deny"}}, Value(totals.subscribe_allowed[0]));
  sheet
      ->Counter("skeinmq_mailbox_full_total",
                "Times that mail to another shard or node had to wait and publishers were paused.")
      .Set(Value(totals.mailbox_full));
}

void AddAuthentications(const BrokerFigures& figures, Sheet* sheet) {
  Family family =
      sheet->Counter("skeinmq_authentications_total", "What became of CONNECT packets.");
  const size_t listeners = std::min(figures.listeners.size(), figures.totals.listeners.size());
  for (size_t i = 0; i < listeners; ++i) {
    for (size_t result = 0; result < kAuthResultNames.size(); ++result)
      family.Set(
          {{"listener", figures.listeners[i]}, {"result", std::string(kAuthResultNames[result])}},
          Value(figures.totals.listeners[i].authentications[result]));
  }
}

void AddLatencies(const BrokerFigures& figures, Sheet* sheet) {
  const ShardStats& totals = figures.totals;
  Family acks =
      sheet->Histogram("skeinmq_publish_ack_seconds", "From a PUBLISH to its PUBACK or PUBREC.");
  for (const size_t qos : {size_t{1}, size_t{2}})
    acks.Set({{"qos", std::string(kQosLabels[qos])}}, totals.publish_ack[qos], kMicro);
  Family deliveries =
      sheet->Histogram("skeinmq_publish_deliver_seconds",
                       "From a PUBLISH to its delivery to a subscriber of the same node.");
  for (size_t qos = 0; qos < kQosLabels.size(); ++qos)
    deliveries.Set({{"qos", std::string(kQosLabels[qos])}}, totals.publish_deliver[qos], kMicro);
  Family lag = sheet->Histogram("skeinmq_event_loop_lag_seconds",
                                "Turns of a shard's event loop: how long what comes then waits.");
  for (size_t shard = 0; shard < figures.shards.size(); ++shard)
    lag.Set({{"shard", std::to_string(shard)}}, figures.shards[shard]->loop_lag, kMicro);
}

void AddCluster(const BrokerFigures& figures, Sheet* sheet) {
  const ShardStats& totals = figures.totals;
  sheet->Counter("skeinmq_handovers_total", "Partitions handed over, or given up on.")
      .Set({{"direction", "in"}, {"result", "done"}}, Value(totals.handovers_in))
      .Set({{"direction", "out"}, {"result", "done"}}, Value(totals.handovers_out))
      .Set({{"direction", "out"}, {"result", "failed"}}, Value(totals.handovers_failed));
  sheet
      ->Histogram("skeinmq_handover_seconds",
                  "How long publishers to a partition waited while it was handed over.")
      .Set({}, totals.handover, kMicro);
  Family lag = sheet->Gauge("skeinmq_feed_lag_changes",
                            "Changes of this node's routes that a peer has not applied yet.");
  for (const auto& [node, changes] : figures.census.lag) {
    const std::string peer = NameOfPeer(figures, node);
    if (!peer.empty()) lag.Set({{"peer", peer}}, Value(changes));
  }
  sheet->Gauge("skeinmq_outbox_messages", "Messages kept for sessions of nodes that are away.")
      .Set(Value(totals.outbox_messages));
  sheet->Gauge("skeinmq_outbox_bytes", "Bytes of the messages kept.")
      .Set(Value(totals.outbox_bytes));
  const TimeMs since = totals.outbox_since.value();
  sheet
      ->Gauge("skeinmq_outbox_oldest_age_seconds",
              "How long messages have been kept without a break; at most since the start.")
      .Set(since == 0 ? 0 : static_cast<double>(std::max<TimeMs>(figures.now - since, 0)) * kMilli);
  sheet->Counter("skeinmq_outbox_stored_total", "Messages put into the outbox.")
      .Set(Value(totals.outbox_stored));
  sheet->Counter("skeinmq_outbox_sent_total", "Messages that left it: taken, or expired.")
      .Set(Value(totals.outbox_sent));
  sheet
      ->Counter("skeinmq_digest_divergences_total",
                "Times that another node's routes or retained messages had to be told again.")
      .Set({{"kind", "routes"}}, Value(totals.route_divergence))
      .Set({{"kind", "retained"}}, Value(totals.retained_divergence));
  SetBothWays(sheet->Counter("skeinmq_forwarded_messages_total",
                             "Publishes from (in) and to (out) other nodes."),
              "qos", kQosLabels, 0, [&](size_t way, size_t qos) {
                return (way == 0 ? totals.forwarded_in : totals.forwarded_out)[qos].value();
              });
}

}  // namespace

void AddBroker(const BrokerFigures& figures, Sheet* sheet) {
  AddConnections(figures, sheet);
  AddAuthentications(figures, sheet);
  AddSessions(figures, sheet);
  AddTraffic(figures.totals, sheet);
  AddRefusals(figures.totals, sheet);
  AddLatencies(figures, sheet);
  AddCluster(figures, sheet);
}

}  // namespace skein::metrics
