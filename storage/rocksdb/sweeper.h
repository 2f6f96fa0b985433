// Cleans up behind completed messages and ended sessions, a bounded step at a time.
//
// Purpose: an entry that left its queue may refer to a shared body, so it has to be read before it
// is deleted; an ended session may have a million entries. Both are done in the background. Owner:
// PartitionStates. Thread: under its lock. Limits: remembers one key for each session with work to
// do.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "broker/session/store.h"
#include "storage/rocksdb/body_uses.h"
#include "storage/rocksdb/session_rows.h"

namespace rocksdb {
class Iterator;
class WriteBatch;
}  // namespace rocksdb

namespace skein::storage {

class Sweeper {
 public:
  Sweeper(Database* database, SessionRows* rows, BodyUses* bodies)
      : database_(database), rows_(rows), bodies_(bodies) {}

  // The session ended, or has garbage that may share bodies.
  void Add(const session::SessionKey& key);

  // True: there is more to do.
  bool Run(size_t max_steps, rocksdb::WriteBatch* batch);

 private:
  // Each takes the steps it makes off *steps and returns true when it is through.
  bool SweepSession(const session::SessionKey& key, size_t* steps, rocksdb::WriteBatch* batch);
  bool ReleaseGarbage(CachedRow* cached, size_t* steps);
  bool DeleteSubscriptions(const session::SessionKey& key, size_t* steps,
                           rocksdb::WriteBatch* batch);
  void ReleaseBody(const session::SessionKey& key, std::string_view entry);

  Database* const database_;
  SessionRows* const rows_;
  BodyUses* const bodies_;
  std::deque<session::SessionKey> work_;
  absl::flat_hash_set<std::pair<session::PartitionId, uint64_t>> waiting_;  // those in work_
  std::unique_ptr<rocksdb::Iterator> queue_;                                // during Run()
};

}  // namespace skein::storage
