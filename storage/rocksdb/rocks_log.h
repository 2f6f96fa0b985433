// RocksDB's own messages in the broker's log.
#pragma once

#include <memory>

#include "broker/base/log.h"
#include "rocksdb/env.h"

namespace skein::storage {

// Warnings and errors become the event "rocksdb"; the rest is left out. `log` outlives the result.
std::shared_ptr<rocksdb::Logger> MakeRocksLog(Logger* log);

}  // namespace skein::storage
