// The giver's half; the taker's is in mover_take.cc.
#include "broker/shard/mover.h"

#include <algorithm>

#include "broker/base/check.h"

namespace skein::shard {

using session::PartitionId;
using session::Session;

PlaceId Mover::PlaceFor(PartitionId partition, NodeNumber node) const {
  return state_.PlaceOf(node, static_cast<ShardId>(partition % state_.peer_shards[node]));
}

void Mover::Give(PartitionId partition, NodeNumber to) {
  if (partition >= state_.table.size() || !state_.IsMine(partition) ||
      partition % state_.options.count != state_.options.id || givings_.contains(partition) ||
      to == state_.options.node || state_.ports.placement == nullptr)
    return;
  // A node that lives and is not told would go on to send here what it publishes.
  if (!state_.PeerUp(to) || (state_.await_all_members && !state_.AllMembersUp()))
    return state_.ports.placement->Abandon(partition);
  Giving& giving = givings_[partition];
  giving.to = to;
  giving.move = state_.ports.random() | 1;
  giving.began = state_.now;
  state_.frozen[partition] = {state_.options.node, state_.now};
  state_.ports.log->Log(LogLevel::kDebug, "partition.freezing", {{"partition", partition}});
  for (PlaceId place = 0; place < state_.places.size(); ++place) {
    if (place == state_.options.id || !state_.places[place].up) continue;
    giving.unfrozen.insert(place);
    state_.out.mail[place].emplace_back(Freeze{partition, false, giving.move});
  }
  CloseClients(partition, &giving);
  if (giving.unfrozen.empty()) Cut(&giving);
}

void Mover::CloseClients(PartitionId partition, Giving* giving) {
  std::vector<SessionRef> found;
  state_.sessions.ForEach([&](Session& session) {
    if (PartitionOf(session.client_id(), state_.options.partitions) == partition)
      found.push_back({session.slot(), session.token()});
  });
  for (const SessionRef& ref : found) {
    Session* const session = state_.sessions.Find(ref);
    if (session == nullptr) continue;
    if (session->connected()) {
      lifecycle_.Close(state_.connections[session->connection], mqtt::ReasonCode::kUseAnotherServer,
                       "the session moves to another node");
    }
    if (state_.sessions.Find(ref) != nullptr) giving->sessions.push_back(ref);
  }
}

void Mover::Cut(Giving* giving) {
  giving->phase = Phase::kDraining;
  giving->jobs = dispatcher_.jobs_begun();
  giving->tokens = dispatcher_.next_token();
}

bool Mover::Run() {
  bool more = false;
  if (!claimed_.empty()) ForgetLostFilters();
  std::vector<PartitionId> late;
  for (auto& [partition, giving] : givings_) {
    if (giving.phase == Phase::kFreezing && state_.now - giving.began > kFreezeMs)
      late.push_back(partition);
    if (giving.phase == Phase::kDraining && dispatcher_.jobs_done() >= giving.jobs &&
        dispatcher_.AllAnswered(giving.tokens)) {
      giving.phase = Phase::kCopying;
      state_.leaving.insert(partition);
      for (const SessionRef& ref : giving.sessions) {
        Session* const session = state_.sessions.Find(ref);
        if (session != nullptr) state_.wheel.Cancel(&session->timer());
      }
      dispatcher_.outbox().TellTaker(PlaceFor(partition, giving.to));
      state_.out.mail[PlaceFor(partition, giving.to)].emplace_back(
          MoveBegin{partition, giving.move});
    }
    if (giving.phase == Phase::kCopying) more |= Copy(partition, &giving);
  }
  for (const PartitionId partition : late)
    Abort(partition);
  std::vector<PartitionId> stale;
  for (const auto& [partition, taking] : takings_) {
    if (taking.parked_until <= state_.now) stale.push_back(partition);
  }
  for (const PartitionId partition : stale)
    Drop(partition);
  return more;
}

bool Mover::Copy(PartitionId partition, Giving* giving) {
  auto& box = state_.out.mail[PlaceFor(partition, giving->to)];
  for (size_t step = 0; step < kWaiting; ++step) {
    if (giving->page_waits) return false;
    if (box.size() >= kWaiting) return true;
    if (giving->read.token != 0) {
      giving->page_waits = true;
      state_.ports.store->ReadQueue(giving->read);
      return false;
    }
    if (giving->next == giving->sessions.size()) {
      box.emplace_back(MoveEnd{partition, giving->move, giving->parts, once_book_.Of(partition)});
      giving->phase = Phase::kCopied;
      return false;
    }
    Session* const session = state_.sessions.Find(giving->sessions[giving->next++]);
    if (session != nullptr && session->recorded()) CopySession(partition, giving, session);
  }
  return true;
}

void Mover::CopySession(PartitionId partition, Giving* giving, Session* session) {
  state_.out.mail[PlaceFor(partition, giving->to)].emplace_back(
      MovedSession{partition, giving->move, Describe(*session)});
  ++giving->parts;
  if (session->stored.messages == 0) return;
  giving->read.key = session->key;
  giving->read.token = kPageBit | partition;
  giving->read.from = session->stored.next;
  giving->read.max_messages = state_.limits.queue_page_messages;
  giving->read.max_bytes = state_.limits.queue_page_bytes;
  giving->read.after = state_.last_lsn;
}

session::SessionImage Mover::Describe(const Session& session) const {
  session::SessionImage image;
  image.client_id = session.client_id();
  image.expiry_seconds = session.expiry_seconds;
  image.version = session.version;
  image.disconnected_at = session.expires_at == kNever
                              ? state_.now
                              : session.expires_at - TimeMs{session.expiry_seconds} * 1'000;
  image.will_due = session.will_due;
  if (session.will != nullptr) {
    image.will = session::WillRecord{
        session.will->message, session.will->delay_seconds,
        session.principal == nullptr ? std::string() : session.principal->user_name,
        session.will->trusted};
  }
  for (const auto& [filter, handle] : session.subscriptions) {
    image.subscriptions.emplace_back(state_.subscriptions.text(filter),
                                     state_.subscriptions.options(handle));
  }
  if (const session::Inbound* inbound = session.inbound_if_any()) image.inbound = inbound->taken();
  image.last_sequence = session.last_sequence();
  return image;
}

void Mover::OnPage(session::QueuePage* page) {
  const auto found = givings_.find(static_cast<PartitionId>(page->token & ~kPageBit));
  if (found == givings_.end() || !found->second.page_waits || found->second.read.key != page->key)
    return;
  const PartitionId partition = found->first;
  Giving& giving = found->second;
  giving.page_waits = false;
  auto& box = state_.out.mail[PlaceFor(partition, giving.to)];
  for (session::StoredDelivery& entry : page->entries) {
    box.emplace_back(MovedMessage{partition, giving.move, std::move(entry)});
    ++giving.parts;
  }
  giving.read.from = page->next;
  if (page->end) giving.read.token = 0;
}

void Mover::OnCommitFailed(PartitionId partition) {
  const auto found = givings_.find(partition);
  if (found != givings_.end() && found->second.phase == Phase::kCommitting) Abort(partition);
}

void Mover::Abort(PartitionId partition) {
  const auto found = givings_.find(partition);
  if (found == givings_.end()) return;
  state_.ports.log->Log(LogLevel::kWarn, "partition.stays", {{"partition", partition}});
  state_.stats.handovers_failed.Add();
  state_.leaving.erase(partition);
  for (const SessionRef& ref : found->second.sessions) {
    Session* const session = state_.sessions.Find(ref);
    if (session != nullptr && !session->connected() && session->NextDeadline() != kNever)
      state_.wheel.Schedule(&session->timer(), session->NextDeadline());
  }
  givings_.erase(found);
  state_.ports.placement->Abandon(partition);
  Tell(Freeze{partition, true, 0});
}

// To all places, this one too.
void Mover::Tell(const Freeze& freeze) {
  for (PlaceId place = 0; place < state_.places.size(); ++place) {
    if (place != state_.options.id && state_.places[place].up)
      state_.out.mail[place].emplace_back(freeze);
  }
  if (!freeze.thaw) return;
  state_.frozen.erase(freeze.partition);
  dispatcher_.OnThaw();
}

void Mover::OnPeerUp(NodeNumber peer) {
  // It is told by ClusterView with the routes; what it publishes until it knows is refused here.
  OnPeerDown(peer);
}

void Mover::OnPeerDown(NodeNumber peer) {
  std::vector<PartitionId> broken;
  const bool lives =
      state_.await_all_members &&
      std::find(state_.members.begin(), state_.members.end(), peer) != state_.members.end();
  for (auto& [partition, giving] : givings_) {
    const size_t gone = absl::erase_if(giving.unfrozen, [&](PlaceId place) {
      return place >= state_.PlaceOf(peer, 0) && place < state_.PlaceOf(peer, kMaxShardsANode);
    });
    const bool unaware = gone > 0 && lives;  // what it has sent may not have come
    if ((giving.to == peer || unaware) && giving.phase != Phase::kCommitting) {
      broken.push_back(partition);
    } else if (giving.phase == Phase::kFreezing && giving.unfrozen.empty()) {
      Cut(&giving);
    }
  }
  for (const PartitionId partition : broken)
    Abort(partition);
}

bool Mover::OnMail(PlaceId from, Mail* mail) {
  if (auto* frozen = std::get_if<Frozen>(mail)) {
    const auto found = givings_.find(frozen->partition);
    if (found == givings_.end() || found->second.move != frozen->move) return true;
    found->second.unfrozen.erase(from);
    if (found->second.phase == Phase::kFreezing && found->second.unfrozen.empty())
      Cut(&found->second);
  } else if (auto* done = std::get_if<MoveDone>(mail)) {
    const auto found = givings_.find(done->partition);
    if (found == givings_.end() || found->second.move != done->move ||
        found->second.phase != Phase::kCopied)
      return true;
    if (!done->ok) {
      Abort(done->partition);
      return true;
    }
    found->second.phase = Phase::kCommitting;
    state_.ports.placement->Commit(
        {done->partition, {state_.table[done->partition].epoch + 1, found->second.to}});
  } else if (auto* begin = std::get_if<MoveBegin>(mail)) {
    Take(from, *begin);
  } else if (auto* session = std::get_if<MovedSession>(mail)) {
    Take(from, session);
  } else if (auto* message = std::get_if<MovedMessage>(mail)) {
    Take(from, message);
  } else if (auto* end = std::get_if<MoveEnd>(mail)) {
    Take(from, *end);
  } else {
    return false;
  }
  return true;
}

}  // namespace skein::shard
