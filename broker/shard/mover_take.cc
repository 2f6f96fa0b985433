// The taker's half of a move, and what a change of owner means here.
#include <algorithm>
#include <utility>

#include "broker/shard/mover.h"

namespace skein::shard {

using session::PartitionId;
using session::Session;

void Mover::Take(PlaceId from, const MoveBegin& begin) {
  if (begin.partition >= state_.table.size() || state_.IsMine(begin.partition)) return;
  Drop(begin.partition);
  Taking& taking = takings_[begin.partition];
  taking.from = from;
  taking.move = begin.move;
}

Mover::Taking* Mover::Find(PlaceId from, PartitionId partition, uint64_t move) {
  const auto found = takings_.find(partition);
  if (found == takings_.end() || found->second.from != from || found->second.move != move ||
      found->second.complete)
    return nullptr;
  return &found->second;
}

void Mover::Take(PlaceId from, MovedSession* moved) {
  Taking* const taking = Find(from, moved->partition, moved->move);
  if (taking == nullptr || state_.ports.store->full()) return;  // MoveEnd will not add up
  if (!taking->images.empty()) Finish(taking->images.back());
  session::SessionImage& image = taking->images.emplace_back(std::move(moved->image));
  image.key = {moved->partition, ++state_.last_session_number};
  image.first_sequence = image.last_sequence + 1;
  ++taking->parts;
  MakeOlder(&image);
  auto& store = *state_.ports.store;
  store.Append(image.key, session::Connected{image.client_id, image.expiry_seconds, image.version,
                                             image.will});
  for (const auto& [filter, options] : image.subscriptions)
    store.Append(image.key, session::Subscribed{filter, options});
  for (const session::InboundTaken& taken : image.inbound)
    state_.last_lsn = store.Append(image.key, taken);
}

// How long ago a subscription was made was right when it was sent, which was after the freeze. Too
// old does no harm; with one that is too new a message would be lost.
void Mover::MakeOlder(session::SessionImage* image) const {
  const auto frozen = state_.frozen.find(image->key.partition);
  for (auto& [filter, options] : image->subscriptions) {
    options.since = frozen == state_.frozen.end()
                        ? 0
                        : std::max<TimeMs>(options.since - (state_.now - frozen->second.since), 0);
  }
}

void Mover::Take(PlaceId from, MovedMessage* moved) {
  Taking* const taking = Find(from, moved->partition, moved->move);
  if (taking == nullptr || taking->images.empty()) return;
  session::SessionImage& image = taking->images.back();
  session::StoredDelivery& entry = moved->delivery;
  ++taking->parts;
  if (!entry.message) {  // released: only its packet id is needed
    mqtt::Message::Init init;
    init.topic = "released";
    init.qos = entry.qos;
    entry.message = mqtt::Message::Make(init);
  }
  auto& store = *state_.ports.store;
  store.Append(image.key, session::Enqueued{entry.sequence, entry.message, entry.subscription_ids,
                                            entry.qos, entry.retain, entry.packet_id, entry.share});
  if (entry.released) store.Append(image.key, session::Released{entry.sequence});
  if (image.queued_messages == 0) image.first_sequence = entry.sequence;
  ++image.queued_messages;
  image.queued_bytes += entry.message->cost();
  image.last_sequence = std::max(image.last_sequence, entry.sequence);
  if (entry.packet_id != 0) image.last_sent = std::max(image.last_sent, entry.sequence);
}

// The connection that wrote it is over; that record comes last, as in the session's own life.
void Mover::Finish(const session::SessionImage& image) {
  state_.last_lsn = state_.ports.store->Append(
      image.key,
      session::Disconnected{image.disconnected_at, image.expiry_seconds, image.will_due});
}

void Mover::Take(PlaceId from, const MoveEnd& end) {
  Taking* const taking = Find(from, end.partition, end.move);
  if (taking == nullptr) return;
  if (taking->parts != end.parts) {
    Drop(end.partition);
    state_.out.mail[from].emplace_back(MoveDone{end.partition, end.move, false});
    return;
  }
  if (!taking->images.empty()) Finish(taking->images.back());
  once_book_.Take(end.partition, end.given);
  taking->complete = true;
  taking->last = state_.last_lsn;
}

void Mover::OnDurable(session::Lsn durable) {
  for (auto& [partition, taking] : takings_) {
    if (!taking.complete || taking.answered || taking.last > durable) continue;
    taking.answered = true;
    if (state_.places[taking.from].up)
      state_.out.mail[taking.from].emplace_back(MoveDone{partition, taking.move, true});
  }
}

void Mover::Park(const session::SessionImage& image) {
  Taking& taking = takings_[image.key.partition];
  taking.images.push_back(image);
  taking.complete = taking.answered = true;
  taking.parked_until = state_.now + kParkedMs;
  state_.last_session_number = std::max(state_.last_session_number, image.key.number);
}

void Mover::Drop(PartitionId partition) {
  const auto found = takings_.find(partition);
  if (found == takings_.end()) return;
  for (const session::SessionImage& image : found->second.images)
    state_.last_lsn = state_.ports.store->Append(image.key, session::Ended{});
  once_book_.Forget(partition);
  takings_.erase(found);
}

void Mover::OnOwner(PartitionId partition, bool mine_before) {
  const bool mine = state_.IsMine(partition);
  if (mine && !mine_before) Adopt(partition);
  if (!mine && mine_before) LetGo(partition);
}

void Mover::Adopt(PartitionId partition) {
  std::vector<session::SessionImage> images;
  const auto found = takings_.find(partition);
  if (found != takings_.end() && found->second.complete) {
    images = std::move(found->second.images);
    takings_.erase(found);
    state_.stats.handovers_in.Add();
  } else {
    Drop(partition);  // nobody asked for a copy that is not whole
    claimed_.insert(partition);
  }
  TellRow(partition, false);
  for (const session::SessionImage& image : images)
    lifecycle_.StartTimer(lifecycle_.Restore(image));
  state_.claims[partition] = 1;
  state_.LookForOwners();
  TellRow(partition, true);
  lifecycle_.FinishOrphans();
  state_.ports.log->Log(LogLevel::kDebug, "partition.taken",
                        {{"partition", partition},
                         {"epoch", state_.table[partition].epoch},
                         {"sessions", images.size()}});
  Tell(Freeze{partition, true, 0});
}

void Mover::TellRow(PartitionId partition, bool claim) {
  for (PlaceId place = 0; place < state_.places.size(); ++place) {
    if (place != state_.options.id && state_.places[place].up)
      state_.out.mail[place].emplace_back(RowChange{partition, state_.table[partition], claim});
  }
}

// Sessions that were lost with the node that had them have nobody else to withdraw their filters.
void Mover::ForgetLostFilters() {
  std::vector<std::pair<std::string, PartitionId>> lost;
  state_.durable_routes.ForEach([&](std::string_view filter, uint32_t partition, uint32_t) {
    if (claimed_.contains(partition) &&
        !state_.durable_filters.contains(DurableKey(partition, filter)))
      lost.emplace_back(filter, partition);
  });
  claimed_.clear();
  if (lost.empty()) return;
  ++state_.route_sequence;
  for (const auto& [filter, partition] : lost) {
    state_.durable_routes.Set(filter, partition, 0);
    for (PlaceId place = 0; place < state_.places.size(); ++place) {
      if (place != state_.options.id && state_.places[place].up)
        state_.out.mail[place].emplace_back(
            DurableRoute{state_.route_sequence, partition, false, filter});
    }
  }
}

void Mover::LetGo(PartitionId partition) {
  state_.leaving.erase(partition);
  once_book_.Forget(partition);
  const auto giving = givings_.find(partition);
  std::vector<SessionRef> sessions;
  if (giving != givings_.end()) {
    sessions = std::move(giving->second.sessions);
    state_.ports.log->Log(LogLevel::kInfo, "partition.moved",
                          {{"partition", partition},
                           {"sessions", sessions.size()},
                           {"parts", giving->second.parts},
                           {"frozen_ms", state_.now - giving->second.began}});
    state_.stats.handovers_out.Add();
    state_.stats.handover.Observe(static_cast<uint64_t>(state_.now - giving->second.began) * 1'000);
    givings_.erase(giving);
  } else {  // somebody took it without asking: an operator said that we are gone
    state_.sessions.ForEach([&](Session& session) {
      if (PartitionOf(session.client_id(), state_.options.partitions) == partition)
        sessions.push_back({session.slot(), session.token()});
    });
    state_.ports.log->Log(LogLevel::kError, "partition.lost",
                          {{"partition", partition}, {"sessions", sessions.size()}});
  }
  for (const SessionRef& ref : sessions) {
    if (Session* const session = state_.sessions.Find(ref)) lifecycle_.Discard(*session);
  }
}

}  // namespace skein::shard
