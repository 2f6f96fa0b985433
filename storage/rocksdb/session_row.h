// A session's row: all that is read and changed when a record comes for it.
//
// Purpose: the rules of the queue, apart from where its messages are stored: which sequences are
// queued, which of them were sent, which entries may be deleted. Encodes to and from its form on
// disk. Thread: a plain value. Limits: `sent` is bounded by the client's receive maximum, `gone`
// and `garbage` by about as many runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/types.h"
#include "broker/session/store.h"
#include "storage/rocksdb/interval_set.h"

namespace skein::storage {

struct SentMessage {
  uint64_t sequence = 0;
  PacketId packet_id = 0;
  bool released = false;
  // It was sent when it entered the queue, and `body` is the shared body that it uses; 0: none.
  // Otherwise only its entry knows.
  bool body_known = false;
  uint64_t body = 0;
  bool operator==(const SentMessage&) const = default;
};

// The messages in flight, ascending. Taking the first one away is cheap.
class SentList {
 public:
  const SentMessage* begin() const { return entries_.data() + head_; }
  const SentMessage* end() const { return entries_.data() + entries_.size(); }
  size_t size() const { return entries_.size() - head_; }
  bool empty() const { return size() == 0; }

  // Null: not there. Valid until the list changes.
  SentMessage* Find(uint64_t sequence);
  const SentMessage* Find(uint64_t sequence) const {
    return const_cast<SentList*>(this)->Find(sequence);
  }
  void Insert(const SentMessage& entry);
  bool Remove(uint64_t sequence);

  // The entry with the lowest sequence >= `sequence`.
  const SentMessage* LowerBound(uint64_t sequence) const;

  bool operator==(const SentList& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

 private:
  std::vector<SentMessage> entries_;
  size_t head_ = 0;  // entries before it are gone
};

// What of a queue a reader needs.
struct QueueOutline {
  uint64_t first_sequence = 1;  // the lowest one queued; last_sequence + 1 if none is
  uint64_t last_sequence = 0;   // the highest so far
  SentList sent;
  IntervalSet gone;  // what is not queued of first_sequence .. last_sequence

  bool Queued(uint64_t sequence) const {
    return sequence >= first_sequence && sequence <= last_sequence && !gone.Contains(sequence);
  }
  bool operator==(const QueueOutline&) const = default;
};

struct SessionRow {
  std::string client_id;
  uint32_t expiry_seconds = 0;
  uint8_t version = 4;
  TimeMs disconnected_at = kNever;
  std::string will;  // serialized v1.Will; empty: none
  TimeMs will_due = kNever;
  std::vector<session::InboundTaken> inbound;  // ascending

  QueueOutline queue;
  uint64_t last_sent = 0;
  uint64_t queued_messages = 0;
  uint64_t queued_bytes = 0;
  // Left the queue; the body's use, if any, is not given up yet.
  IntervalSet garbage;
  // Given up; to be deleted by the next checkpoint. Not on disk: empty when the row is written.
  IntervalSet doomed;
  bool may_share_bodies = false;

  // Each changes the queue as the record of that name says. False: the record does not apply, as
  // the message is not queued (or, of Enqueue, was before).
  // body: the shared one it uses; 0: none.
  bool Enqueue(uint64_t sequence, PacketId packet_id, uint64_t cost, uint64_t body);
  bool Send(uint64_t sequence, PacketId packet_id);
  bool Release(uint64_t sequence);
  // *body: give up a use of this one; 0: of none, or the entry has to be read first.
  bool Complete(uint64_t sequence, uint64_t cost, uint64_t* body);
  bool DropOldest(uint64_t below, uint64_t cost);
  // The whole queue becomes garbage, all else is forgotten.
  void End();

  void TakeInbound(const session::InboundTaken& taken);
  void ReleaseInbound(PacketId packet_id);

  // Without shared bodies nothing has to be read before it is deleted.
  void DoomUnshared();

  size_t MemoryBytes() const;
  bool operator==(const SessionRow&) const = default;

 private:
  std::vector<session::InboundTaken>::iterator Find(PacketId packet_id);  // or where it would be
  // [from, to] of the queue, without what is gone.
  std::vector<Interval> QueuedRuns(uint64_t from, uint64_t to, bool with_sent) const;
  void TakeOff(const Interval& run, uint64_t cost);
};

// The value under the session's key; and under its key of kind kEnded, when it has ended. Decoding
// false: the value is damaged.
void EncodeRow(const SessionRow& row, std::string* value);
void EncodeEnded(const SessionRow& row, std::string* value);
bool DecodeRow(std::string_view value, SessionRow* row);
bool DecodeEnded(std::string_view value, SessionRow* row);

// All of the row but its subscriptions, which stay as they are.
void RowToImage(const SessionRow& row, session::SessionImage* image);

}  // namespace skein::storage
