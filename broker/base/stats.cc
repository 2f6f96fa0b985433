#include "broker/base/stats.h"

namespace skein {
namespace {

template <typename T>
void Up(T* to, const T& from) {
  to->Merge(from);
}
template <typename T, size_t N>
void Up(std::array<T, N>* to, const std::array<T, N>& from) {
  for (size_t i = 0; i < N; ++i)
    (*to)[i].Merge(from[i]);
}
template <typename Enum, size_t N>
void Up(CountersBy<Enum, N>* to, const CountersBy<Enum, N>& from) {
  for (size_t i = 0; i < N; ++i)
    (*to)[i].Merge(from[i]);
}

// 0: there is none.
void Earliest(Gauge* to, const Gauge& from) {
  if (from.value() != 0 && (to->value() == 0 || from.value() < to->value())) to->Set(from.value());
}

}  // namespace

void PacketCounters::Merge(const PacketCounters& other) {
  Up(&by_first_byte_, other.by_first_byte_);
}

uint64_t PacketCounters::publishes(size_t qos) const {
  // Without and with RETAIN, and the same with DUP.
  const size_t first = 0x30 | qos << 1;
  return Sum(first, 2) + Sum(first | 0x08, 2);
}

uint64_t PacketCounters::Sum(size_t first, size_t count) const {
  uint64_t sum = 0;
  for (size_t i = first; i < first + count; ++i)
    sum += by_first_byte_[i].value();
  return sum;
}

void ListenerStats::Merge(const ListenerStats& other) {
  Up(&accepted, other.accepted);
  Up(&shed, other.shed);
  Up(&authentications, other.authentications);
  Up(&connected, other.connected);
}

void ShardStats::Merge(const ShardStats& other) {
  const auto up = [&](auto... member) { (Up(&(this->*member), other.*member), ...); };
  using S = ShardStats;
  up(&S::bytes_in, &S::bytes_out, &S::packets_in, &S::packets_out, &S::payload_in, &S::payload_out,
     &S::publish_ack, &S::publish_deliver, &S::loop_lag, &S::forwarded_in, &S::forwarded_out);
  up(&S::connections_accepted, &S::connections_closed, &S::connections_refused,
     &S::transport_failures, &S::connect_timeouts, &S::keep_alive_timeouts, &S::takeovers,
     &S::sessions_expired, &S::disconnects, &S::sessions, &S::subscriptions, &S::relays);
  up(&S::messages_dropped, &S::limit_hits, &S::refusals, &S::auth_refused, &S::access_refused,
     &S::publish_allowed, &S::subscribe_allowed, &S::mailbox_full, &S::publish_rate_limited,
     &S::reads_paused, &S::wills_sent, &S::messages_redispatched);
  up(&S::outbox_messages, &S::outbox_bytes, &S::outbox_stored, &S::outbox_sent,
     &S::route_divergence, &S::retained_divergence, &S::trace_events, &S::trace_events_lost,
     &S::handovers_out, &S::handovers_in, &S::handovers_failed, &S::handover);
  Earliest(&heartbeat, other.heartbeat);
  Earliest(&outbox_since, other.outbox_since);
  route_lag.Set(std::max(route_lag.value(), other.route_lag.value()));
  listeners.resize(std::max(listeners.size(), other.listeners.size()));
  for (size_t i = 0; i < other.listeners.size(); ++i)
    listeners[i].Merge(other.listeners[i]);
}

}  // namespace skein
