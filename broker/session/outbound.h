// Messages from the broker to one client: the in-flight window and the queue behind it.
//
// Purpose: QoS 1 and 2 towards a subscriber. Messages enter in order, leave in order, keep their
// packet id until the handshake is over, and are sent again in the same order when the client
// returns [MQTT-4.4.0-1] [MQTT-4.6.0-1]. Owner and thread: its session, confined to the session's
// shard. Pure: no clock, no output; the caller sends what it returns. Limits: QueueBounds; the
// window is what the client and the operator allow, whichever is smaller.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

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

// A delivery whose handshake is over.
struct Finished {
  uint64_t sequence = 0;
  uint64_t lsn = 0;
  uint32_t cost = 0;
};

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

  // Each sets *finished on kOk if the handshake is over by it; else it stays as it is.
  AckResult OnPuback(PacketId id, Finished* finished);
  // error: PUBREC with a reason code >= 0x80 ends the handshake [MQTT-4.3.3-4].
  AckResult OnPubrec(PacketId id, bool error, Finished* finished);
  AckResult OnPubcomp(PacketId id, Finished* finished);

  // What is in flight with this packet id, null if nothing.
  InFlight* Find(PacketId id);
  // A new connection: nothing of what is in flight has been sent on it yet.
  void Rewind();
  // The next one to send again, in the order of first sending; null when there is none or the
  // window is full.
  InFlight* NextToResend(size_t window);
  // Ends a handshake that cannot go on (the message is too large for the client now).
  Finished Discard(InFlight* entry);
  // Puts back what was in flight on an earlier connection, to be sent again; ids in the order they
  // were sent, before anything new is sent.
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
  const Delivery& front() const { return queue_[0]; }
  Delivery TakeFront(QueueBudget* budget);
  void ClearQueue(QueueBudget* budget);

  // --- what other clients may have ---
  // Takes out what waits and came through the shared group.
  std::vector<Delivery> TakeWaiting(std::string_view group, QueueBudget* budget);
  // The session is over: takes out what waits and came through any group, and of QoS 1 also what
  // was sent. In order.
  std::vector<Delivery> TakeShared(QueueBudget* budget);

  // Each message that is in flight (with its packet id) or waits (0), in order, until `visit` says
  // false.
  template <typename F>
  void ForEach(F visit) const {
    for (size_t i = 0; i < window_.size(); ++i) {
      if (window_[i].state != State::kDone && !visit(window_[i].delivery, window_[i].id)) return;
    }
    for (size_t i = 0; i < queue_.size(); ++i) {
      if (!visit(queue_[i], PacketId{0})) return;
    }
  }

  // What window and queue hold together.
  struct Contents {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    uint64_t first_sequence = 0;  // 0 = there is nothing
    uint64_t first_waiting = 0;   // the queue's first, 0 = it is empty
    uint64_t last_sequence = 0;
  };
  Contents contents() const;

 private:
  // Packet ids in the window are consecutive, so the window spans fewer than all of them.
  static constexpr size_t kMaxSpan = 65'000;

  uint64_t End() const { return first_ + window_.size(); }
  Finished Finish(InFlight* entry);
  template <typename Pick>
  void TakeQueued(Pick pick, QueueBudget* budget, std::vector<Delivery>* taken);

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
