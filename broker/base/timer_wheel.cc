#include "broker/base/timer_wheel.h"

#include <algorithm>

namespace skein {
namespace {

using internal::TimerLink;

void MakeEmpty(TimerLink* head) {
  head->previous = head->next = head;
}

bool IsEmpty(const TimerLink& head) {
  return head.next == &head;
}

void Append(TimerLink* head, TimerLink* link) {
  link->previous = head->previous;
  link->next = head;
  head->previous->next = link;
  head->previous = link;
}

void Detach(TimerLink* link) {
  link->previous->next = link->next;
  link->next->previous = link->previous;
  link->previous = link->next = nullptr;
}

// Moves all of `from` behind what `to` holds.
void MoveAll(TimerLink* from, TimerLink* to) {
  if (IsEmpty(*from)) return;
  from->next->previous = to->previous;
  to->previous->next = from->next;
  from->previous->next = to;
  to->previous = from->previous;
  MakeEmpty(from);
}

// The first set bit above `position`, or -1.
template <size_t N>
int NextBit(const std::array<uint64_t, N>& words, unsigned position) {
  const unsigned start = position + 1;
  if (start >= N * 64) return -1;
  uint64_t word = words[start / 64] & (~uint64_t{0} << (start % 64));
  for (size_t i = start / 64;; word = words[i]) {
    if (word != 0) return static_cast<int>(i * 64) + std::countr_zero(word);
    if (++i == N) return -1;
  }
}

}  // namespace

TimerWheel::TimerWheel(TimeMs now) : origin_(now), now_(now) {
  for (Level& level : levels_) {
    for (Link& slot : level.slots)
      MakeEmpty(&slot);
  }
  MakeEmpty(&beyond_);
  MakeEmpty(&pending_);
  MakeEmpty(&due_);
}

TimerWheel::~TimerWheel() {
  const auto drop = [](Link* head) {
    while (!IsEmpty(*head))
      Detach(head->next);
  };
  for (Level& level : levels_) {
    for (Link& slot : level.slots)
      drop(&slot);
  }
  drop(&beyond_);
  drop(&pending_);
  drop(&due_);
}

void TimerWheel::Schedule(TimerEntry* entry, TimeMs deadline) {
  Cancel(entry);
  if (deadline == kNever) return;
  entry->deadline_ = deadline;
  ++size_;
  if (deadline <= now_) {
    entry->level_ = kUnslotted;
    Append(&pending_, entry);
  } else {
    Place(entry);
  }
}

void TimerWheel::Cancel(TimerEntry* entry) {
  if (!entry->scheduled()) return;
  Unlink(entry);
  entry->deadline_ = kNever;
  --size_;
}

TimeMs TimerWheel::NextWake(TimeMs now) const {
  if (!IsEmpty(pending_) || !IsEmpty(due_)) return now;
  Next next;
  if (!FindNext(&next)) return kNever;
  // A tick that lies past the end of time (only its list's place does) is as good as never.
  if (next.tick > static_cast<Tick>(kNever - std::max<TimeMs>(origin_, 0)) / kGranularityMs) {
    return kNever;
  }
  return std::max(now, origin_ + static_cast<TimeMs>(next.tick) * kGranularityMs);
}

// Rounded up, so that no tick comes before its deadline.
TimerWheel::Tick TimerWheel::TickOf(TimeMs deadline) const {
  if (deadline <= origin_) return 0;
  const uint64_t delta = static_cast<uint64_t>(deadline) - static_cast<uint64_t>(origin_);
  return (delta + kGranularityMs - 1) / kGranularityMs;
}

// Links an entry whose tick is after current_. The level is that of the highest digit in which the
// two differ, so all entries of a level agree with current_ in the digits above, and the entries of
// a lower level come before those of a higher one.
void TimerWheel::Place(TimerEntry* entry) {
  const Tick tick = TickOf(entry->deadline_);
  SKEIN_CHECK(tick > current_);
  const int level = (std::bit_width(tick ^ current_) - 1) / kSlotBits;
  if (level >= kLevels) {
    entry->level_ = kBeyond;
    Append(&beyond_, entry);
    return;
  }
  const auto slot = static_cast<uint8_t>(tick >> (level * kSlotBits));
  entry->level_ = static_cast<uint8_t>(level);
  entry->slot_ = slot;
  Append(&levels_[level].slots[slot], entry);
  levels_[level].occupied[slot / 64] |= uint64_t{1} << (slot % 64);
}

void TimerWheel::Unlink(TimerEntry* entry) {
  Detach(entry);
  if (entry->level_ >= kLevels) return;
  Level& level = levels_[entry->level_];
  // Entries that Collect() took off a slot still name it; it is empty then, or others are in it
  // again. Either way this is right.
  if (IsEmpty(level.slots[entry->slot_])) {
    level.occupied[entry->slot_ / 64] &= ~(uint64_t{1} << (entry->slot_ % 64));
  }
}

// The next tick at which a list's time comes.
bool TimerWheel::FindNext(Next* next) const {
  for (int level = 0; level < kLevels; ++level) {
    const int shift = level * kSlotBits;
    const int slot = NextBit(levels_[level].occupied, (current_ >> shift) & (kSlots - 1));
    if (slot < 0) continue;
    const Tick above = current_ >> shift >> kSlotBits << kSlotBits;
    *next = {(above | static_cast<Tick>(slot)) << shift, static_cast<uint8_t>(level),
             static_cast<uint8_t>(slot)};
    return true;
  }
  if (IsEmpty(beyond_)) return false;
  constexpr int kShift = kLevels * kSlotBits;
  *next = {((current_ >> kShift) + 1) << kShift, kBeyond, 0};
  return true;
}

void TimerWheel::Begin(TimeMs now) {
  now_ = std::max(now_, now);
  target_ = static_cast<Tick>(now_ - origin_) / kGranularityMs;
  MoveAll(&pending_, &due_);
}

bool TimerWheel::Collect() {
  if (!IsEmpty(due_)) return true;
  Next next;
  while (FindNext(&next) && next.tick <= target_) {
    current_ = next.tick;
    Link moving;
    MakeEmpty(&moving);
    if (next.level == kBeyond) {
      MoveAll(&beyond_, &moving);
    } else {
      Level& level = levels_[next.level];
      MoveAll(&level.slots[next.slot], &moving);
      level.occupied[next.slot / 64] &= ~(uint64_t{1} << (next.slot % 64));
    }
    if (next.level == 0) {
      MoveAll(&moving, &due_);
      return true;
    }
    while (!IsEmpty(moving)) {
      auto* entry = static_cast<TimerEntry*>(moving.next);
      Detach(entry);
      if (TickOf(entry->deadline_) == current_) {
        entry->level_ = kUnslotted;
        Append(&due_, entry);
      } else {
        Place(entry);
      }
    }
    if (!IsEmpty(due_)) return true;
  }
  current_ = std::max(current_, target_);
  return false;
}

TimerEntry* TimerWheel::PopDue() {
  if (IsEmpty(due_)) return nullptr;
  auto* entry = static_cast<TimerEntry*>(due_.next);
  Cancel(entry);
  return entry;
}

}  // namespace skein
