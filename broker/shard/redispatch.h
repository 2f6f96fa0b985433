// Messages of shared groups whose member has gone.
//
// Purpose: what a session that ends had not acknowledged of its shared groups is given to other
// members, wherever they are: what waited, and of QoS 1 also what was sent. A QoS 2 message that
// was sent is not, for the client may have it [MQTT-4.8.2-5]. Of a session that lives, only what a
// transient one has waiting when it unsubscribes: all else is completed with it [MQTT-3.10.4-3]
// [MQTT-4.8.2-4].
// A durable session's messages stay in the store until others have them, page by page: its records
// end (session::Ended) after that, also when the process was ended meanwhile. Thread: confined to
// the shard. Limits: kUnderWay messages are given and not answered at a time, one stored queue is
// read at a time; what waits in memory counts in the queues' budget. What is refused kAttempts
// times, or finds no member, is dropped (DropReason::kSessionEnded); where the only ones are
// durable members of a node that cannot be reached, it waits for that node, and stored queues
// behind it.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/shard/dispatcher.h"
#include "broker/shard/state.h"
#include "broker/shard/stored_queues.h"

namespace skein::shard {

class Redispatcher {
 public:
  static constexpr size_t kUnderWay = 256;
  static constexpr uint8_t kAttempts = 3;
  // Marks the pages that are for this class.
  static constexpr uint64_t kPageBit = uint64_t{1} << 60;

  Redispatcher(ShardState* state, Dispatcher* dispatcher, StoredQueues* stored)
      : state_(*state), dispatcher_(*dispatcher), stored_(*stored) {}

  // A session ends; its subscriptions are gone. Takes what others are to have out of its memory.
  // True: its store has such messages; Ended is appended here, not by the caller.
  bool TakeOver(session::Session* session);
  // A connected session has left a group.
  void OnUnsubscribed(session::Session* session, std::string_view filter);

  // What Recover() finds may be such a queue. True: it is, and no session.
  bool Restore(const session::SessionImage& image);
  // The other shards and nodes are there.
  void Begin() {
    begun_ = true;
    woken_ = !idle();
  }

  void OnPage(session::QueuePage* page);

  // Gives what there is to give, and hears what became of it. True if there is more to do.
  bool Run();
  // What it holds of the queues' budget.
  uint64_t budgeted() const { return budgeted_; }
  // Something came since.
  bool woken() const { return woken_; }
  bool idle() const {
    return waiting_.empty() && under_way_.empty() && away_.empty() && queues_.empty();
  }

 private:
  struct Item {
    mqtt::MessagePtr message;
    routing::ShareRef group;
    uint32_t cost = 0;
    uint8_t attempts = 0;
    uint64_t sequence = 0;  // in the first stored queue; 0: it is in memory only
  };
  // The queue of a durable session that is over.
  struct StoredQueue {
    session::SessionKey key;
    uint64_t next = 1;
    session::Lsn after = 0;
  };

  void Budget(const Item& item);
  void Keep(std::vector<session::Delivery> deliveries);
  // One message goes its way. False: not now.
  bool Give();
  void OnGiven(const Dispatcher::Given& given);
  // The message is with another member, or lost: it need not be kept.
  void Release(const Item& item);
  void Drop(const Item& item, DropReason reason);
  // Members that were away may be back.
  void LookAgain();
  // The next page of the first stored queue, or its end.
  void Advance();

  ShardState& state_;
  Dispatcher& dispatcher_;
  StoredQueues& stored_;
  bool begun_ = false;
  bool woken_ = false;
  uint64_t budgeted_ = 0;
  std::deque<Item> waiting_;
  absl::flat_hash_map<uint64_t, Item> under_way_;  // by id
  std::vector<Item> away_;                         // their members are
  uint64_t routes_ = 0;                            // their version when that was seen
  uint64_t last_number_ = 0;
  std::deque<StoredQueue> queues_;
  // Of the first of them:
  bool reading_ = false;
  bool read_all_ = false;
  size_t open_ = 0;  // messages that others do not have yet
};

}  // namespace skein::shard
