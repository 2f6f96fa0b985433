#include "broker/shard/tables.h"

#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "broker/base/check.h"

namespace skein::shard {

Connection& ConnectionTable::Open() {
  ConnectionSlot slot;
  if (free_.empty()) {
    slot = static_cast<ConnectionSlot>(connections_.size());
    connections_.emplace_back(slot);
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  ++size_;
  Connection& connection = connections_[slot];
  connection.state = Connection::State::kAwaitConnect;
  return connection;
}

void ConnectionTable::Free(Connection& connection) {
  SKEIN_CHECK(connection.out.empty());
  SKEIN_CHECK(!connection.timer.scheduled());
  const ConnectionSlot slot = connection.slot;
  const uint32_t generation = connection.generation + 1;
  std::destroy_at(&connection);
  std::construct_at(&connection, slot);
  connection.generation = generation;
  free_.push_back(slot);
  --size_;
}

Connection* ConnectionTable::Find(ConnectionSlot slot, uint32_t generation) {
  if (slot >= connections_.size()) return nullptr;
  Connection& connection = connections_[slot];
  if (connection.generation != generation || connection.state == Connection::State::kFree)
    return nullptr;
  return &connection;
}

size_t SessionTable::Hash::operator()(std::string_view client_id) const {
  return absl::Hash<absl::string_view>()(absl::string_view(client_id.data(), client_id.size()));
}

size_t SessionTable::Hash::operator()(SessionSlot slot) const {
  return (*this)((*sessions)[slot]->client_id());
}

std::string_view SessionTable::Equal::Text(SessionSlot slot) const {
  return (*sessions)[slot]->client_id();
}

session::Session& SessionTable::Create(std::string client_id) {
  SessionSlot slot;
  if (free_.empty()) {
    slot = static_cast<SessionSlot>(sessions_.size());
    sessions_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  sessions_[slot] = std::make_unique<session::Session>(std::move(client_id), slot, next_token_++);
  index_.insert(slot);
  return *sessions_[slot];
}

void SessionTable::Erase(session::Session& session) {
  SKEIN_CHECK(session.subscriptions.empty());
  SKEIN_CHECK(!session.timer().scheduled());
  const SessionSlot slot = session.slot();
  index_.erase(slot);
  sessions_[slot].reset();
  free_.push_back(slot);
}

session::Session* SessionTable::Find(std::string_view client_id) {
  const auto found = index_.find(client_id);
  return found == index_.end() ? nullptr : sessions_[*found].get();
}

session::Session* SessionTable::Find(const SessionRef& ref) {
  if (ref.slot >= sessions_.size()) return nullptr;
  session::Session* session = sessions_[ref.slot].get();
  return session != nullptr && session->token() == ref.token ? session : nullptr;
}

const session::Session* SessionTable::Find(std::string_view client_id) const {
  return const_cast<SessionTable*>(this)->Find(client_id);
}

const session::Session* SessionTable::Find(const SessionRef& ref) const {
  return const_cast<SessionTable*>(this)->Find(ref);
}

}  // namespace skein::shard
