#include "broker/shard/client_scan.h"

#include <algorithm>
#include <iterator>

#include "broker/shard/state.h"

namespace skein::shard {
namespace {

using session::Session;

uint64_t QueuedOf(const Session& session) {
  const session::Outbound* const outbound = session.outbound_if_any();
  return session.stored.messages + (outbound == nullptr ? 0 : outbound->queued());
}

uint64_t QueuedBytesOf(const Session& session) {
  const session::Outbound* const outbound = session.outbound_if_any();
  return session.stored.bytes + (outbound == nullptr ? 0 : outbound->queued_bytes());
}

const Connection* ConnectionOf(const Session& session, const ShardState& state) {
  return session.connected() ? &state.connections[session.connection] : nullptr;
}

NodeNumber NodeOf(const Connection& connection, const ShardState& state) {
  return connection.edge == Connection::kHere ? state.options.node : state.NodeOf(connection.edge);
}

std::string_view UserNameOf(const Session& session) {
  return session.principal == nullptr ? std::string_view() : session.principal->user_name;
}

}  // namespace

ClientRow RowOf(const Session& session, const ShardState& state) {
  ClientRow row;
  row.client_id = session.client_id();
  row.version = session.version;
  row.user_name = UserNameOf(session);
  row.durable = session.durable();
  row.expiry_seconds = session.expiry_seconds;
  row.subscriptions = session.subscriptions.size();
  row.queued_messages = QueuedOf(session);
  row.queued_bytes = QueuedBytesOf(session);
  if (session.outbound_if_any() != nullptr) row.inflight = session.outbound_if_any()->in_flight();
  const Connection* const connection = ConnectionOf(session, state);
  if (connection == nullptr) return row;
  row.connected = true;
  row.node = NodeOf(*connection, state);
  row.listener = state.options.listeners[connection->listener].name;
  row.keep_alive = connection->keep_alive;
  row.connected_at = connection->connected_at;
  row.address = state.ports.peer(*connection).name;
  return row;
}

bool ClientScan::Step(const ShardState& state) {
  if (!found_all_) {
    const size_t end = std::min(slot_ + kSlice, state.sessions.slots());
    for (; slot_ < end; ++slot_) {
      const Session* const session = state.sessions.At(static_cast<SessionSlot>(slot_));
      if (session != nullptr && Wanted(*session, state)) Add(*session);
    }
    found_all_ = slot_ >= state.sessions.slots();
    return found_all_ && found_.empty();
  }
  for (size_t i = 0; i < kRowsASlice && !found_.empty(); ++i) {
    const Session* const session = state.sessions.Find(found_.begin()->second);
    if (session != nullptr) list_.rows.push_back(RowOf(*session, state));
    found_.erase(found_.begin());
  }
  return found_.empty();
}

bool ClientScan::Wanted(const Session& session, const ShardState& state) const {
  if (query_.connected && *query_.connected != session.connected()) return false;
  if (!session.client_id().starts_with(query_.prefix)) return false;
  if (!query_.after.empty() && session.client_id() <= query_.after) return false;
  if (query_.longest_queue_first && QueuedOf(session) == 0) return false;
  if (query_.user_name && *query_.user_name != UserNameOf(session)) return false;
  if (!query_.listener && !query_.node) return true;
  const Connection* const connection = ConnectionOf(session, state);
  if (connection == nullptr) return false;
  if (query_.node && *query_.node != NodeOf(*connection, state)) return false;
  return !query_.listener || *query_.listener == state.options.listeners[connection->listener].name;
}

void ClientScan::Add(const Session& session) {
  const uint64_t order = query_.longest_queue_first ? UINT64_MAX - QueuedOf(session) : 0;
  const bool full = found_.size() >= query_.limit;
  if (full) {
    const Key& last = std::prev(found_.end())->first;
    list_.more = true;
    if (std::tie(last.first, last.second) <= std::tie(order, session.client_id())) return;
    found_.erase(std::prev(found_.end()));
  }
  found_.emplace(Key(order, session.client_id()), SessionRef{session.slot(), session.token()});
}

bool SubscriptionScan::Step(const ShardState& state) {
  if (query_.client_id) {
    const Session* const session = state.sessions.Find(*query_.client_id);
    if (session != nullptr) Look(*session, state);
    return true;
  }
  for (size_t looked = 0; looked < kSlice && slot_ < state.sessions.slots(); ++slot_) {
    const Session* const session = state.sessions.At(static_cast<SessionSlot>(slot_));
    looked += 1 + (session == nullptr ? 0 : Look(*session, state));
  }
  return slot_ >= state.sessions.slots();
}

size_t SubscriptionScan::Look(const Session& session, const ShardState& state) {
  if (session.client_id() < query_.after.first) return 0;
  const routing::SubscriptionTable& table = state.subscriptions;
  if (query_.filter) {
    const auto found = session.subscriptions.find(table.Find(*query_.filter));
    if (found != session.subscriptions.end())
      Add(session, *query_.filter, table.options(found->second));
    return 1;
  }
  for (const auto& [filter, handle] : session.subscriptions)
    Add(session, table.text(filter), table.options(handle));
  return session.subscriptions.size();
}

void SubscriptionScan::Add(const Session& session, std::string_view filter,
                           const routing::SubscriptionOptions& options) {
  const auto key = std::pair<std::string_view, std::string_view>(session.client_id(), filter);
  if (key <= std::pair<std::string_view, std::string_view>(query_.after)) return;
  if (found_.size() >= query_.limit) {
    more_ = true;
    const Key& last = std::prev(found_.end())->first;
    if (std::pair<std::string_view, std::string_view>(last) <= key) return;
    found_.erase(std::prev(found_.end()));
  }
  found_.emplace(Key(key.first, key.second), options);
}

SubscriptionList SubscriptionScan::Take() {
  SubscriptionList list;
  list.more = more_;
  for (const auto& [key, options] : found_)
    list.rows.push_back({key.first, key.second, options});
  return list;
}

}  // namespace skein::shard
