// The rules of a queue.
#include "storage/rocksdb/session_row.h"

#include <algorithm>
#include <iterator>

namespace skein::storage {
namespace {

template <typename Iterator>
Iterator FromSequence(Iterator begin, Iterator end, uint64_t sequence) {
  return std::lower_bound(begin, end, sequence, [](const SentMessage& each, uint64_t value) {
    return each.sequence < value;
  });
}

}  // namespace

const SentMessage* SentList::LowerBound(uint64_t sequence) const {
  return FromSequence(begin(), end(), sequence);
}

SentMessage* SentList::Find(uint64_t sequence) {
  const SentMessage* found = LowerBound(sequence);
  if (found == end() || found->sequence != sequence) return nullptr;
  return entries_.data() + (found - entries_.data());
}

void SentList::Insert(const SentMessage& entry) {
  if (empty() || entries_.back().sequence < entry.sequence) {
    entries_.push_back(entry);
    return;
  }
  entries_.insert(entries_.begin() + (LowerBound(entry.sequence) - entries_.data()), entry);
}

bool SentList::Remove(uint64_t sequence) {
  const SentMessage* found = LowerBound(sequence);
  if (found == end() || found->sequence != sequence) return false;
  if (found != begin()) {
    entries_.erase(entries_.begin() + (found - entries_.data()));
    return true;
  }
  // Moves the rest to the front only when half of it is gone: constant cost on average.
  if (++head_ * 2 >= entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  return true;
}

bool SessionRow::Enqueue(uint64_t sequence, PacketId packet_id, uint64_t cost, uint64_t body) {
  if (sequence <= queue.last_sequence) return false;
  if (queued_messages == 0) {
    queue.first_sequence = sequence;
  } else {
    // What lies between never came, or was acknowledged before it was written.
    queue.gone.Add(queue.last_sequence + 1, sequence - 1);
  }
  queue.last_sequence = sequence;
  ++queued_messages;
  queued_bytes += cost;
  if (body != 0) may_share_bodies = true;
  if (packet_id != 0) {
    queue.sent.Insert({sequence, packet_id, /*released=*/false, /*body_known=*/true, body});
    last_sent = sequence;
  }
  return true;
}

bool SessionRow::Send(uint64_t sequence, PacketId packet_id) {
  if (!queue.Queued(sequence)) return false;
  if (SentMessage* entry = queue.sent.Find(sequence); entry != nullptr) {
    entry->packet_id = packet_id;
    return true;
  }
  queue.sent.Insert({sequence, packet_id});
  last_sent = std::max(last_sent, sequence);
  return true;
}

bool SessionRow::Release(uint64_t sequence) {
  SentMessage* entry = queue.sent.Find(sequence);
  if (entry == nullptr) return false;
  entry->released = true;
  return true;
}

bool SessionRow::Complete(uint64_t sequence, uint64_t cost, uint64_t* body) {
  *body = 0;
  if (!queue.Queued(sequence)) return false;
  const SentMessage* sent = queue.sent.Find(sequence);
  const bool body_known = sent != nullptr && sent->body_known;
  if (body_known) *body = sent->body;
  (body_known ? doomed : garbage).Add(sequence);
  queue.sent.Remove(sequence);
  TakeOff({sequence, sequence}, cost);
  return true;
}

bool SessionRow::DropOldest(uint64_t below, uint64_t cost) {
  if (below <= queue.first_sequence) return false;
  const auto runs = QueuedRuns(queue.first_sequence, std::min(below - 1, queue.last_sequence),
                               /*with_sent=*/false);
  for (const Interval& run : runs) {
    garbage.Add(run.first, run.last);
    TakeOff(run, cost);
    cost = 0;
  }
  return !runs.empty();
}

void SessionRow::End() {
  SessionRow left;
  left.garbage = std::move(garbage);
  left.doomed = std::move(doomed);
  left.may_share_bodies = may_share_bodies;
  for (const Interval& run :
       QueuedRuns(queue.first_sequence, queue.last_sequence, /*with_sent=*/true)) {
    left.garbage.Add(run.first, run.last);
  }
  *this = std::move(left);
}

std::vector<Interval> SessionRow::QueuedRuns(uint64_t from, uint64_t to, bool with_sent) const {
  std::vector<Interval> runs;
  uint64_t at = queue.gone.NextAbsent(from);
  while (at <= to) {
    uint64_t end = std::min(to + 1, queue.gone.NextPresent(at));  // one past the run
    if (!with_sent) {
      const SentMessage* sent = queue.sent.LowerBound(at);
      if (sent != queue.sent.end() && sent->sequence < end) end = sent->sequence;
    }
    if (at < end) runs.push_back({at, end - 1});
    // A run that a sent message ends goes on behind it.
    const bool at_sent = end <= to && !queue.gone.Contains(end);
    at = queue.gone.NextAbsent(at_sent ? end + 1 : end);
  }
  return runs;
}

void SessionRow::TakeOff(const Interval& run, uint64_t cost) {
  queue.gone.Add(run.first, run.last);
  queued_messages -= std::min(queued_messages, run.count());
  queued_bytes -= std::min(queued_bytes, cost);
  if (queued_messages == 0) queued_bytes = 0;
  queue.first_sequence = queue.gone.NextAbsent(queue.first_sequence);
  queue.gone.RemoveBelow(queue.first_sequence);
}

void SessionRow::TakeInbound(const session::InboundTaken& taken) {
  const auto at = Find(taken.packet_id);
  if (at != inbound.end() && at->packet_id == taken.packet_id) {
    *at = taken;
  } else {
    inbound.insert(at, taken);
  }
}

void SessionRow::ReleaseInbound(PacketId packet_id) {
  const auto at = Find(packet_id);
  if (at != inbound.end() && at->packet_id == packet_id) inbound.erase(at);
}

std::vector<session::InboundTaken>::iterator SessionRow::Find(PacketId packet_id) {
  return std::lower_bound(
      inbound.begin(), inbound.end(), packet_id,
      [](const session::InboundTaken& each, PacketId id) { return each.packet_id < id; });
}

void SessionRow::DoomUnshared() {
  if (may_share_bodies) return;
  for (const Interval& run : garbage.intervals())
    doomed.Add(run.first, run.last);
  garbage.clear();
}

size_t SessionRow::MemoryBytes() const {
  return sizeof(SessionRow) + client_id.size() + will.size() +
         inbound.size() * sizeof(session::InboundTaken) + queue.sent.size() * sizeof(SentMessage) +
         (queue.gone.intervals().size() + garbage.intervals().size()) * sizeof(Interval);
}

}  // namespace skein::storage
