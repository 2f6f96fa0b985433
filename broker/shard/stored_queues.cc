#include "broker/shard/stored_queues.h"

#include <algorithm>
#include <utility>

#include "broker/shard/tracing.h"

namespace skein::shard {

using session::Outbound;
using session::Session;
using session::StoredQueue;

bool StoredQueues::MustStore(const Session& session) const {
  if (!session.connected() || session.stored.messages > 0) return true;
  const Outbound* outbound = session.outbound_if_any();
  return outbound != nullptr && (outbound->queued() >= state_.limits.queue_page_messages ||
                                 outbound->queued_bytes() >= state_.limits.queue_page_bytes);
}

void StoredQueues::Add(Session* session, const session::Delivery& delivery, session::Lsn lsn) {
  StoredQueue& stored = session->stored;
  if (stored.messages == 0) {
    stored.next = delivery.sequence;
    stored.oldest = delivery.sequence;
    stored.since = state_.now;
  }
  ++stored.messages;
  stored.bytes += delivery.cost;
  stored.last_lsn = lsn;
  state_.budget.used += delivery.cost;
}

void StoredQueues::Uncount(StoredQueue* stored, uint64_t cost) {
  cost = std::min(cost, stored->bytes);
  stored->bytes -= cost;
  state_.budget.used -= cost;
  if (stored->messages > 0) --stored->messages;
}

bool StoredQueues::DropOldest(Session* session) {
  Outbound* outbound = session->outbound_if_any();
  if (outbound != nullptr && !outbound->queue_empty()) {
    const session::Delivery oldest = outbound->TakeFront(&state_.budget);
    if (state_.tracer.on()) [[unlikely]]
      TraceDrop(state_, DropReason::kQueueFull, *session, *oldest.message);
    state_.RecordFinished(*session, {oldest.sequence, oldest.lsn, oldest.cost});
    return true;
  }
  StoredQueue& stored = session->stored;
  if (stored.messages == 0 || stored.oldest > session->last_sequence()) return false;
  // What the message costs only the store knows; the sum is exact again once the queue was read.
  const uint64_t cost = stored.bytes / stored.messages;
  if (state_.tracer.on()) [[unlikely]] {
    TraceClient(state_, trace::Step::kDropped, session->client_id(), nullptr,
                "the oldest message of the queue, which is full: limits.queue_drop is oldest");
  }
  if (stored.next == stored.oldest) ++stored.next;
  ++stored.oldest;
  stored.last_lsn =
      state_.Record(*session, session::DroppedOldest{stored.oldest, 1, cost}, nullptr);
  Uncount(&stored, cost);
  return true;
}

void StoredQueues::Unload(Session* session) {
  StoredQueue& stored = session->stored;
  stored.read = 0;
  const Outbound* outbound = session->outbound_if_any();
  if (outbound == nullptr) return;
  const Outbound::Contents contents = outbound->contents();
  if (contents.messages > 0) {
    if (stored.messages == 0) stored.since = state_.now;
    if (!outbound->queue_empty())
      stored.since = std::min(stored.since, outbound->front().message->received_at());
    if (contents.first_waiting != 0) {
      stored.oldest = contents.first_waiting;
    } else if (stored.messages == 0) {
      stored.oldest = contents.last_sequence + 1;
    }
    stored.next = contents.first_sequence;
    stored.messages += contents.messages;
    stored.bytes += contents.bytes;
    state_.budget.used += contents.bytes;
  }
  stored.last_lsn = state_.last_lsn;
  session->DropOutbound(&state_.budget);
}

uint64_t StoredQueues::Forget(Session* session) {
  StoredQueue& stored = session->stored;
  uint64_t lost = stored.messages;
  state_.budget.used -= stored.bytes;
  stored = StoredQueue();
  if (const Outbound* outbound = session->outbound_if_any()) lost += outbound->queued();
  session->DropOutbound(&state_.budget);
  return lost;
}

void StoredQueues::Fetch(Session* session) {
  StoredQueue& stored = session->stored;
  if (stored.messages == 0 || stored.read != 0) return;
  const Outbound* outbound = session->outbound_if_any();
  if (outbound != nullptr && outbound->queued() > state_.limits.queue_page_messages / 2) return;
  session::QueueRead request;
  request.key = session->key;
  request.token = next_read_++;
  request.from = stored.next;
  request.max_messages = state_.limits.queue_page_messages;
  request.max_bytes = state_.limits.queue_page_bytes;
  request.after = stored.last_lsn;
  stored.read = request.token;
  reads_[request.token] = {SessionRef{session->slot(), session->token()}, request.after};
  state_.ports.store->ReadQueue(request);
}

Session* StoredQueues::Take(session::QueuePage* page) {
  const auto found = reads_.find(page->token);
  if (found == reads_.end()) return nullptr;
  const Read read = found->second;
  reads_.erase(found);
  Session* session = state_.sessions.Find(read.session);
  if (session == nullptr || session->stored.read != page->token) return nullptr;
  StoredQueue& stored = session->stored;
  stored.read = 0;
  for (session::StoredDelivery& entry : page->entries)
    TakeEntry(session, &entry);
  stored.next = page->next;
  if (page->end && stored.last_lsn <= read.after) {
    // What is still counted was an estimate.
    state_.budget.used -= stored.bytes;
    stored.messages = 0;
    stored.bytes = 0;
  } else if (stored.messages == 0) {
    stored.messages = 1;  // there is more, whatever the count says
  }
  return session;
}

void StoredQueues::TakeEntry(Session* session, session::StoredDelivery* entry) {
  Uncount(&session->stored, entry->cost);
  session::Delivery delivery;
  delivery.message = std::move(entry->message);
  delivery.ids = session::SubscriptionIds(entry->subscription_ids);
  delivery.qos = entry->qos;
  delivery.retain = entry->retain;
  delivery.cost = static_cast<uint32_t>(entry->cost);
  delivery.sequence = entry->sequence;
  delivery.share = std::move(entry->share);
  if (entry->packet_id != 0) {
    session->outbound().Restore(
        std::move(delivery), entry->packet_id,
        entry->released ? Outbound::State::kReleased : Outbound::State::kPublished);
    return;
  }
  session->stored.oldest = entry->sequence + 1;
  session->stored.since = std::max(session->stored.since, delivery.message->received_at());
  session->outbound().Enqueue(std::move(delivery), &state_.budget);
}

}  // namespace skein::shard
