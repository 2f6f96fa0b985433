// A database that is read as usual, but whose writes stay in memory.
//
// Purpose: tools bring the state of somebody else's store up to the end of its logs without
// changing it. Owner: Database. Thread: confined. Limits: the memory of what is written. Supports
// what PartitionStates needs: Get, MultiGet of one family, iterators, batches without ranges; a
// snapshot is null, as nothing changes under a reader.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace skein::storage {

// scratch: a folder that goes with it, or empty.
std::unique_ptr<rocksdb::DB> MakeOverlayDb(
    std::unique_ptr<rocksdb::DB> base, const std::vector<rocksdb::ColumnFamilyHandle*>& families,
    std::string scratch);

}  // namespace skein::storage
