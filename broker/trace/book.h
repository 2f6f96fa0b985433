// The traces of one node.
//
// Purpose: what was asked for, and what the shards have seen of it, until somebody has read it.
// Owner: cmd/. Thread: any; one lock, which shards take only while a trace is on. Life: as long as
// the broker. Limits: kMostTraces at a time, those that have ended and were not deleted included;
// a new one takes the place of the one that ended first, and is refused while all run. kMostEvents
// of a trace: the oldest go, and are counted. A trace ends by itself, after kMostSeconds at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "broker/base/mutex.h"
#include "broker/trace/tracer.h"

namespace skein::trace {

// A trace as it was asked for.
struct Spec {
  std::string id;         // the same on all nodes
  std::string client_id;  // or:
  std::string filter;
  TimeMs ends_at = 0;
};

struct Reading {
  Spec spec;
  std::vector<Event> events;
  uint64_t last = 0;  // id of the last one that was given, for the next reading
  uint64_t lost = 0;  // how many after the one asked for are gone, since there was no room
  bool done = false;  // its time is over, and these are the last ones
};

class Book final : public Sink {
 public:
  static constexpr size_t kMostTraces = 8;
  static constexpr size_t kMostEvents = 10'000;
  static constexpr uint32_t kMostSeconds = 3'600;

  // What is wrong with what is to be traced; empty: nothing.
  static std::string Check(const Spec& spec);

  // ResourceExhausted: so many run already. Has no effect if there is one with that id.
  absl::Status Add(const Spec& spec, TimeMs now);
  // False: there is none.
  bool Remove(const std::string& id);
  // Up to `most` events after `after`. Nothing: there is no such trace.
  std::optional<Reading> Read(const std::string& id, uint64_t after, size_t most, TimeMs now) const;

  // What there is, whether it runs or has ended.
  std::vector<Spec> All() const;

  // For the shards, after a change: those that run. Null: none does.
  std::shared_ptr<const Targets> Running(TimeMs now) const;

  uint64_t Write(uint64_t number, Event event) override;

 private:
  struct Trace {
    Spec spec;
    std::deque<Event> events;
    uint64_t last_id = 0;
  };

  mutable Mutex mutex_;
  std::map<uint64_t, Trace> traces_ ABSL_GUARDED_BY(mutex_);  // by number
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace skein::trace
