// A record that waits to be written.
//
// Purpose: what a shard appended, without the views into its buffers. What is frequent is kept as
// it is, so that appending allocates nothing and a message that is cancelled was never encoded; the
// rest is encoded at once. Thread: plain values; handed from a shard to the committer.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "broker/session/store.h"

namespace skein::storage::v1 {
class Record;
}

namespace skein::storage {

// The deleter lives where v1::Record is known.
struct DeleteRecord {
  void operator()(const v1::Record* record) const;
};
using EncodedRecord = std::unique_ptr<v1::Record, DeleteRecord>;

struct Cancelled {};

// What is retained under the message's topic changed.
struct RetainedChange {
  mqtt::MessagePtr message;
};

struct StagedEnqueued {
  uint64_t sequence = 0;
  mqtt::MessagePtr message;
  session::SubscriptionIds subscription_ids;
  Qos qos = Qos::kAtLeastOnce;
  bool retain = false;
  PacketId packet_id = 0;
  routing::ShareRef share;
};

using StagedBody = std::variant<Cancelled, StagedEnqueued, session::Sent, session::Released,
                                session::Completed, session::DroppedOldest, session::InboundTaken,
                                session::InboundReleased, session::WillDone, session::Ended,
                                session::Disconnected, RetainedChange, EncodedRecord>;

struct StagedRecord {
  session::SessionKey key;
  StagedBody body;
};

// Keeps what `body` says, without its views.
StagedBody Stage(const session::RecordBody& body);

// Fills an empty record; not for Cancelled and RetainedChange, which are none.
void EncodeStaged(const StagedRecord& staged, v1::Record* out);

// Record `lsn` belongs to a group.
struct GroupMark {
  session::Lsn lsn = 0;
  session::CommitGroupPtr group;
};

// Consecutive records of one shard.
struct StagedBatch {
  session::Lsn first = 1;  // number of records[0]
  std::vector<StagedRecord> records;
  std::vector<GroupMark> marks;  // ascending

  session::Lsn next() const { return first + records.size(); }
};

}  // namespace skein::storage
