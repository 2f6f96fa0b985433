// A file system that remembers what a power cut would take.
//
// Purpose: RocksDB runs on it as on the real one, and can be killed at any moment; power_cut_apply
// then takes from its files what was never synced, so that a missing fsync becomes a lost message.
// RangeSync counts for nothing, for it makes nothing durable. Thread: any. Limits: files that are
// written only at their end (no recycled logs, no random writes).
#pragma once

#include <memory>
#include <string>

#include "rocksdb/file_system.h"

namespace skein::testing_support {

// The journal's folder: power_cut_journal.h. After a kill it must be given to power_cut_apply
// before another process goes on with the files.
std::shared_ptr<rocksdb::FileSystem> MakePowerCutFileSystem(const std::string& journal_folder);

}  // namespace skein::testing_support
