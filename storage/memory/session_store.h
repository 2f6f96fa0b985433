// The in-memory twin of the session store.
//
// Purpose: the same contract as a store on disk, without the disk: applies records to session
// images and yields them to whoever recovers from it. Used by tests and the simulator, which also
// decide when records become durable, and by a node that keeps nothing. Thread: confined to its
// shard, like the port. Limits: none of its own; it holds what the shard's limits let in.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "broker/session/store.h"

namespace skein::storage {

class MemorySessionStore final : public session::SessionStore {
 public:
  // kAtCommit: a commit is durable at once. kByHand: when MakeDurable() says so, as with a disk
  // that takes its time.
  enum class Durability { kAtCommit, kByHand };

  explicit MemorySessionStore(Durability durability = Durability::kAtCommit)
      : durability_(durability) {}

  session::Lsn Append(std::string_view client_id, const session::RecordBody& body) override;
  void Commit() override;
  session::Lsn durable() const override { return durable_; }
  void Recover(const std::function<void(const session::SessionImage&)>& visit) override;

  session::Lsn committed() const { return committed_; }
  void MakeDurable(session::Lsn lsn);

  const std::map<std::string, session::SessionImage, std::less<>>& images() const {
    return images_;
  }

 private:
  const Durability durability_;
  std::map<std::string, session::SessionImage, std::less<>> images_;
  session::Lsn last_ = 0;
  session::Lsn committed_ = 0;
  session::Lsn durable_ = 0;
};

// Applies one record to a session's image. False: the session is over.
bool ApplyRecord(const session::RecordBody& body, session::SessionImage* image);

}  // namespace skein::storage
