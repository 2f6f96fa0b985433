// A record between memory and its form on disk.
//
// Purpose: the one place where the fields of session::RecordBody meet those of v1::Record. Thread:
// plain functions, any thread.
#pragma once

#include <cstdint>

#include "broker/session/store.h"

namespace skein::storage::v1 {
class Record;
}

namespace skein::storage {

// Fills an empty record of a session. An Enqueued gets its own message; to share a body, use
// EncodeEnqueued() and set the content.
void EncodeRecord(uint64_t session, const session::RecordBody& body, v1::Record* out);

// All but the content.
void EncodeEnqueued(uint64_t session, const session::Enqueued& enqueued, v1::Record* out);

}  // namespace skein::storage
