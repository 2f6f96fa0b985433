#include "broker/session/outbound.h"

#include <algorithm>
#include <utility>

namespace skein::session {
namespace {

PacketId After(PacketId id) {
  return id == UINT16_MAX ? 1 : static_cast<PacketId>(id + 1);
}

// Steps from `first` to `id` when ids run 1..65535 and then again from 1.
size_t Distance(PacketId first, PacketId id) {
  return id >= first ? static_cast<size_t>(id - first) : static_cast<size_t>(65535 - first + id);
}

}  // namespace

Outbound::InFlight& Outbound::Send(Delivery delivery) {
  InFlight entry;
  entry.delivery = std::move(delivery);
  entry.id = next_id_;
  entry.state = State::kPublished;
  next_id_ = After(next_id_);
  ++unfinished_;
  ++outstanding_;
  window_.push_back(std::move(entry));
  next_to_send_ = End();
  return window_.back();
}

void Outbound::Rewind() {
  next_to_send_ = first_;
  outstanding_ = 0;
}

Outbound::InFlight* Outbound::NextToResend(size_t window) {
  while (next_to_send_ < End() && outstanding_ < window) {
    InFlight& entry = window_[next_to_send_++ - first_];
    if (entry.state == State::kDone) continue;
    ++outstanding_;
    return &entry;
  }
  return nullptr;
}

Finished Outbound::Discard(InFlight* entry) {
  return Finish(entry);
}

void Outbound::Restore(Delivery delivery, PacketId id, State state) {
  while (!window_.empty() && next_id_ != id && window_.size() < kMaxSpan) {
    InFlight gap;
    gap.id = next_id_;
    window_.push_back(std::move(gap));
    next_id_ = After(next_id_);
  }
  InFlight entry;
  entry.delivery = std::move(delivery);
  entry.id = id;
  entry.state = state;
  window_.push_back(std::move(entry));
  next_id_ = After(id);
  ++unfinished_;
}

Outbound::InFlight* Outbound::Find(PacketId id) {
  if (window_.empty() || id == 0) return nullptr;
  const size_t index = Distance(window_.front().id, id);
  if (index >= window_.size()) return nullptr;
  InFlight* entry = &window_[index];
  return entry->state == State::kDone ? nullptr : entry;
}

Finished Outbound::Finish(InFlight* entry) {
  const Finished finished{entry->delivery.sequence, entry->delivery.lsn, entry->delivery.cost};
  entry->state = State::kDone;
  entry->delivery = Delivery();
  --unfinished_;
  const auto ordinal = first_ + Distance(window_.front().id, entry->id);
  if (ordinal < next_to_send_) --outstanding_;
  while (!window_.empty() && window_.front().state == State::kDone) {
    window_.pop_front();
    ++first_;
  }
  next_to_send_ = std::max(next_to_send_, first_);
  return finished;
}

Outbound::AckResult Outbound::OnPuback(PacketId id, Finished* finished) {
  InFlight* entry = Find(id);
  if (entry == nullptr) return AckResult::kUnknown;
  if (entry->delivery.qos != Qos::kAtLeastOnce) return AckResult::kMismatch;
  *finished = Finish(entry);
  return AckResult::kOk;
}

Outbound::AckResult Outbound::OnPubrec(PacketId id, bool error, Finished* finished) {
  InFlight* entry = Find(id);
  if (entry == nullptr) return AckResult::kUnknown;
  if (entry->delivery.qos != Qos::kExactlyOnce) return AckResult::kMismatch;
  if (error) {
    *finished = Finish(entry);
    return AckResult::kOk;
  }
  entry->state = State::kReleased;  // also on a repeated PUBREC: PUBREL is sent again
  entry->delivery.message = mqtt::MessagePtr();
  return AckResult::kOk;
}

Outbound::AckResult Outbound::OnPubcomp(PacketId id, Finished* finished) {
  InFlight* entry = Find(id);
  if (entry == nullptr) return AckResult::kUnknown;
  if (entry->state != State::kReleased) return AckResult::kMismatch;
  *finished = Finish(entry);
  return AckResult::kOk;
}

QueueResult Outbound::Room(const mqtt::Message& message, const QueueBounds& bounds,
                           const QueueBudget& budget) const {
  const uint64_t cost = message.cost();
  if (queue_.size() >= bounds.messages) return QueueResult::kFull;
  if (queued_bytes_ + cost > bounds.bytes) return QueueResult::kFullBytes;
  if (budget.used + cost > budget.maximum) return QueueResult::kFullTotal;
  return QueueResult::kQueued;
}

void Outbound::Enqueue(Delivery delivery, QueueBudget* budget) {
  queued_bytes_ += delivery.cost;
  budget->used += delivery.cost;
  queue_.push_back(std::move(delivery));
}

Delivery Outbound::TakeFront(QueueBudget* budget) {
  Delivery delivery = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= delivery.cost;
  budget->used -= delivery.cost;
  return delivery;
}

Outbound::Contents Outbound::contents() const {
  Contents sum;
  const auto count = [&sum](const Delivery& delivery) {
    ++sum.messages;
    sum.bytes += delivery.cost;
    if (sum.first_sequence == 0) sum.first_sequence = delivery.sequence;
    sum.last_sequence = delivery.sequence;
  };
  for (size_t i = 0; i < window_.size(); ++i) {
    if (window_[i].state != State::kDone) count(window_[i].delivery);
  }
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (i == 0) sum.first_waiting = queue_[i].sequence;
    count(queue_[i]);
  }
  return sum;
}

void Outbound::ClearQueue(QueueBudget* budget) {
  budget->used -= queued_bytes_;
  queued_bytes_ = 0;
  queue_.clear();
}

template <typename Pick>
void Outbound::TakeQueued(Pick pick, QueueBudget* budget, std::vector<Delivery>* taken) {
  for (size_t left = queue_.size(); left > 0; --left) {
    Delivery delivery = TakeFront(budget);
    if (pick(delivery)) {
      taken->push_back(std::move(delivery));
    } else {
      Enqueue(std::move(delivery), budget);
    }
  }
}

std::vector<Delivery> Outbound::TakeWaiting(std::string_view group, QueueBudget* budget) {
  std::vector<Delivery> taken;
  const auto pick = [group](const Delivery& each) { return each.share.text() == group; };
  TakeQueued(pick, budget, &taken);
  return taken;
}

std::vector<Delivery> Outbound::TakeShared(QueueBudget* budget) {
  std::vector<Delivery> taken;
  for (size_t i = window_.size(); i > 0; --i) {  // the first of the window goes when it is done
    InFlight& entry = window_[i - 1];
    if (entry.state != State::kPublished || entry.delivery.qos != Qos::kAtLeastOnce ||
        !entry.delivery.share)
      continue;
    taken.push_back(std::move(entry.delivery));
    Finish(&entry);
  }
  std::reverse(taken.begin(), taken.end());
  TakeQueued([](const Delivery& each) { return bool{each.share}; }, budget, &taken);
  return taken;
}

}  // namespace skein::session
