// The parts of durable sessions' queues that are in the store only.
//
// Purpose: memory holds what a connected client is about to be sent, at most about a page a
// session; everything else of a durable session's queue is in the store, and of an offline session
// all of it. Here is decided what stays where, and pages are asked for and taken. Thread: confined
// to the shard. Limits: Limits::queue_page_messages and queue_page_bytes; one page on its way a
// session.
#pragma once

#include "absl/container/flat_hash_map.h"
#include "broker/shard/state.h"

namespace skein::shard {

class StoredQueues {
 public:
  explicit StoredQueues(ShardState* state) : state_(*state) {}

  // Whether a recorded delivery has to stay in the store only.
  bool MustStore(const session::Session& session) const;
  // Counts such a delivery; its record is `lsn`.
  void Add(session::Session* session, const session::Delivery& delivery, session::Lsn lsn);

  // The queue is full: its oldest waiting message goes. False if there is none.
  bool DropOldest(session::Session* session);

  // The client is gone: what was in memory is left to the store.
  void Unload(session::Session* session);

  // The session ends. Returns how many messages are lost with it.
  uint64_t Forget(session::Session* session);

  // Asks for the next page when memory runs low.
  void Fetch(session::Session* session);

  // Puts a page into memory. Returns the session, to be pumped; null if nobody waits for it now.
  session::Session* Take(session::QueuePage* page);

 private:
  struct Read {
    SessionRef session;
    session::Lsn after = 0;
  };

  void TakeEntry(session::Session* session, session::StoredDelivery* entry);
  void Uncount(session::StoredQueue* stored, uint64_t cost);

  ShardState& state_;
  uint64_t next_read_ = 1;
  absl::flat_hash_map<uint64_t, Read> reads_;
};

}  // namespace skein::shard
