// Which QoS 2 messages this shard's sessions have been given.
//
// Purpose: a QoS 2 message may come twice from another node, when a node has died or a link has
// broken before anybody could say that it arrived. Each is known by a number that is the same every
// time (Once::id). What the durable sessions of a partition were given is recorded with their copy
// of the message, goes along when the partition moves, and is there after a restart: in the store
// it is the queue of a session of the partition with a client id that no client can have. What
// transient sessions were given ends with them. Thread: confined to the shard. Limits: the last
// kMaxAPartition of each partition, kMaxTransient of transient sessions; a message that was
// forgotten and comes again is given twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/shard/state.h"

namespace skein::shard {

class OnceBook {
 public:
  static constexpr size_t kMaxAPartition = 4'096;
  static constexpr size_t kMaxTransient = 16'384;
  // Marks the tokens of its reads, so that pages find their way; see Mover and Outbox.
  static constexpr uint64_t kPageBit = uint64_t{1} << 61;

  explicit OnceBook(ShardState* state);

  // A session that the store holds is a book of ours.
  static bool IsBook(const session::SessionImage& image);
  void Restore(const session::SessionImage& image);
  // Recovery is over: reads the books. Until a book is Known() nobody can say what is in it.
  void Load();
  void OnPage(session::QueuePage* page);

  bool Known(session::PartitionId partition) const;
  bool loaded() const { return loading_ == 0; }
  // All sessions of the partition that want it have it; or all transient sessions.
  bool Has(uint64_t id, session::PartitionId partition) const;
  bool TransientHave(uint64_t id) const { return transient_.ids.contains(id); }

  // Recorded, as part of the commit group at hand.
  void Remember(uint64_t id, session::PartitionId partition);
  void RememberTransient(uint64_t id) { transient_.Add(id, kMaxTransient); }

  // What goes along with a partition; a partition comes, with what goes along; it is not here any
  // more.
  std::vector<uint64_t> Of(session::PartitionId partition) const;
  void Take(session::PartitionId partition, const std::vector<uint64_t>& ids);
  void Forget(session::PartitionId partition);

 private:
  // The last ones, in order.
  struct Ids {
    absl::flat_hash_set<uint64_t> ids;
    std::deque<uint64_t> order;

    void Add(uint64_t id, size_t maximum);
  };
  struct Book {
    session::SessionKey key;
    uint64_t first_sequence = 1;
    uint64_t last_sequence = 0;
    bool known = true;
    Ids given;
  };

  Book& Open(session::PartitionId partition);
  void Ask(session::PartitionId partition, const Book& book, uint64_t from);

  ShardState& state_;
  const mqtt::MessagePtr entry_;  // stands for each message
  absl::flat_hash_map<session::PartitionId, Book> books_;
  Ids transient_;
  size_t loading_ = 0;  // books
};

}  // namespace skein::shard
