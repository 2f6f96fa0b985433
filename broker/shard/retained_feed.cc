#include "broker/shard/retained_feed.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "broker/auth/topic_rules.h"
#include "broker/routing/retained_scan.h"

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
  if (comparisons_.size() <= peer) comparisons_.resize(peer + size_t{1});
  comparisons_[peer] = std::make_unique<Comparison>();
  TellDigest(peer);
}

void RetainedFeed::Stop(NodeNumber peer) {
  std::erase_if(snapshots_, [peer](const Snapshot& each) { return each.peer == peer; });
  if (peer < comparisons_.size()) comparisons_[peer].reset();
  links_changed_at_ = state_.now;
}

void RetainedFeed::TellDigest(NodeNumber peer) {
  state_.out.mail[PlaceAt(peer)].emplace_back(RetainedDigestMail{
      std::make_unique<RetainedDigest>(state_.ports.retained->Digest(state_.now))});
}

bool RetainedFeed::Sends(NodeNumber peer) const {
  return std::any_of(snapshots_.begin(), snapshots_.end(),
                     [peer](const Snapshot& each) { return each.peer == peer; });
}

// Who is still being told what it lacks would only find that it lacks it.
void RetainedFeed::TellDigests() {
  tell_at_ = NextTelling();
  for (NodeNumber peer = 0; peer < comparisons_.size(); ++peer) {
    if (comparisons_[peer] != nullptr && !Sends(peer)) TellDigest(peer);
  }
}

void RetainedFeed::OnDigest(PlaceId from, const RetainedDigest& theirs) {
  const NodeNumber peer = state_.NodeOf(from);
  if (peer >= comparisons_.size() || comparisons_[peer] == nullptr || Sends(peer)) return;
  Comparison& comparison = *comparisons_[peer];
  const bool first = std::exchange(comparison.first, false);
  // To the later of the two times, if that is not far ahead of our clock.
  const bool ahead = theirs.as_of > state_.now + kClockSkewMs;
  const RetainedDigest ours =
      state_.ports.retained->Digest(ahead ? state_.now : std::max(state_.now, theirs.as_of));
  if (!first && ours.as_of != theirs.as_of) return;
  RetainedBuckets differ;
  for (size_t bucket = 0; bucket < ours.buckets.size(); ++bucket) {
    uint32_t& times = comparison.times[bucket];
    if (ours.buckets[bucket] == theirs.buckets[bucket]) {
      times = 0;
    } else if (first) {
      differ.set(bucket);
    } else {
      ++times;
      const bool due =
          times < kLongestPatience ? std::has_single_bit(times) : times % kLongestPatience == 0;
      if (times >= kPatience && due) differ.set(bucket);
    }
  }
  if (differ.any()) Send(peer, differ, !first);
}

void RetainedFeed::Send(NodeNumber peer, const RetainedBuckets& buckets, bool repair) {
  if (repair) {
    state_.ports.log->Log(LogLevel::kInfo, "retained.repair",
                          {{"node", peer}, {"buckets", buckets.count()}});
  }
  Snapshot snapshot;
  snapshot.peer = peer;
  snapshot.buckets = buckets;
  snapshot.repair = repair;
  snapshot.removed = state_.ports.retained->Removed(buckets);
  snapshot.reader = state_.ports.retained->Open({}, state_.ports.wake);
  snapshots_.push_back(std::move(snapshot));
}

bool RetainedFeed::Run() {
  if (state_.now >= tell_at_) TellDigests();
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
    box.emplace_back(RetainedChange{std::move(snapshot->removed.back()), snapshot->repair});
    snapshot->removed.pop_back();
  }
  if (!snapshot->removed.empty()) {
    *more = true;
    return true;
  }
  found_.clear();
  const RetainedReader::Result result = snapshot->reader->Read(state_.now, kSlice, &found_);
  for (mqtt::MessagePtr& message : found_) {
    const std::string key = routing::EncodeRetainedKey(message->topic());
    if (snapshot->buckets[routing::RetainedBucket(key)])
      box.emplace_back(RetainedChange{std::move(message), snapshot->repair});
  }
  *more |= result == RetainedReader::Result::kMore;
  return result != RetainedReader::Result::kDone;
}

bool RetainedFeed::IsLate(const mqtt::Message& message) const {
  const TimeMs written = message.received_at();
  return written + state_.options.digest_interval_ms <= state_.now &&
         written >= links_changed_at_ && state_.AllMembersUp();
}

void RetainedFeed::OnChange(const RetainedChange& change) {
  if (SysTopics::Holds(change.message->topic())) {
    if (state_.ports.sys != nullptr) state_.ports.sys->Set(change.message, state_.now);
    return;
  }
  switch (state_.ports.retained->Merge(change.message, state_.now)) {
    case RetainedStore::PutResult::kStored:
    case RetainedStore::PutResult::kRemoved:
      if (change.repair && IsLate(*change.message)) state_.stats.retained_divergence.Add();
      state_.last_lsn = state_.ports.store->AppendRetained(change.message);
      if (state_.ports.on_kept != nullptr && auth::IsOwnTopic(change.message->topic()))
        state_.ports.on_kept(*change.message);
      return;
    case RetainedStore::PutResult::kFull:
      state_.stats.Drop(DropReason::kRetainedFull);
      state_.stats.Hit(LimitHit::kMaxRetained);
      return;
    case RetainedStore::PutResult::kOlder:
      return;
  }
}

}  // namespace skein::shard
