// Judges the write-ahead log before RocksDB reads it.
//
// Purpose: RocksDB's own modes either drop an acknowledged tail in silence or refuse a log that a
// power cut has merely torn. This check tells the two apart. A record that is not whole and has no
// record after it is torn: it was never acknowledged, and is cut off. A record that is not whole
// and has others after it is damage: the database is not opened. Thread: one, before the database
// is open. Limits: reads the log once, block by block. Source of the format: RocksDB's "Write Ahead
// Log File Format" (blocks of 32 KiB; a fragment is masked CRC32C, length, type, payload).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "rocksdb/file_system.h"

namespace skein::storage {

struct WalReport {
  uint64_t records = 0;
  // The first cut, if dropped_bytes > 0.
  std::string file;
  uint64_t kept_bytes = 0;
  uint64_t dropped_bytes = 0;
  std::string saved_to;  // where a repair put what it dropped, or empty
};

// repair: damage is cut off, too, with all that follows it; what is dropped goes to a file
// <save_to_dir>/dropped-<seconds since 1970>.bin. DataLoss: damage, and repair was not asked for;
// the text names file and offset. dry_run: nothing is changed, a torn tail is only reported.
absl::StatusOr<WalReport> CheckWal(rocksdb::FileSystem* files, const std::string& db_path,
                                   const std::string& save_to_dir, bool repair,
                                   bool dry_run = false);

}  // namespace skein::storage
