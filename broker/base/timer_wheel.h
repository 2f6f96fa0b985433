// A hierarchical hashed timing wheel.
//
// Purpose: millions of deadlines (keep alive, connect time-out, session expiry, delayed wills) at
// constant cost each: scheduling, re-scheduling and cancelling link and unlink a list node,
// advancing touches only occupied slots.
//
// Shape: 4 levels of 256 slots; a slot of level 0 spans 64 ms, one of level n 256 times one of
// level n - 1. A deadline waits in the level of the highest digit in which its tick differs from
// the current one and moves down when time reaches its slot, three times at most. Deadlines beyond
// the top level (8.7 years after the wheel's start) wait in one list of their own.
//
// Owner and thread: one shard; confined. Reads no clock. Limits: none of its own; it allocates
// nothing for an entry.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "broker/base/check.h"
#include "broker/base/types.h"

namespace skein {

namespace internal {

// A node of a circular doubly linked list; a lone list head points to itself, an unlinked entry to
// nothing.
struct TimerLink {
  TimerLink* previous = nullptr;
  TimerLink* next = nullptr;
};

}  // namespace internal

// A deadline, embedded in what it belongs to. `kind` and `owner` are the user's: they say whom a
// fired entry concerns. Stays at its address. Must not be scheduled when it is destroyed:
// TimerWheel::Cancel() first.
class TimerEntry : private internal::TimerLink {
 public:
  TimerEntry(uint8_t kind, uint32_t owner) : owner_(owner), kind_(kind) {}
  ~TimerEntry() { SKEIN_CHECK(!scheduled()); }
  TimerEntry(const TimerEntry&) = delete;
  TimerEntry& operator=(const TimerEntry&) = delete;

  bool scheduled() const { return next != nullptr; }
  // kNever when not scheduled.
  TimeMs deadline() const { return deadline_; }
  uint8_t kind() const { return kind_; }
  uint32_t owner() const { return owner_; }

 private:
  friend class TimerWheel;

  TimeMs deadline_ = kNever;
  uint32_t owner_;
  uint8_t kind_;
  uint8_t level_ = 0;  // where it is linked
  uint8_t slot_ = 0;
};

class TimerWheel {
 public:
  static constexpr TimeMs kGranularityMs = 64;

  explicit TimerWheel(TimeMs now);
  // Entries may outlive the wheel: those still scheduled are unlinked.
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Sets the entry's deadline, whether it was scheduled or not. A deadline at or before the last
  // Advance() fires at the next one, never inside the running one. kNever is the same as Cancel().
  void Schedule(TimerEntry* entry, TimeMs deadline);

  // Unlinks the entry; nothing happens when it is not scheduled.
  void Cancel(TimerEntry* entry);

  // Calls fire(TimerEntry*) for each entry whose deadline has come: never early, and at `now` >=
  // deadline + kGranularityMs at the latest. The entry is unlinked before the call; `fire` may
  // schedule, cancel and destroy any entry, this one included, but must not call Advance(). Order:
  // by tick; within a tick unspecified. A `now` before the last one counts as the last one.
  template <typename F>
  void Advance(TimeMs now, F&& fire) {
    SKEIN_CHECK(!advancing_);
    advancing_ = true;
    Begin(now);
    while (Collect()) {
      while (TimerEntry* entry = PopDue())
        fire(entry);
    }
    advancing_ = false;
  }

  // A time before which Advance() has nothing to do: `now` when something is due, kNever when the
  // wheel is empty. It may come before the earliest deadline, when entries only move down a level.
  TimeMs NextWake(TimeMs now) const;

  size_t size() const { return size_; }

 private:
  using Link = internal::TimerLink;
  using Tick = uint64_t;  // granules since origin_

  static constexpr int kLevels = 4;
  static constexpr int kSlotBits = 8;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr uint8_t kBeyond = kLevels;         // the list beyond the top level
  static constexpr uint8_t kUnslotted = kLevels + 1;  // pending_ or due_

  struct Level {
    std::array<uint64_t, kSlots / 64> occupied{};  // bit set = slot not empty
    std::array<Link, kSlots> slots;
  };
  // A list whose time has come at `tick`, at or after current_.
  struct Next {
    Tick tick;
    uint8_t level;
    uint8_t slot;
  };

  Tick TickOf(TimeMs deadline) const;
  void Place(TimerEntry* entry);
  void Unlink(TimerEntry* entry);
  bool FindNext(Next* next) const;

  // The steps of Advance(): take over what was due already; bring the next due tick's entries into
  // due_, false when there is none up to target_; take one of them.
  void Begin(TimeMs now);
  bool Collect();
  TimerEntry* PopDue();

  std::array<Level, kLevels> levels_;
  Link beyond_;
  Link pending_;  // scheduled when already due: fires at the next Advance()
  Link due_;      // being fired
  const TimeMs origin_;
  TimeMs now_;
  Tick current_ = 0;  // every tick up to this one has been served
  Tick target_ = 0;
  size_t size_ = 0;
  bool advancing_ = false;
};

}  // namespace skein
