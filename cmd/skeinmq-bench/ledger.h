// Who has been sent what: the windows of the publishers, and the account of every delivery.
//
// A message holds a place in its publisher's window until it is acknowledged (QoS 1 and 2) and
// every subscriber it is for has it. Messages of one publisher reach one subscriber in order
// [MQTT-4.6.0-5, 4.6.0-6], so a gap is a loss and a step back is a duplicate (or disorder). Pure
// bookkeeping: no sockets, no clock. Memory: 2 bytes x window x publishers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace skein::bench {

// How publishers and subscribers are wired.
struct Wiring {
  uint32_t publishers = 0;
  uint32_t subscribers = 0;
  uint32_t fan = 0;      // subscribers that get one message; 0: nobody that we watch
  uint32_t sources = 0;  // publishers that one subscriber hears
};

class Ledger {
 public:
  // `window`: messages a publisher may have outstanding, at least 1.
  Ledger(const Wiring& wiring, uint32_t window);

  // Lowers the window of `publisher` (receive maximum of the broker).
  void Limit(uint32_t publisher, uint32_t window);

  bool MaySend(uint32_t publisher) const;
  // Takes a place in the window; returns the message's sequence.
  uint32_t Send(uint32_t publisher);
  // The broker has acknowledged the oldest unacknowledged message. False: there was none.
  bool Acknowledge(uint32_t publisher);

  enum class Verdict { kNew, kRepeated, kUnknown };
  // `subscriber` got message `sequence` of `publisher`. kUnknown: it was never sent, or not to this
  // subscriber.
  Verdict Deliver(uint32_t subscriber, uint32_t publisher, uint32_t sequence);

  // Every message sent is acknowledged and delivered (or known to be lost).
  bool Settled() const;

  uint64_t sent() const { return sent_; }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t delivered() const { return delivered_; }
  uint64_t repeated() const { return repeated_; }
  // Deliveries still owed: those skipped, and those that have not come.
  uint64_t missing() const { return sent_ * wiring_.fan - delivered_; }
  uint64_t unacknowledged() const { return sent_ - acknowledged_; }

 private:
  struct Publisher {
    uint32_t window = 0;
    uint32_t sent = 0;
    uint32_t acknowledged = 0;
    uint32_t complete = 0;  // every message below has reached all subscribers
  };

  // One subscriber less to reach for `sequence`.
  void Reach(uint32_t publisher, uint32_t sequence);
  uint16_t& Waiting(uint32_t publisher, uint32_t sequence) {
    return waiting_[size_t{publisher} * window_ + (sequence & (window_ - 1))];
  }

  Wiring wiring_;
  uint32_t window_;  // a power of two
  std::vector<Publisher> publishers_;
  std::vector<uint16_t> waiting_;  // subscribers a message in the window has yet to reach
  std::vector<uint32_t> next_;     // per subscriber and source: the sequence expected next
  uint64_t sent_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t delivered_ = 0;
  uint64_t repeated_ = 0;
  uint64_t skipped_ = 0;
};

}  // namespace skein::bench
