// Sorted runs in a vector.
#include "storage/rocksdb/interval_set.h"

#include <algorithm>

namespace skein::storage {
namespace {

// The first interval that ends at or after the value.
template <typename Intervals>
auto EndingFrom(Intervals& intervals, uint64_t value) {
  return std::lower_bound(intervals.begin(), intervals.end(), value,
                          [](const Interval& each, uint64_t v) { return each.last < v; });
}

}  // namespace

void IntervalSet::Add(uint64_t first, uint64_t last) {
  if (first > last) return;
  // The common case: messages leave the queue in its order.
  if (intervals_.empty() || first > intervals_.back().last + 1) {
    intervals_.push_back({first, last});
    return;
  }
  auto begin = EndingFrom(intervals_, first == 0 ? 0 : first - 1);
  auto end = begin;
  while (end != intervals_.end() && end->first <= last + 1) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
    ++end;
  }
  if (begin == end) {
    intervals_.insert(begin, {first, last});
    return;
  }
  *begin = {first, last};
  intervals_.erase(begin + 1, end);
}

void IntervalSet::RemoveBelow(uint64_t value) {
  const auto kept = EndingFrom(intervals_, value);
  intervals_.erase(intervals_.begin(), kept);
  if (!intervals_.empty() && intervals_.front().first < value) intervals_.front().first = value;
}

bool IntervalSet::Contains(uint64_t value) const {
  const auto found = EndingFrom(intervals_, value);
  return found != intervals_.end() && found->first <= value;
}

uint64_t IntervalSet::NextAbsent(uint64_t from) const {
  const auto found = EndingFrom(intervals_, from);
  return found != intervals_.end() && found->first <= from ? found->last + 1 : from;
}

uint64_t IntervalSet::NextPresent(uint64_t from) const {
  const auto found = EndingFrom(intervals_, from);
  return found == intervals_.end() ? UINT64_MAX : std::max(found->first, from);
}

}  // namespace skein::storage
