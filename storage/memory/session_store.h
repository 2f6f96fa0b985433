// The in-memory twin of the session store.
//
// Purpose: the same contract as a store on disk, without the disk: applies records to sessions and
// yields them to whoever recovers from it. Used by tests and the simulator, which also decide when
// records become durable and pages come, and by a node that keeps nothing. Thread: confined to its
// shard, like the port. Limits: none of its own; it holds what the shard's limits let in.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "broker/session/store.h"

namespace skein::storage {

// A session as its records tell it.
struct MemorySession {
  session::SessionImage image;  // but for subscriptions and what it says of the queue
  std::map<std::string, routing::SubscriptionOptions> subscriptions;
  std::map<uint64_t, session::StoredDelivery> queue;  // by sequence; also what is in flight
};

// Applies one record. False: the session is over.
bool ApplyRecord(const session::RecordBody& body, MemorySession* session);

// What Recover() has to tell of it.
session::SessionImage Describe(const MemorySession& session);

// The page that answers the request.
session::QueuePage ReadPage(const MemorySession* session, const session::QueueRead& request);

class MemorySessionStore final : public session::SessionStore {
 public:
  // kAtCommit: a commit is durable at once. kByHand: when MakeDurable() says so, as with a disk
  // that takes its time.
  enum class Durability { kAtCommit, kByHand };

  explicit MemorySessionStore(Durability durability = Durability::kAtCommit,
                              std::function<void()> wake = {})
      : durability_(durability), wake_(std::move(wake)) {}

  using SessionStore::Append;
  session::Lsn Append(const session::SessionKey& key, const session::RecordBody& body,
                      const session::CommitGroupPtr& group) override;
  session::Lsn AppendRetained(const mqtt::MessagePtr&) override { return ++last_; }
  void Open(const session::CommitGroupPtr& group) override { ++group->open_parts; }
  void Close(const session::CommitGroupPtr& group) override { --group->open_parts; }
  bool Cancel(session::Lsn) override { return false; }
  void Commit() override;
  session::Lsn durable() const override { return durable_; }
  bool full() const override { return full_; }
  void ReadQueue(const session::QueueRead& request) override;
  void TakePages(std::vector<session::QueuePage>* pages) override;
  void Recover(const std::function<void(const session::SessionImage&)>& visit) override;

  session::Lsn committed() const { return committed_; }
  void MakeDurable(session::Lsn lsn);
  void set_full(bool full) { full_ = full; }

  const std::map<session::SessionKey, MemorySession>& sessions() const { return sessions_; }

 private:
  const Durability durability_;
  const std::function<void()> wake_;
  std::map<session::SessionKey, MemorySession> sessions_;
  std::deque<session::QueueRead> reads_;
  session::Lsn last_ = 0;
  session::Lsn committed_ = 0;
  session::Lsn durable_ = 0;
  bool full_ = false;
};

}  // namespace skein::storage
