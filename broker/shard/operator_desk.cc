#include "broker/shard/operator_desk.h"

#include <utility>

namespace skein::shard {
namespace {

constexpr uint64_t kMostPeekedBytes = 4u << 20;
constexpr const char* kWhy = "an operator has ended the connection";

}  // namespace

OperatorDesk::Result OperatorDesk::Kick(std::string_view client_id) {
  const session::Session* const session = state_.sessions.Find(client_id);
  if (session == nullptr || !session->connected()) return Result::kUnknown;
  lifecycle_.Close(state_.connections[session->connection], mqtt::ReasonCode::kAdministrativeAction,
                   kWhy);
  return Result::kDone;
}

OperatorDesk::Result OperatorDesk::EndSession(std::string_view client_id, session::Lsn* lsn) {
  session::Session* session = state_.sessions.Find(client_id);
  if (session == nullptr) return Result::kUnknown;
  if (Moves(*session)) return Result::kMoving;
  Kick(client_id);
  session = state_.sessions.Find(client_id);  // a transient one has ended with its connection
  if (session != nullptr) lifecycle_.Delete(*session);
  *lsn = state_.last_lsn;
  return Result::kDone;
}

std::shared_ptr<OperatorDesk::Publication> OperatorDesk::Publish(const mqtt::MessagePtr& message) {
  auto publication = std::make_shared<Publication>();
  Gate gate;
  uint64_t token = 0;
  const bool waits = message->qos() > Qos::kAtMostOnce || message->retain();
  const Dispatcher::Outcome outcome = dispatcher_.Publish(message, waits ? &gate : nullptr, &token);
  dispatcher_.EndPublish();
  publication->matched = outcome.matched;
  publication->retained_full = outcome.retained_full;
  publication->refused = gate.refused;
  publication->lsn = gate.lsn;
  if (gate.destinations == 0) return publication;
  publication->answered = false;
  dispatcher_.Notify(token, [publication](bool refused) {
    publication->refused |= refused;
    publication->answered = true;
  });
  return publication;
}

std::shared_ptr<OperatorDesk::Publication> OperatorDesk::Keep(const mqtt::MessagePtr& message) {
  auto publication = std::make_shared<Publication>();
  Gate gate;
  publication->retained_full = !dispatcher_.Keep(message, &gate);
  publication->refused = gate.refused;
  publication->lsn = gate.lsn;
  return publication;
}

// A durable session's messages are all in the store, also those in memory.
std::shared_ptr<OperatorDesk::Peek> OperatorDesk::Look(std::string_view client_id, size_t limit,
                                                       bool* busy) {
  const session::Session* const session = state_.sessions.Find(client_id);
  if (session == nullptr) return nullptr;
  auto peek = std::make_shared<Peek>();
  const session::Outbound* const outbound = session->outbound_if_any();
  if (!session->recorded()) {
    peek->done = true;
    if (outbound == nullptr) return peek;
    outbound->ForEach([&](const session::Delivery& delivery, PacketId id) {
      session::StoredDelivery& each = peek->messages.emplace_back();
      each.message = delivery.message;
      each.qos = delivery.qos;
      each.retain = delivery.retain;
      each.packet_id = id;
      return peek->messages.size() < limit;
    });
    return peek;
  }
  *busy = peeks_.size() >= kPeeks;
  if (*busy) return nullptr;
  session::QueueRead read;
  read.key = session->key;
  read.token = kPageBit | ++next_peek_;
  read.from = session->stored.next;
  if (outbound != nullptr && outbound->contents().first_sequence != 0)
    read.from = outbound->contents().first_sequence;
  read.max_messages = static_cast<uint32_t>(limit);
  read.max_bytes = kMostPeekedBytes;
  read.after = state_.last_lsn;
  peeks_[read.token] = peek;
  state_.ports.store->ReadQueue(read);
  return peek;
}

void OperatorDesk::OnPage(session::QueuePage* page) {
  const auto found = peeks_.find(page->token);
  if (found == peeks_.end()) return;
  found->second->messages = std::move(page->entries);
  found->second->done = true;
  peeks_.erase(found);
}

}  // namespace skein::shard
