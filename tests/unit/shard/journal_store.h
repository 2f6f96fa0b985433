// A session store that crashes as a disk does.
//
// Purpose: keeps the records themselves, so that a crash can take away exactly those that were not
// durable, and recovery yields what follows from the rest. Thread: confined to the test.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "broker/session/store.h"
#include "storage/memory/session_store.h"

namespace skein::shard {

class JournalStore final : public session::SessionStore {
 public:
  using SessionStore::Append;
  session::Lsn Append(const session::SessionKey& key, const session::RecordBody& body,
                      const session::CommitGroupPtr& group) override;
  session::Lsn AppendRetained(const mqtt::MessagePtr& message) override;
  void Open(const session::CommitGroupPtr& group) override { ++group->open_parts; }
  void Close(const session::CommitGroupPtr& group) override { --group->open_parts; }
  bool Cancel(session::Lsn lsn) override;
  bool full() const override { return full_; }
  void ReadQueue(const session::QueueRead& request) override { reads_.push_back(request); }
  void TakePages(std::vector<session::QueuePage>* pages) override;
  void Commit() override { committed_ = entries_.size(); }
  session::Lsn durable() const override { return durable_; }
  void Recover(const std::function<void(const session::SessionImage&)>& visit) override;

  // The disk has written what was committed.
  void MakeDurable() { durable_ = committed_; }
  // The same of all shards of a node: what belongs to one commit group becomes durable together.
  static void MakeDurable(const std::vector<JournalStore*>& stores);
  // Something is to come: a page, or what was appended becomes durable.
  bool busy() const { return !reads_.empty() || durable_ < entries_.size(); }
  void set_full(bool full) { full_ = full; }
  // From now on a crash takes what was last made durable as well.
  void lie() { lies_ = true; }
  // The process died: what was not durable never happened.
  void Crash();

 private:
  struct Entry {
    session::SessionKey key;
    session::RecordBody body;
    std::string text;  // what the views in `body` look at
    std::vector<uint32_t> ids;
    bool void_record = false;       // cancelled, or none of a session
    session::CommitGroupPtr group;  // until it is durable
  };

  storage::MemorySessionStore Replay(session::Lsn end) const;

  std::deque<Entry> entries_;
  std::deque<session::QueueRead> reads_;
  session::Lsn committed_ = 0;
  session::Lsn durable_ = 0;
  bool full_ = false;
  bool lies_ = false;
};

}  // namespace skein::shard
