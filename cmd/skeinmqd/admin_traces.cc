#include "cmd/skeinmqd/admin_traces.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/shard/core.h"
#include "cmd/skeinmqd/admin_shards.h"
#include "cmd/skeinmqd/random.h"

namespace skein {
namespace {

using TargetsPtr = std::shared_ptr<const trace::Targets>;

// One shard's copy of what is to be traced.
struct Order {
  explicit Order(TargetsPtr what) : targets(std::move(what)) {}
  TargetsPtr targets;
};

void Merge(shard::Explanation part, shard::Explanation* whole) {
  if (part.publisher.known || !whole->publisher.known) whole->publisher = std::move(part.publisher);
  whole->retained |= part.retained;
  whole->truncated |= part.truncated;
  for (shard::ExplainRow& row : part.rows)
    whole->rows.push_back(std::move(row));
}

}  // namespace

TimeMs AdminTraces::Now() {
  const absl::StatusOr<shard::Broker*> broker = node_.broker();
  return broker.ok() ? (*broker)->Now() : 0;
}

absl::StatusOr<shard::Explanation> AdminTraces::Explain(const shard::ExplainQuery& query) {
  const absl::StatusOr<shard::Broker*> broker = node_.broker();
  if (!broker.ok()) return broker.status();
  const auto parts = ScanShards<shard::Explain>(*broker, query);
  if (!parts.ok()) return parts.status();
  shard::Explanation whole;
  for (const auto& part : *parts)
    Merge(part->Take(), &whole);
  return whole;
}

absl::Status AdminTraces::TellShards(shard::Broker* broker) {
  MutexLock lock(telling_);
  const TargetsPtr targets = book_.Running(broker->Now());
  return AskShards<Order, shard::Core*>(broker, targets,
                                        [](Order* order, shard::Core* core) {
                                          core->state().tracer.Set(order->targets);
                                          return shard::Question::Left::kNothing;
                                        })
      .status();
}

absl::Status AdminTraces::StartTrace(const trace::Spec& spec) {
  const absl::StatusOr<shard::Broker*> broker = node_.broker();
  if (!broker.ok()) return broker.status();
  if (book_.Read(spec.id, 0, 0, (*broker)->Now())) return absl::OkStatus();
  if (const absl::Status added = book_.Add(spec, (*broker)->Now()); !added.ok()) return added;
  const absl::Status told = TellShards(*broker);
  if (!told.ok()) book_.Remove(spec.id);
  return told;
}

bool AdminTraces::EndTrace(const std::string& id) {
  if (!book_.Remove(id)) return false;
  // A shard that does not hear of it in time writes to a trace that is not there.
  if (const auto broker = node_.broker(); broker.ok()) TellShards(*broker).IgnoreError();
  return true;
}

std::optional<trace::Reading> AdminTraces::ReadTrace(const std::string& id, uint64_t after,
                                                     size_t most) {
  return book_.Read(id, after, most, Now());
}

std::vector<trace::Spec> AdminTraces::All() {
  return book_.All();
}

std::string AdminTraces::NewTraceId() {
  return absl::StrCat(absl::Hex(RandomUint64(), absl::kZeroPad16));
}

}  // namespace skein
