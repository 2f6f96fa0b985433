// A write batch in the order of its keys.
//
// Purpose: a memtable takes keys in ascending order at a fraction of the cost, as each one's place
// is next to the one before; and many queues' ends come out as one run each. Thread: plain
// function, any thread.
#pragma once

#include <span>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

namespace skein::storage {

// Appends the Puts and Deletes of `from` to *to, by family and key; those of one key keep their
// order. `from` has nothing else. families: of the database.
rocksdb::Status SortBatch(const rocksdb::WriteBatch& from,
                          std::span<rocksdb::ColumnFamilyHandle* const> families,
                          rocksdb::WriteBatch* to);

}  // namespace skein::storage
