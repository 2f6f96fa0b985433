// Partitions that move from one node to another.
//
// Purpose: the giver freezes the partition everywhere (what is published to its durable sessions
// waits at the publishers' shards), ends its connections, copies sessions and queues to the taker,
// which records them as its own, and asks the coordinator to make the taker the owner. The taker
// then tells everybody the routes and lets the publishers go on. Until the table says otherwise the
// giver owns the partition, so a failure at any step costs nothing but the copy. Thread: confined
// to the shard. Limits: kWaiting parts wait for the taker's link; the freeze is given up when not
// everybody has answered within kFreezeMs.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/lifecycle.h"
#include "broker/shard/state.h"

namespace skein::shard {

class Mover {
 public:
  static constexpr size_t kWaiting = 512;
  static constexpr TimeMs kFreezeMs = 10'000;
  // A copy whose giver may still be asking the coordinator is kept for so long after a restart.
  static constexpr TimeMs kParkedMs = 120'000;
  // Tokens of pages that it asks for; no other has this bit.
  static constexpr uint64_t kPageBit = uint64_t{1} << 63;

  Mover(ShardState* state, Dispatcher* dispatcher, Lifecycle* lifecycle, OnceBook* once_book)
      : state_(*state), dispatcher_(*dispatcher), lifecycle_(*lifecycle), once_book_(*once_book) {}

  // Hands a partition of this shard over. Nothing happens if it cannot be begun.
  void Give(session::PartitionId partition, NodeNumber to);
  // The coordinator did not take it: everything stays as it was.
  void OnCommitFailed(session::PartitionId partition);
  // A partition of this shard has another owner, see ShardState::table.
  void OnOwner(session::PartitionId partition, bool mine_before);

  // A session that was found in the store though its partition is not ours.
  void Park(const session::SessionImage& image);

  // False: it is not about a move.
  bool OnMail(PlaceId from, Mail* mail);
  void OnPage(session::QueuePage* page);
  void OnDurable(session::Lsn durable);
  void OnPeerUp(NodeNumber peer);
  void OnPeerDown(NodeNumber peer);
  // One slice. True: there is more that need not wait.
  bool Run();
  bool idle() const { return givings_.empty() && takings_.empty() && claimed_.empty(); }

 private:
  enum class Phase : uint8_t { kFreezing, kDraining, kCopying, kCopied, kCommitting };
  struct Giving {
    Phase phase = Phase::kFreezing;
    NodeNumber to = kNoNode;
    uint64_t move = 0;
    TimeMs began = 0;
    absl::flat_hash_set<PlaceId> unfrozen;  // have not answered
    uint64_t jobs = 0;                      // that have to be done before the copy
    uint64_t tokens = 0;                    // those before it have to be answered
    std::vector<SessionRef> sessions;
    size_t next = 0;  // of them
    uint64_t parts = 0;
    session::QueueRead read;  // of the session before `next`; token 0: none is under way
    bool page_waits = false;
  };
  struct Taking {
    PlaceId from = 0;
    uint64_t move = 0;
    std::vector<session::SessionImage> images;
    uint64_t parts = 0;
    session::Lsn last = 0;
    bool complete = false;
    bool answered = false;
    TimeMs parked_until = kNever;
  };
  using Givings = absl::flat_hash_map<session::PartitionId, Giving>;

  void Tell(const Freeze& freeze);
  void CloseClients(session::PartitionId partition, Giving* giving);
  void Cut(Giving* giving);
  // True: more can be done at once.
  bool Copy(session::PartitionId partition, Giving* giving);
  void CopySession(session::PartitionId partition, Giving* giving, session::Session* session);
  void Abort(session::PartitionId partition);
  PlaceId PlaceFor(session::PartitionId partition, NodeNumber node) const;
  session::SessionImage Describe(const session::Session& session) const;

  void Take(PlaceId from, const MoveBegin& begin);
  void Take(PlaceId from, MovedSession* moved);
  void Take(PlaceId from, MovedMessage* moved);
  void Take(PlaceId from, const MoveEnd& end);
  Taking* Find(PlaceId from, session::PartitionId partition, uint64_t move);
  void MakeOlder(session::SessionImage* image) const;
  void Finish(const session::SessionImage& image);
  // Forgets a copy, on disk too.
  void Drop(session::PartitionId partition);
  void Adopt(session::PartitionId partition);
  // To all places. See RowChange::claim.
  void TellRow(session::PartitionId partition, bool claim);
  void LetGo(session::PartitionId partition);
  void ForgetLostFilters();

  ShardState& state_;
  Dispatcher& dispatcher_;
  Lifecycle& lifecycle_;
  OnceBook& once_book_;
  Givings givings_;
  absl::flat_hash_map<session::PartitionId, Taking> takings_;
  absl::flat_hash_set<session::PartitionId> claimed_;  // since the last Run(), without a copy
};

}  // namespace skein::shard
