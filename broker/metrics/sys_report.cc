#include "broker/metrics/sys_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace skein::metrics {
namespace {

template <typename Counters>
uint64_t Sum(const Counters& counters) {
  uint64_t sum = 0;
  for (const Counter& counter : counters)
    sum += counter.value();
  return sum;
}

std::string Text(uint64_t value) {
  return std::to_string(value);
}

mqtt::MessagePtr Message(const std::string& topic, const std::string& payload, bool retain,
                         TimeMs now, TimeMs interval) {
  mqtt::Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.retain = retain;
  init.received_at = now;
  if (retain) init.expiry_seconds = static_cast<uint32_t>(3 * interval / 1'000 + 1);
  return mqtt::Message::Make(init);
}

}  // namespace

void SysReport::AddLoad(const std::string& name, uint64_t value, double minutes, Load* load,
                        Values* values) {
  constexpr std::array<double, 3> kSpans = {1, 5, 15};
  constexpr std::array<const char*, 3> kNames = {"1min", "5min", "15min"};
  const double rate = minutes > 0 ? static_cast<double>(value - load->last) / minutes : 0;
  load->last = value;
  for (size_t i = 0; i < kSpans.size(); ++i) {
    load->averages[i] = rate + std::exp(-minutes / kSpans[i]) * (load->averages[i] - rate);
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", load->averages[i]);
    values->emplace_back("load/" + name + "/" + kNames[i], text);
  }
}

SysReport::Values SysReport::ValuesOf(const SysFigures& figures) {
  const ShardStats& totals = figures.totals;
  const shard::CensusFigures& census = figures.census;
  const uint64_t connected = census.transient.connected + census.durable.connected;
  const uint64_t offline = census.transient.offline + census.durable.offline;
  most_clients_ = std::max(most_clients_, connected);
  // What nobody wanted has not been dropped on its way to anybody.
  const uint64_t dropped =
      Sum(totals.messages_dropped) -
      totals.messages_dropped[static_cast<size_t>(DropReason::kNoSubscriber)].value();
  const uint64_t packets_in = totals.packets_in.total();
  const uint64_t packets_out = totals.packets_out.total();
  const uint64_t publishes_in = totals.packets_in.publishes();
  const uint64_t publishes_out = totals.packets_out.publishes();
  Values values = {
      {"version", "skeinmq version " + version_},
      {"uptime", Text(static_cast<uint64_t>((figures.now - started_) / 1'000)) + " seconds"},
      {"clients/total", Text(connected + offline)},
      {"clients/connected", Text(connected)},
      {"clients/active", Text(connected)},
      {"clients/disconnected", Text(offline)},
      {"clients/inactive", Text(offline)},
      {"clients/maximum", Text(most_clients_)},
      {"clients/expired", Text(totals.sessions_expired.value())},
      {"messages/received", Text(packets_in)},
      {"messages/sent", Text(packets_out)},
      {"messages/inflight", Text(census.inflight_messages)},
      {"messages/stored", Text(census.queued_messages)},
      {"store/messages/count", Text(census.queued_messages)},
      {"store/messages/bytes", Text(census.queued_bytes)},
      {"publish/messages/received", Text(publishes_in)},
      {"publish/messages/sent", Text(publishes_out)},
      {"publish/messages/dropped", Text(dropped)},
      {"publish/bytes/received", Text(totals.payload_in.value())},
      {"publish/bytes/sent", Text(totals.payload_out.value())},
      {"bytes/received", Text(totals.bytes_in.value())},
      {"bytes/sent", Text(totals.bytes_out.value())},
      {"subscriptions/count", Text(census.transient.subscriptions + census.durable.subscriptions)},
      {"shared_subscriptions/count", Text(census.shared_subscriptions)},
      {"retained messages/count", Text(figures.retained_messages)},
      {"heap/current", Text(figures.memory.resident_bytes)},
      {"heap/maximum", Text(figures.memory.most_resident_bytes)},
  };
  const double minutes =
      static_cast<double>(figures.now - (last_ == 0 ? started_ : last_)) / 60'000.0;
  last_ = figures.now;
  Load* load = loads_.data();
  AddLoad("messages/received", packets_in, minutes, load++, &values);
  AddLoad("messages/sent", packets_out, minutes, load++, &values);
  AddLoad("publish/received", publishes_in, minutes, load++, &values);
  AddLoad("publish/sent", publishes_out, minutes, load++, &values);
  AddLoad("publish/dropped", dropped, minutes, load++, &values);
  AddLoad("bytes/received", totals.bytes_in.value(), minutes, load++, &values);
  AddLoad("bytes/sent", totals.bytes_out.value(), minutes, load++, &values);
  AddLoad("sockets", totals.connections_accepted.value(), minutes, load++, &values);
  AddLoad("connections", totals.packets_in.of_type(1), minutes, load++, &values);
  return values;
}

std::vector<shard::OwnMessage> SysReport::Make(const SysFigures& figures, TimeMs interval) {
  std::vector<shard::OwnMessage> messages;
  for (const auto& [name, payload] : ValuesOf(figures)) {
    for (const bool everywhere : {false, true}) {
      const std::string topic =
          everywhere ? "$SYS/brokers/" + node_ + "/" + name : "$SYS/broker/" + name;
      messages.push_back({Message(topic, payload, false, figures.now, interval),
                          Message(topic, payload, true, figures.now, interval), everywhere});
    }
  }
  return messages;
}

}  // namespace skein::metrics
