#include "broker/shard/retained_feed.h"

#include <utility>

namespace skein::shard {

// One shard of a node always speaks to the same one of another.
PlaceId RetainedFeed::PlaceAt(NodeNumber peer) const {
  return state_.PlaceOf(peer, static_cast<ShardId>(state_.options.id % state_.peer_shards[peer]));
}

void RetainedFeed::Announce(const mqtt::MessagePtr& message) {
  for (NodeNumber peer = 0; peer < state_.peer_shards.size(); ++peer) {
    if (state_.peer_shards[peer] == 0 || !state_.PeerUp(peer)) continue;
    state_.out.mail[PlaceAt(peer)].emplace_back(RetainedChange{message});
  }
}

void RetainedFeed::Start(NodeNumber peer) {
  Stop(peer);
  if (state_.options.id != 0) return;
  Snapshot snapshot;
  snapshot.peer = peer;
  snapshot.removed = state_.ports.retained->Removed();
  snapshot.reader = state_.ports.retained->Open({}, state_.ports.wake);
  snapshots_.push_back(std::move(snapshot));
}

void RetainedFeed::Stop(NodeNumber peer) {
  std::erase_if(snapshots_, [peer](const Snapshot& each) { return each.peer == peer; });
}

bool RetainedFeed::Run() {
  bool more = false;
  std::erase_if(snapshots_, [&](Snapshot& snapshot) { return !Slice(&snapshot, &more); });
  return more;
}

bool RetainedFeed::Slice(Snapshot* snapshot, bool* more) {
  auto& box = state_.out.mail[PlaceAt(snapshot->peer)];
  if (box.size() >= kWaiting) {
    *more = true;
    return true;
  }
  for (size_t i = 0; i < kSlice && !snapshot->removed.empty(); ++i) {
    box.emplace_back(RetainedChange{std::move(snapshot->removed.back())});
    snapshot->removed.pop_back();
  }
  if (!snapshot->removed.empty()) {
    *more = true;
    return true;
  }
  found_.clear();
  const RetainedReader::Result result = snapshot->reader->Read(state_.now, kSlice, &found_);
  for (mqtt::MessagePtr& message : found_)
    box.emplace_back(RetainedChange{std::move(message)});
  *more |= result == RetainedReader::Result::kMore;
  return result != RetainedReader::Result::kDone;
}

void RetainedFeed::OnChange(const RetainedChange& change) {
  switch (state_.ports.retained->Merge(change.message)) {
    case RetainedStore::PutResult::kStored:
    case RetainedStore::PutResult::kRemoved:
      state_.last_lsn = state_.ports.store->AppendRetained(change.message);
      return;
    case RetainedStore::PutResult::kFull:
      state_.stats.Drop(DropReason::kRetainedFull);
      return;
    case RetainedStore::PutResult::kOlder:
      return;
  }
}

}  // namespace skein::shard
