#include "broker/shard/redispatch.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace skein::shard {

using session::Delivery;
using session::Outbound;
using session::Session;

bool Redispatcher::TakeOver(Session* session) {
  if (!session->shares) return false;
  if (!session->recorded()) {
    if (Outbound* const outbound = session->outbound_if_any())
      Keep(outbound->TakeShared(&state_.budget));
    return false;
  }
  stored_.Unload(session);
  if (session->stored.messages == 0) return false;
  // From here on it is a queue without a session, see Restore().
  state_.Record(*session, session::Disconnected{state_.now, 0, kNever}, nullptr);
  queues_.push_back({session->key, session->stored.next, state_.last_lsn});
  woken_ = true;
  return true;
}

void Redispatcher::OnUnsubscribed(Session* session, std::string_view filter) {
  Outbound* const outbound = session->outbound_if_any();
  // Where nobody else is left it may as well have what waits.
  if (outbound == nullptr || session->recorded() || !dispatcher_.HasMembers(filter)) return;
  Keep(outbound->TakeWaiting(filter, &state_.budget));
}

bool Redispatcher::Restore(const session::SessionImage& image) {
  if (image.disconnected_at == kNever || image.expiry_seconds != 0) return false;
  queues_.push_back({image.key, image.first_sequence, 0});
  state_.last_session_number = std::max(state_.last_session_number, image.key.number);
  return true;
}

void Redispatcher::Budget(const Item& item) {
  state_.budget.used += item.cost;
  budgeted_ += item.cost;
}

void Redispatcher::Keep(std::vector<Delivery> deliveries) {
  for (Delivery& delivery : deliveries) {
    waiting_.push_back({std::move(delivery.message), std::move(delivery.share), delivery.cost});
    Budget(waiting_.back());
    woken_ = true;
  }
}

bool Redispatcher::Run() {
  woken_ = false;
  for (const Dispatcher::Given& given : dispatcher_.TakeGiven())
    OnGiven(given);
  if (!begun_) return false;
  LookAgain();
  for (size_t left = state_.limits.fanout_slice; left > 0 && !waiting_.empty(); --left) {
    if (!Give()) return false;
  }
  Advance();
  return !waiting_.empty();
}

bool Redispatcher::Give() {
  // Both end by themselves: an answer comes, the partition has moved.
  if (under_way_.size() >= kUnderWay || dispatcher_.MustHold(waiting_.front().message->topic()))
    return false;
  Item item = std::move(waiting_.front());
  waiting_.pop_front();
  if (item.message->expired(state_.now)) {
    Drop(item, DropReason::kExpired);
    return true;
  }
  const uint64_t id = ++last_number_ | Dispatcher::kGivenBit;
  const Dispatcher::Reach reach = dispatcher_.GiveToGroup(item.message, item.group, id);
  // Within the node it leaves one queue and enters the other in one commit.
  if (reach == Dispatcher::Reach::kNode && item.sequence != 0) {
    Release(item);
    item.sequence = 0;
    Budget(item);
  }
  dispatcher_.EndPublish();
  if (reach == Dispatcher::Reach::kNobody) {
    Drop(item, DropReason::kSessionEnded);
  } else if (reach == Dispatcher::Reach::kAway) {
    away_.push_back(std::move(item));
  } else {
    under_way_.emplace(id, std::move(item));
  }
  return true;
}

void Redispatcher::OnGiven(const Dispatcher::Given& given) {
  const auto found = under_way_.find(given.id);
  if (found == under_way_.end()) return;
  Item item = std::move(found->second);
  under_way_.erase(found);
  if (!given.refused) {
    state_.stats.messages_redispatched.Add();
    Release(item);
  } else if (++item.attempts < kAttempts) {
    waiting_.push_back(std::move(item));
  } else {
    Drop(item, DropReason::kSessionEnded);
  }
}

void Redispatcher::Release(const Item& item) {
  if (item.sequence == 0) {
    state_.budget.used -= item.cost;
    budgeted_ -= item.cost;
    return;
  }
  --open_;
  state_.last_lsn = state_.ports.store->Append(
      queues_.front().key, session::Completed{item.sequence, item.cost}, state_.commit_group);
}

void Redispatcher::Drop(const Item& item, DropReason reason) {
  state_.stats.Drop(reason);
  Release(item);
}

void Redispatcher::LookAgain() {
  const uint64_t routes = state_.routes.version();
  if (!away_.empty() && (routes != routes_ || !state_.owners_missing)) {
    std::move(away_.begin(), away_.end(), std::back_inserter(waiting_));
    away_.clear();
  }
  routes_ = routes;
}

void Redispatcher::Advance() {
  while (!queues_.empty() && !reading_) {
    StoredQueue& queue = queues_.front();
    if (!read_all_) {
      if (!waiting_.empty()) return;  // the next page can wait
      reading_ = true;
      state_.ports.store->ReadQueue({queue.key, kPageBit, queue.next,
                                     state_.limits.queue_page_messages,
                                     state_.limits.queue_page_bytes, queue.after});
      return;
    }
    if (open_ > 0) return;
    state_.last_lsn = state_.ports.store->Append(queue.key, session::Ended{});
    queues_.pop_front();
    read_all_ = false;
  }
}

void Redispatcher::OnPage(session::QueuePage* page) {
  if (!reading_ || queues_.front().key != page->key) return;
  reading_ = false;
  woken_ = true;
  read_all_ = page->end;
  queues_.front().next = page->next;
  for (session::StoredDelivery& entry : page->entries) {
    if (entry.released) continue;
    const bool begun = entry.packet_id != 0 && entry.qos == Qos::kExactlyOnce;
    if (!entry.share || begun) {
      state_.stats.Drop(DropReason::kSessionEnded);
      continue;
    }
    ++open_;
    waiting_.push_back({std::move(entry.message), std::move(entry.share),
                        static_cast<uint32_t>(entry.cost), 0, entry.sequence});
  }
}

}  // namespace skein::shard
