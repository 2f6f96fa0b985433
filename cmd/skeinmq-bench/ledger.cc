#include "cmd/skeinmq-bench/ledger.h"

#include <algorithm>
#include <bit>

namespace skein::bench {

Ledger::Ledger(const Wiring& wiring, uint32_t window)
    : wiring_(wiring),
      window_(std::bit_ceil(std::max<uint32_t>(window, 1))),
      publishers_(wiring.publishers),
      waiting_(wiring.fan > 0 ? size_t{wiring.publishers} * window_ : 0),
      next_(size_t{wiring.subscribers} * wiring.sources) {
  for (Publisher& publisher : publishers_)
    publisher.window = std::max<uint32_t>(window, 1);
}

void Ledger::Limit(uint32_t publisher, uint32_t window) {
  uint32_t& current = publishers_[publisher].window;
  current = std::clamp<uint32_t>(window, 1, current);
}

bool Ledger::MaySend(uint32_t publisher) const {
  const Publisher& state = publishers_[publisher];
  return state.sent - std::min(state.acknowledged, state.complete) < state.window;
}

uint32_t Ledger::Send(uint32_t publisher) {
  Publisher& state = publishers_[publisher];
  const uint32_t sequence = state.sent++;
  ++sent_;
  if (wiring_.fan == 0) {
    state.complete = state.sent;
  } else {
    Waiting(publisher, sequence) = static_cast<uint16_t>(wiring_.fan);
  }
  return sequence;
}

bool Ledger::Acknowledge(uint32_t publisher) {
  Publisher& state = publishers_[publisher];
  if (state.acknowledged == state.sent) return false;
  ++state.acknowledged;
  ++acknowledged_;
  return true;
}

Ledger::Verdict Ledger::Deliver(uint32_t subscriber, uint32_t publisher, uint32_t sequence) {
  if (publisher >= wiring_.publishers || sequence >= publishers_[publisher].sent) {
    return Verdict::kUnknown;
  }
  // With one source a subscriber hears the publisher of its own number, or the only one.
  if (wiring_.sources == 1 && wiring_.publishers > 1 && publisher != subscriber) {
    return Verdict::kUnknown;
  }
  const size_t source = wiring_.sources == 1 ? 0 : publisher;
  uint32_t& next = next_[size_t{subscriber} * wiring_.sources + source];
  if (sequence < next) {
    ++repeated_;
    return Verdict::kRepeated;
  }
  for (; next < sequence; ++next) {
    ++skipped_;
    Reach(publisher, next);
  }
  ++next;
  ++delivered_;
  Reach(publisher, sequence);
  return Verdict::kNew;
}

void Ledger::Reach(uint32_t publisher, uint32_t sequence) {
  --Waiting(publisher, sequence);
  Publisher& state = publishers_[publisher];
  while (state.complete < state.sent && Waiting(publisher, state.complete) == 0)
    ++state.complete;
}

bool Ledger::Settled() const {
  return acknowledged_ == sent_ && delivered_ + skipped_ == sent_ * wiring_.fan;
}

}  // namespace skein::bench
