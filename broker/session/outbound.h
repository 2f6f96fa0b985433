// Messages from the broker to one client: the in-flight window and the queue behind it.
//
// Purpose: QoS 1 and 2 towards a subscriber. Messages enter in order, leave in order, keep their
// packet id until the handshake is over, and are sent again in the same order when the client
// returns [MQTT-4.4.0-1] [MQTT-4.6.0-1]. Owner and thread: its session, confined to the session's
// shard. Pure: no clock, no output; the caller sends what it returns. Limits: QueueBounds; the
// window is what the client and the operator allow, whichever is smaller.
#pragma once

#include <cstdint>

#include "broker/base/ring.h"
#include "broker/base/types.h"
#include "broker/session/delivery.h"

namespace skein::session {

// Bytes that all queues of a shard hold together.
struct QueueBudget {
  uint64_t used = 0;
  uint64_t maximum = UINT64_MAX;
};

struct QueueBounds {
  uint32_t messages = UINT32_MAX;
  uint64_t bytes = UINT64_MAX;
};

enum class QueueResult : uint8_t { kQueued, kFull, kFullBytes, kFullTotal };

class Outbound {
 public:
  enum class State : uint8_t {
    kDone,       // handshake over; stays until the ones before it are over too
    kPublished,  // PUBLISH sent, PUBACK or PUBREC awaited
    kReleased,   // PUBREL sent, PUBCOMP awaited; the message itself is no longer needed
  };
  struct InFlight {
    Delivery delivery;
    PacketId id = 0;
    State state = State::kDone;
  };
  enum class AckResult : uint8_t {
    kOk,
    kUnknown,  // no such packet id in flight
    kMismatch  // in flight, but awaiting another packet: the client's protocol error
  };

  ~Outbound() { SKEIN_CHECK(queue_.empty()); }

  // --- the window ---
  size_t in_flight() const { return unfinished_; }
  // A new message may be sent: all older ones have been, and the window has room.
  bool WindowOpen(size_t window) const {
    return outstanding_ < window && next_to_send_ == End() && window_.size() < kMaxSpan;
  }
  // Assigns a packet id and puts the message in flight. Needs WindowOpen() and qos > 0.
  InFlight& Send(Delivery delivery);

  // Each sets *sequence to the finished delivery's on kOk if the handshake is over by it, else to
  // 0.
  AckResult OnPuback(PacketId id, uint64_t* sequence);
  // error: PUBREC with a reason code >= 0x80 ends the handshake [MQTT-4.3.3-4].
  AckResult OnPubrec(PacketId id, bool error, uint64_t* sequence);
  AckResult OnPubcomp(PacketId id, uint64_t* sequence);

  // The sequence of the delivery that has this packet id, 0 if none.
  uint64_t SequenceOf(PacketId id) {
    const InFlight* entry = Find(id);
    return entry == nullptr ? 0 : entry->delivery.sequence;
  }
  // A new connection: nothing of what is in flight has been sent on it yet.
  void Rewind();
  // The next one to send again, in the order of first sending; null when there is none or the
  // window is full.
  InFlight* NextToResend(size_t window);
  // Ends a handshake that cannot go on (the message is too large for the client now). Returns its
  // sequence.
  uint64_t Discard(InFlight* entry);
  // Puts back what was in flight before a restart; ids in the order they were sent.
  void Restore(Delivery delivery, PacketId id, State state);

  // --- the queue behind it ---
  bool queue_empty() const { return queue_.empty(); }
  size_t queued() const { return queue_.size(); }
  uint64_t queued_bytes() const { return queued_bytes_; }
  // Whether the queue has room for one more.
  QueueResult Room(const mqtt::Message& message, const QueueBounds& bounds,
                   const QueueBudget& budget) const;
  // Needs Room() == kQueued.
  void Enqueue(Delivery delivery, QueueBudget* budget);
  const Delivery& front() { return queue_.front(); }
  Delivery TakeFront(QueueBudget* budget);
  void ClearQueue(QueueBudget* budget);

 private:
  // Packet ids in the window are consecutive, so the window spans fewer than all of them.
  static constexpr size_t kMaxSpan = 65'000;

  uint64_t End() const { return first_ + window_.size(); }
  InFlight* Find(PacketId id);
  void Finish(InFlight* entry, uint64_t* sequence);

  Ring<InFlight> window_;  // consecutive ids; the first one is not kDone
  Ring<Delivery> queue_;
  uint64_t queued_bytes_ = 0;
  uint64_t first_ = 0;         // ordinal of the window's first entry
  uint64_t next_to_send_ = 0;  // ordinal: entries before it were sent on this connection
  uint32_t unfinished_ = 0;
  uint32_t outstanding_ = 0;  // unfinished ones before next_to_send_
  PacketId next_id_ = 1;
};

}  // namespace skein::session
