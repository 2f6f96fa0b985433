#include "broker/trace/book.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "broker/routing/topic.h"

namespace skein::trace {

std::string Book::Check(const Spec& spec) {
  if (spec.client_id.empty() == spec.filter.empty())
    return "either a client id or a topic filter is needed";
  if (!spec.client_id.empty()) return {};
  if (routing::ValidateTopicFilter(spec.filter, UINT32_MAX) != routing::FilterError::kOk)
    return "'" + spec.filter + "' is no topic filter";
  if (routing::ParseFilter(spec.filter).shared())
    return "a trace follows a topic, whoever shares it: leave out $share/NAME/";
  return {};
}

absl::Status Book::Add(const Spec& spec, TimeMs now) {
  MutexLock lock(mutex_);
  const auto same = [&](const auto& each) { return each.second.spec.id == spec.id; };
  if (std::any_of(traces_.begin(), traces_.end(), same)) return absl::OkStatus();
  if (traces_.size() >= kMostTraces) {
    const auto oldest = std::min_element(
        traces_.begin(), traces_.end(),
        [](const auto& a, const auto& b) { return a.second.spec.ends_at < b.second.spec.ends_at; });
    if (oldest->second.spec.ends_at > now)
      return absl::ResourceExhaustedError("8 traces run already; delete one");
    traces_.erase(oldest);
  }
  traces_[++last_number_].spec = spec;
  return absl::OkStatus();
}

bool Book::Remove(const std::string& id) {
  MutexLock lock(mutex_);
  return std::erase_if(traces_, [&](const auto& each) { return each.second.spec.id == id; }) > 0;
}

std::optional<Reading> Book::Read(const std::string& id, uint64_t after, size_t most,
                                  TimeMs now) const {
  MutexLock lock(mutex_);
  const auto found = std::find_if(traces_.begin(), traces_.end(),
                                  [&](const auto& each) { return each.second.spec.id == id; });
  if (found == traces_.end()) return std::nullopt;
  const Trace& trace = found->second;
  Reading reading;
  reading.spec = trace.spec;
  // Ids have no gaps: the first that is left says where the one after `after` is.
  const uint64_t first = trace.events.empty() ? trace.last_id + 1 : trace.events.front().id;
  if (after > trace.last_id) after = 0;  // it was another process that counted
  if (first > after + 1) reading.lost = first - after - 1;
  const size_t skip = after >= first ? static_cast<size_t>(after + 1 - first) : 0;
  const size_t end = std::min(trace.events.size(), skip + most);
  reading.last = std::max(after, first - 1);
  for (size_t i = skip; i < end; ++i)
    reading.events.push_back(trace.events[i]);
  if (!reading.events.empty()) reading.last = reading.events.back().id;
  reading.done = now >= trace.spec.ends_at && reading.last == trace.last_id;
  return reading;
}

std::vector<Spec> Book::All() const {
  MutexLock lock(mutex_);
  std::vector<Spec> specs;
  for (const auto& [number, trace] : traces_)
    specs.push_back(trace.spec);
  return specs;
}

std::shared_ptr<const Targets> Book::Running(TimeMs now) const {
  MutexLock lock(mutex_);
  auto targets = std::make_shared<Targets>();
  for (const auto& [number, trace] : traces_) {
    const Spec& spec = trace.spec;
    if (spec.ends_at <= now) continue;
    // As sessions and messages carry it.
    const auto hash =
        static_cast<uint32_t>(XXH3_64bits(spec.client_id.data(), spec.client_id.size()));
    targets->push_back({number, spec.client_id, hash | 1, spec.filter, spec.ends_at});
  }
  return targets->empty() ? nullptr : targets;
}

uint64_t Book::Write(uint64_t number, Event event) {
  MutexLock lock(mutex_);
  const auto found = traces_.find(number);
  if (found == traces_.end()) return 0;  // it was deleted, and the shard has not heard yet
  Trace& trace = found->second;
  event.id = ++trace.last_id;
  trace.events.push_back(std::move(event));
  if (trace.events.size() <= kMostEvents) return 0;
  trace.events.pop_front();
  return 1;
}

}  // namespace skein::trace
