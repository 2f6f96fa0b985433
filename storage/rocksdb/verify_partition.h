// Checks one partition (verify.h).
//
// Purpose: reads the partition's part of each family as it is on disk, and compares. Rows and body
// counts correspond to the applied position; queue entries, bodies and subscriptions may be ahead
// of it, as far as the frames after it go. Thread: confined.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/session/store.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/session_row.h"
#include "storage/rocksdb/verify.h"

namespace skein::storage {

class PartitionVerifier {
 public:
  PartitionVerifier(Database* database, session::PartitionId partition, VerifyReport* report)
      : database_(database), partition_(partition), report_(*report) {}

  void Run();

 private:
  struct Queue {
    SessionRow row;
    bool ended = false;
    uint64_t found = 0;  // entries of queued messages
  };
  using Visit = std::function<void(std::string_view key, std::string_view value)>;

  // Yields what the family holds of the partition.
  void Scan(Family family, const Visit& visit);
  void Problem(std::string_view what, std::string_view why = {});

  void ReadApplied();
  void CheckFrame(std::string_view key, std::string_view value);
  void CheckState(std::string_view key, std::string_view value);
  void CheckSession(uint64_t number, std::string_view value);
  void CheckEnded(uint64_t number, std::string_view value);
  void CheckEntry(std::string_view key, std::string_view value);
  void CheckPlace(uint64_t number, uint64_t sequence);
  void CheckBody(std::string_view key, std::string_view value);
  void CheckSums();

  // The body may be missing, or uncounted, as its frame is not applied yet.
  bool Ahead(uint64_t body) const { return body >> 16 > applied_; }

  Database* const database_;
  const session::PartitionId partition_;
  VerifyReport& report_;
  uint64_t applied_ = 0;
  uint64_t applied_chain_ = 0;
  uint64_t last_frame_ = 0;  // 0: none was read yet
  uint64_t last_chain_ = 0;
  absl::flat_hash_set<uint64_t> ahead_;  // sessions with records after the applied position
  absl::flat_hash_map<uint64_t, Queue> queues_;
  absl::flat_hash_set<uint64_t> subscribers_;
  absl::flat_hash_set<std::string> client_ids_;
  absl::flat_hash_map<uint64_t, uint64_t> uses_;        // of bodies, as counted
  absl::flat_hash_map<uint64_t, uint64_t> references_;  // of bodies, as found
};

}  // namespace skein::storage
