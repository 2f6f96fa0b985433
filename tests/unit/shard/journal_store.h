// A session store that crashes as a disk does.
//
// Purpose: keeps the records themselves, so that a crash can take away exactly those that were not
// durable, and recovery yields what follows from the rest. Thread: confined to the test.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "broker/session/store.h"

namespace skein::shard {

class JournalStore final : public session::SessionStore {
 public:
  session::Lsn Append(std::string_view client_id, const session::RecordBody& body) override;
  void Commit() override { committed_ = entries_.size(); }
  session::Lsn durable() const override { return durable_; }
  void Recover(const std::function<void(const session::SessionImage&)>& visit) override;

  // The disk has written what was committed.
  void MakeDurable() { durable_ = committed_; }
  // The process died: what was not durable never happened.
  void Crash();

 private:
  struct Entry {
    std::string client_id;
    session::RecordBody body;
    std::string filter;  // what the views in `body` look at
    std::vector<uint32_t> ids;
  };

  std::deque<Entry> entries_;
  session::Lsn committed_ = 0;
  session::Lsn durable_ = 0;
};

}  // namespace skein::shard
