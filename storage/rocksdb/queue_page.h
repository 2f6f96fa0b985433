// Reads a page of a queue from the database.
//
// Purpose: the messages of one queue in ascending order, with the bodies they share, at a cost that
// depends on the page and not on the queue. Thread: any; it uses the database and its arguments
// only.
#pragma once

#include "absl/status/status.h"
#include "broker/session/store.h"
#include "storage/rocksdb/session_row.h"

namespace rocksdb {
class Snapshot;
}

namespace skein::storage {

class Database;

// `queue` says what is queued and what was sent, as of the snapshot or a little earlier. Fills
// entries, next and end of *page.
absl::Status ReadQueuePage(Database* database, const rocksdb::Snapshot* snapshot,
                           const QueueOutline& queue, const session::QueueRead& request,
                           session::QueuePage* page);

}  // namespace skein::storage
