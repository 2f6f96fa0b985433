// How many queue entries use each shared body.
//
// Purpose: a body is deleted with the last entry that refers to it. The counts are read, changed in
// memory and written by checkpoints, like session rows. Owner: PartitionStates. Thread: under its
// lock. Limits: every count changed since the last checkpoint; of the others a stated number is
// kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/session/store.h"

namespace rocksdb {
class WriteBatch;
}

namespace skein::storage {

class Database;

class BodyUses {
 public:
  BodyUses(Database* database, size_t max_clean) : database_(database), max_clean_(max_clean) {}

  // The body has so many uses more.
  void Add(session::PartitionId partition, uint64_t body, uint64_t uses, bool is_new);
  // An entry that referred to it is gone.
  void Release(session::PartitionId partition, uint64_t body);

  // Appends the changed counts and the deletes of bodies nobody uses.
  void Write(rocksdb::WriteBatch* batch);

  size_t dirty_bytes() const { return dirty_.size() * kBytesEach; }

 private:
  static constexpr size_t kBytesEach = 64;
  using BodyId = std::pair<session::PartitionId, uint64_t>;
  struct Count {
    uint64_t uses = 0;
    bool dirty = false;
    bool stored = false;
  };

  Count& Load(const BodyId& body);
  void Touch(const BodyId& body, Count& count);

  Database* const database_;
  const size_t max_clean_;
  absl::flat_hash_map<BodyId, Count> counts_;
  std::vector<BodyId> dirty_;
};

}  // namespace skein::storage
