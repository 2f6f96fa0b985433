#include "broker/shard/outbox.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "broker/shard/once_name.h"
#include "broker/shard/tracing.h"

namespace skein::shard {
namespace {

using session::PartitionId;

// No client id has U+0000 in it [MQTT-1.5.4-2].
constexpr std::string_view kPrefix("\0outbox/", 8);

std::string ClientIdOf(PartitionId partition, std::string_view group) {
  return absl::StrCat(absl::string_view(kPrefix.data(), kPrefix.size()), partition, "/",
                      absl::string_view(group.data(), group.size()));
}

}  // namespace

bool Outbox::IsQueue(const session::SessionImage& image) {
  return image.client_id.starts_with(kPrefix);
}

void Outbox::Restore(const session::SessionImage& image) {
  std::string_view name = std::string_view(image.client_id).substr(kPrefix.size());
  auto queue = std::make_unique<Queue>();
  const auto number = std::from_chars(name.data(), name.data() + name.size(), queue->partition);
  name.remove_prefix(static_cast<size_t>(number.ptr - name.data()));
  state_.last_session_number = std::max(state_.last_session_number, image.key.number);
  if (number.ec != std::errc() || !name.starts_with('/')) return;
  queue->group = name.substr(1);
  queue->key = image.key;
  queue->last_sequence = image.last_sequence;
  queue->read_from = image.first_sequence;
  Queue& added = Add(std::move(queue));
  Count(&added, static_cast<int>(image.queued_messages), static_cast<int64_t>(image.queued_bytes));
  if (added.messages == 0) Close(&added);
}

Outbox::Queue& Outbox::Add(std::unique_ptr<Queue> queue) {
  queue->id = next_id_++;
  if (queue->group.empty()) ++holds_[queue->partition];
  by_id_[queue->id] = queue.get();
  auto& entry = queues_[DurableKey(queue->partition, queue->group)];
  entry = std::move(queue);
  return *entry;
}

Outbox::Queue& Outbox::Open(PartitionId partition, std::string_view group) {
  const auto found = queues_.find(DurableKey(partition, group));
  if (found != queues_.end()) return *found->second;
  auto queue = std::make_unique<Queue>();
  queue->partition = partition;
  queue->group = group;
  // Any partition of this shard's will do to keep it in; it does not leave with it.
  queue->key = {state_.options.id, ++state_.last_session_number};
  state_.last_lsn = state_.ports.store->Append(
      queue->key, session::Connected{ClientIdOf(partition, group), UINT32_MAX, 5, {}},
      state_.commit_group);
  return Add(std::move(queue));
}

void Outbox::Close(Queue* queue) {
  TellGone(queue, UINT64_MAX);
  state_.last_lsn = state_.ports.store->Append(queue->key, session::Ended{});
  if (queue->group.empty()) {
    const auto held = holds_.find(queue->partition);
    if (--held->second == 0) holds_.erase(held);
    // Its sequences begin anew with the next message.
    if (const auto kept = state_.kept_elsewhere.find(queue->partition);
        kept != state_.kept_elsewhere.end()) {
      for (KeptElsewhere& each : kept->second)
        each.after = 0;
    }
  }
  by_id_.erase(queue->id);
  queues_.erase(DurableKey(queue->partition, queue->group));
  NoteSince();
}

void Outbox::NoteSince() {
  TimeMs since = 0;
  for (const auto& [key, queue] : queues_) {
    if (queue->since != 0 && (since == 0 || queue->since < since)) since = queue->since;
  }
  state_.stats.outbox_since.Set(since);
}

Outbox::Queue* Outbox::Find(uint64_t id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

void Outbox::Count(Queue* queue, int messages, int64_t bytes) {
  queue->messages += static_cast<uint64_t>(messages);
  queue->bytes += static_cast<uint64_t>(bytes);
  used_bytes_ += static_cast<uint64_t>(bytes);
  if (messages > 0 && queue->since == 0) {
    queue->since = state_.now;
    NoteSince();
  }
  state_.stats.outbox_messages.Add(messages);
  state_.stats.outbox_bytes.Add(bytes);
}

bool Outbox::Put(PartitionId partition, std::string_view group, const mqtt::MessagePtr& message,
                 uint64_t once, Gate* gate) {
  if (state_.ports.store->full()) return Refuse(DropReason::kDiskFull, partition, *message);
  const auto cost = static_cast<int64_t>(message->cost());
  if (used_bytes_ + message->cost() > state_.PartOf(state_.limits.max_outbox_bytes))
    return Refuse(DropReason::kOutboxFull, partition, *message);
  Queue& queue = Open(partition, group);
  const auto ids = SplitOnce(once);
  state_.last_lsn = state_.ports.store->Append(
      queue.key,
      session::Enqueued{++queue.last_sequence, message, ids, message->qos(), message->retain(), 0},
      state_.commit_group);
  if (gate != nullptr) gate->lsn = state_.last_lsn;
  Count(&queue, 1, cost);
  state_.stats.outbox_stored.Add();
  if (state_.tracer.on()) [[unlikely]]
    Trace(trace::Step::kOutbox, partition, *message,
          group.empty() ? "durable sessions of a node that cannot be reached want it, or something "
                          "waits for them already"
                        : "all members of a shared group are on nodes that cannot be reached");
  return true;
}

void Outbox::Tell(PlaceId place, std::vector<Mail>* box) {
  const NodeNumber node = state_.NodeOf(place);
  for (auto& [key, queue] : queues_) {
    if (!queue->group.empty() || state_.OwnerOf(queue->partition) != node) continue;
    std::erase_if(queue->told, [&](const Told& each) { return each.place == place; });
    queue->told.push_back({place, state_.places[place].ups, queue->last_sequence});
    box->emplace_back(Kept{queue->partition, false});
  }
}

void Outbox::TellTaker(PlaceId place) {
  const uint32_t ups = state_.places[place].ups;
  for (auto& entry : queues_) {
    Queue* const queue = entry.second.get();
    if (!queue->group.empty()) continue;
    const bool knows = std::any_of(queue->told.begin(), queue->told.end(), [&](const Told& each) {
      return each.place == place && each.ups == ups && each.up_to == queue->last_sequence;
    });
    if (knows) continue;
    queue->told.push_back({place, ups, queue->last_sequence});
    state_.out.mail[place].emplace_back(Kept{queue->partition, false});
  }
}

uint64_t Outbox::LastOf(PartitionId partition) const {
  const auto found = queues_.find(DurableKey(partition, {}));
  return found == queues_.end() ? 0 : found->second->last_sequence;
}

uint64_t Outbox::MayGoUpTo(const Queue& queue) const {
  const auto found = state_.kept_elsewhere.find(queue.partition);
  if (found == state_.kept_elsewhere.end()) return UINT64_MAX;
  if (!queue.group.empty()) return 0;
  uint64_t last = UINT64_MAX;
  for (const KeptElsewhere& each : found->second)
    last = std::min(last, each.after);
  return last;
}

uint64_t Outbox::FirstLeft(const Queue& queue) {
  uint64_t first = queue.read_from;
  if (!queue.under_way.empty()) first = std::min(first, queue.under_way.front().sequence);
  return queue.rewind_to == 0 ? first : std::min(first, queue.rewind_to);
}

void Outbox::TellGone(Queue* queue, uint64_t before) {
  std::erase_if(queue->told, [&](const Told& each) {
    const Place& place = state_.places[each.place];
    if (!place.up || place.ups != each.ups) return true;
    if (each.up_to >= before) return false;
    state_.out.mail[each.place].emplace_back(Kept{queue->partition, true});
    return true;
  });
}

bool Outbox::Refuse(DropReason reason, PartitionId partition, const mqtt::Message& message) {
  state_.stats.Drop(reason);
  state_.stats.Hit(reason == DropReason::kDiskFull ? LimitHit::kReserveBytes
                                                   : LimitHit::kMaxOutboxBytes);
  if (state_.tracer.on()) [[unlikely]]
    Trace(trace::Step::kDropped, partition, message, DropText(reason));
  return false;
}

void Outbox::Trace(trace::Step step, PartitionId partition, const mqtt::Message& message,
                   std::string_view why) {
  trace::Detail detail;
  detail.why = why;
  detail.qos = message.qos();
  if (const NodeNumber owner = state_.OwnerOf(partition); owner != kNoNode) detail.nodes = {owner};
  state_.tracer.Message(state_.now, step, message, detail);
}

bool Outbox::MayGo(Queue* queue) {
  if (!state_.OwnerKnown(queue->partition) || state_.frozen.contains(queue->partition) ||
      state_.leaving.contains(queue->partition))
    return false;
  if (queue->rewind_to == 0) return true;
  if (!queue->under_way.empty() || queue->page_waits || state_.now < queue->rests_until)
    return false;
  queue->read_from = std::exchange(queue->rewind_to, 0);
  queue->page.clear();
  return true;
}

bool Outbox::Next(Outgoing* out) {
  std::vector<Queue*> empty;
  bool found = false;
  for (auto& [key, queue] : queues_) {
    if (!MayGo(queue.get())) continue;
    found = Take(queue.get(), out);
    if (found) break;
    if (queue->messages == 0) empty.push_back(queue.get());  // all that was left has expired
  }
  for (Queue* const queue : empty)
    Close(queue);
  return found;
}

bool Outbox::Take(Queue* queue, Outgoing* out) {
  if (queue->under_way.size() >= kWindow) return false;
  DropExpired(queue);
  if (queue->page.empty()) {
    Fetch(queue);
    return false;
  }
  if (queue->page.front().sequence > MayGoUpTo(*queue)) return false;
  session::StoredDelivery entry = std::move(queue->page.front());
  queue->page.pop_front();
  queue->read_from = entry.sequence + 1;
  queue->under_way.push_back({entry.sequence, entry.message->cost()});
  out->place = state_.OwnerPlace(queue->partition);
  out->ticket = {queue->id, entry.sequence};
  out->publish = ForwardedPublish();
  out->publish.message = std::move(entry.message);
  out->publish.once = JoinOnce(entry.subscription_ids);
  out->publish.repeated = out->publish.once != 0;
  if (queue->group.empty()) {
    out->publish.scope.only = queue->partition;
  } else {
    out->publish.plain = false;
    out->publish.groups = std::make_unique<std::vector<std::string>>(1, queue->group);
  }
  return true;
}

void Outbox::DropExpired(Queue* queue) {
  while (!queue->page.empty() && queue->page.front().message->expired(state_.now)) {
    const session::StoredDelivery& entry = queue->page.front();
    state_.stats.Drop(DropReason::kExpired);
    queue->read_from = entry.sequence + 1;
    Finish(queue, entry.sequence, entry.message->cost());
    queue->page.pop_front();
  }
}

void Outbox::Fetch(Queue* queue) {
  if (queue->page_waits || queue->read_from > queue->last_sequence) return;
  queue->page_waits = true;
  queue->asked_for = queue->last_sequence;
  session::QueueRead read;
  read.key = queue->key;
  read.token = kPageBit | queue->id;
  read.from = queue->read_from;
  read.max_messages = state_.limits.queue_page_messages;
  read.max_bytes = state_.limits.queue_page_bytes;
  read.after = state_.last_lsn;
  state_.ports.store->ReadQueue(read);
}

void Outbox::OnPage(session::QueuePage* page) {
  Queue* const queue = Find(page->token & ~kPageBit);
  if (queue == nullptr) return;
  queue->page_waits = false;
  for (session::StoredDelivery& entry : page->entries) {
    if (entry.message) queue->page.push_back(std::move(entry));
  }
  // Nothing is left there but what is under way.
  if (page->entries.empty() && page->end) queue->read_from = queue->asked_for + 1;
}

void Outbox::Finish(Queue* queue, uint64_t sequence, uint64_t cost) {
  state_.last_lsn = state_.ports.store->Append(queue->key, session::Completed{sequence, cost});
  Count(queue, -1, -static_cast<int64_t>(cost));
  state_.stats.outbox_sent.Add();
  if (!queue->told.empty()) TellGone(queue, FirstLeft(*queue));
}

void Outbox::OnAnswer(const Ticket& ticket, bool refused) {
  Queue* const queue = Find(ticket.queue);
  if (queue == nullptr) return;
  const auto found =
      std::find_if(queue->under_way.begin(), queue->under_way.end(),
                   [&](const UnderWay& each) { return each.sequence == ticket.sequence; });
  if (found == queue->under_way.end()) return;
  const UnderWay answered = *found;
  queue->under_way.erase(found);
  if (refused) {
    if (queue->rewind_to == 0 || answered.sequence < queue->rewind_to)
      queue->rewind_to = answered.sequence;
    queue->rests_until = state_.now + kRestMs;
    return;
  }
  Finish(queue, answered.sequence, answered.cost);
  if (queue->messages == 0) Close(queue);
}

}  // namespace skein::shard
