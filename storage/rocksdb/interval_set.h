// A set of sequence numbers that come in runs.
//
// Purpose: says which messages of a queue are gone, and which are still to be deleted, in a few
// numbers. Thread: a plain value. Limits: none of its own; in a queue there are about as many runs
// as messages in flight. Adding at the end or beside a run is cheap, between runs it is linear.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace skein::storage {

// first <= last, both belong to it.
struct Interval {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t count() const { return last - first + 1; }
  bool operator==(const Interval&) const = default;
};

class IntervalSet {
 public:
  // Adds all of the interval, whatever of it is there already. Nothing if first > last.
  void Add(uint64_t first, uint64_t last);
  void Add(uint64_t value) { Add(value, value); }

  // Takes away all below the value.
  void RemoveBelow(uint64_t value);

  bool Contains(uint64_t value) const;
  // The lowest value >= `from` that is not in the set.
  uint64_t NextAbsent(uint64_t from) const;
  // The lowest value >= `from` that is in the set; UINT64_MAX if there is none.
  uint64_t NextPresent(uint64_t from) const;

  bool empty() const { return intervals_.empty(); }
  void clear() { intervals_.clear(); }
  // Ascending; between two of them there is a gap.
  const std::vector<Interval>& intervals() const { return intervals_; }

  bool operator==(const IntervalSet&) const = default;

 private:
  std::vector<Interval> intervals_;
};

}  // namespace skein::storage
