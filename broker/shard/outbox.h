// Messages for durable sessions whose owner cannot be reached now.
//
// Purpose: a publish that a durable session on a node that is away wants is kept here, on the disk,
// and is then acknowledged: one dead node stalls nobody. When the owner of the partition is back,
// whoever that is, the messages go to it in the order in which they came, a window at a time; each
// stays until the owner has said that it is durable there. What is published meanwhile goes behind
// them (Holds()). There is a queue for each partition, and for each shared group whose members are
// all away. In the store a queue is a session of this shard with a client id that no client can
// have. Owner: Dispatcher, which sends what Next() gives and brings the answers. Thread: confined
// to the shard. Limits: max_outbox_bytes; a message beyond is refused, as without an outbox.
// kWindow messages of a queue are under way.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/shard/state.h"

namespace skein::shard {

class Outbox {
 public:
  static constexpr size_t kWindow = 256;
  // Marks the tokens of its reads, so that pages find their way (Mover::kPageBit is another).
  static constexpr uint64_t kPageBit = uint64_t{1} << 62;
  // After a refusal a queue rests.
  static constexpr TimeMs kRestMs = 500;

  // Names a message that is under way, for OnAnswer().
  struct Ticket {
    uint64_t queue = 0;  // 0: none
    uint64_t sequence = 0;
  };
  // What is to be sent now. publish.token is the caller's to set.
  struct Outgoing {
    PlaceId place = 0;
    ForwardedPublish publish;
    Ticket ticket;
  };

  explicit Outbox(ShardState* state) : state_(*state) {}

  // A session that the store holds is a queue of ours.
  static bool IsQueue(const session::SessionImage& image);
  void Restore(const session::SessionImage& image);

  // Keeps a message for the partition's sessions that match, or for one member of a shared group if
  // `group` names one ("$share/..."). once: see ForwardedPublish. False: there is no room for it,
  // and a drop is counted. The gate, if any, waits for the record.
  bool Put(session::PartitionId partition, std::string_view group, const mqtt::MessagePtr& message,
           uint64_t once, Gate* gate);

  // Something waits for the partition's own sessions: what comes now has to go behind it.
  bool Holds(session::PartitionId partition) const { return holds_.contains(partition); }
  bool empty() const { return queues_.empty(); }

  // A place can be reached: it is told of what is kept for its node's partitions, and when that has
  // gone there.
  void Tell(PlaceId place, std::vector<Mail>* box);
  // Sessions of this shard move to a place. It is told of all that is kept, some of which they may
  // have published, and does not send what they publish there before that has gone.
  void TellTaker(PlaceId place);
  // The last message of the partition's own queue; 0: there is none.
  uint64_t LastOf(session::PartitionId partition) const;

  // The next message that can go; false: there is none now.
  bool Next(Outgoing* out);
  // refused: it was not taken, or nobody knows. It is sent again.
  void OnAnswer(const Ticket& ticket, bool refused);
  void OnPage(session::QueuePage* page);

 private:
  struct UnderWay {
    uint64_t sequence = 0;
    uint64_t cost = 0;
  };
  // Who has been told that there is something up to a sequence.
  struct Told {
    PlaceId place = 0;
    uint32_t ups = 0;  // Place::ups then
    uint64_t up_to = 0;
  };
  struct Queue {
    uint64_t id = 0;
    session::SessionKey key;
    session::PartitionId partition = 0;
    std::string group;
    uint64_t last_sequence = 0;
    uint64_t messages = 0;  // stored, those under way included
    uint64_t bytes = 0;
    uint64_t read_from = 1;
    std::deque<session::StoredDelivery> page;  // read, not sent
    bool page_waits = false;
    std::deque<UnderWay> under_way;
    uint64_t asked_for = 0;  // the page on its way has all up to there, if there is room for it
    uint64_t rewind_to = 0;  // refused, and all behind it that is left is to be sent again; 0: none
    TimeMs rests_until = 0;
    std::vector<Told> told;
    TimeMs since = 0;  // it is not empty; of one from before a start: since then
  };

  // Counts a drop, and says so. False.
  bool Refuse(DropReason reason, session::PartitionId partition, const mqtt::Message& message);
  void Trace(trace::Step step, session::PartitionId partition, const mqtt::Message& message,
             std::string_view why);
  Queue& Open(session::PartitionId partition, std::string_view group);
  Queue& Add(std::unique_ptr<Queue> queue);
  void Close(Queue* queue);
  Queue* Find(uint64_t id);
  void Fetch(Queue* queue);
  bool MayGo(Queue* queue);
  // Takes the next message of a queue that may go; false: it has to be read first, or there is
  // none.
  bool Take(Queue* queue, Outgoing* out);
  void DropExpired(Queue* queue);
  void Finish(Queue* queue, uint64_t sequence, uint64_t cost);
  void Count(Queue* queue, int messages, int64_t bytes);
  // Tells who was told that what was there before the sequence has gone.
  void TellGone(Queue* queue, uint64_t before);
  // What is behind that waits for what others keep.
  uint64_t MayGoUpTo(const Queue& queue) const;
  static uint64_t FirstLeft(const Queue& queue);
  void NoteSince();

  ShardState& state_;
  std::map<std::string, std::unique_ptr<Queue>> queues_;  // by DurableKey()
  absl::flat_hash_map<uint64_t, Queue*> by_id_;
  absl::flat_hash_map<session::PartitionId, uint32_t> holds_;  // queues without a group
  uint64_t next_id_ = 1;
  uint64_t used_bytes_ = 0;
};

}  // namespace skein::shard
