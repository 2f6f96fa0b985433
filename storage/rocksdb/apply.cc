// What each record does to the state (PartitionStates::Apply).
#include <utility>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "broker/base/check.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/rocksdb/body_uses.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/partition_states.h"
#include "storage/rocksdb/session_rows.h"
#include "storage/rocksdb/sweeper.h"

namespace skein::storage {
namespace {

rocksdb::Slice AsSlice(const Key& key) {
  return {key.view().data(), key.view().size()};
}

void ApplyConnected(const v1::Connected& connected, SessionRow* row) {
  row->client_id = connected.client_id();
  row->expiry_seconds = connected.expiry_seconds();
  row->version = static_cast<uint8_t>(connected.version());
  row->disconnected_at = kNever;
  row->will_due = kNever;
  row->will.clear();
  if (connected.has_will()) connected.will().SerializeToString(&row->will);
}

void ApplyDisconnected(const v1::Disconnected& disconnected, SessionRow* row) {
  row->disconnected_at = disconnected.at_ms();
  row->expiry_seconds = disconnected.expiry_seconds();
  row->will_due = disconnected.has_will_due_ms() ? disconnected.will_due_ms() : kNever;
  if (row->will_due == kNever) row->will.clear();
}

// The index in the frame `sequence`, if the body is one of its `count`.
bool IndexInFrame(uint64_t body, uint64_t sequence, size_t count, size_t* index) {
  *index = static_cast<size_t>(body - BodyNumber(sequence, 0));
  return body >= BodyNumber(sequence, 0) && *index < count;
}

}  // namespace

void PartitionStates::Apply(session::PartitionId partition, Position at, const v1::Frame& frame,
                            rocksdb::WriteBatch* batch) {
  MutexLock lock(mutex_);
  SKEIN_CHECK(at.sequence == applied_[partition].sequence + 1) << "a frame is missing";
  uses_.assign(static_cast<size_t>(frame.bodies_size()), 0);
  for (const v1::Record& record : frame.records())
    ApplyRecord(partition, at, record, batch);
  KeepBodies(partition, at, frame, batch);
  applied_[partition] = at;
  moved_[partition] = true;
}

// Puts the bodies that a queue took.
void PartitionStates::KeepBodies(session::PartitionId partition, Position at,
                                 const v1::Frame& frame, rocksdb::WriteBatch* batch) {
  for (const v1::Body& body : frame.bodies()) {
    size_t index = 0;
    if (!IndexInFrame(body.number(), at.sequence, uses_.size(), &index) || uses_[index] == 0) {
      continue;
    }
    bodies_->Add(partition, body.number(), std::exchange(uses_[index], 0), /*is_new=*/true);
    body.message().SerializeToString(&scratch_);
    batch->Put(database_->family(Family::kBodies), AsSlice(BodyKey(partition, body.number())),
               scratch_);
  }
}

void PartitionStates::ApplyRecord(session::PartitionId partition, Position at,
                                  const v1::Record& record, rocksdb::WriteBatch* batch) {
  CachedRow* cached = rows_->Load({partition, record.session()});
  if (cached->life == RowLife::kAbsent && record.has_connected()) rows_->Create(cached);
  if (cached->life != RowLife::kLive) return;
  rows_->Touch(cached);
  ApplyToSession(cached, at, record, batch);
  if (cached->row.may_share_bodies && !cached->row.garbage.empty()) sweeper_->Add(cached->key);
}

void PartitionStates::ApplyToSession(CachedRow* cached, Position at, const v1::Record& record,
                                     rocksdb::WriteBatch* batch) {
  SessionRow& row = cached->row;
  switch (record.record_case()) {
    case v1::Record::kConnected:
      ApplyConnected(record.connected(), &row);
      break;
    case v1::Record::kDisconnected:
      ApplyDisconnected(record.disconnected(), &row);
      break;
    case v1::Record::kWillDone:
      row.will.clear();
      row.will_due = kNever;
      break;
    case v1::Record::kEnded:
      row.End();
      cached->life = RowLife::kEnded;
      sweeper_->Add(cached->key);
      break;
    case v1::Record::kSubscribed:
      ApplySubscribed(cached, record.subscribed(), batch);
      break;
    case v1::Record::kUnsubscribed:
      batch->Delete(database_->family(Family::kState),
                    SubscriptionKey(cached->key, record.unsubscribed().filter()));
      break;
    case v1::Record::kEnqueued:
      ApplyEnqueued(cached, at, record.enqueued(), batch);
      break;
    case v1::Record::kSent:
      row.Send(record.sent().sequence(), static_cast<PacketId>(record.sent().packet_id()));
      break;
    case v1::Record::kReleased:
      row.Release(record.released().sequence());
      break;
    case v1::Record::kCompleted:
      ApplyCompleted(cached, at, record.completed());
      break;
    case v1::Record::kDroppedOldest:
      row.DropOldest(record.dropped_oldest().below(), record.dropped_oldest().cost());
      break;
    case v1::Record::kInboundTaken:
      row.TakeInbound({static_cast<PacketId>(record.inbound_taken().packet_id()),
                       record.inbound_taken().once()});
      break;
    case v1::Record::kInboundReleased:
      row.ReleaseInbound(static_cast<PacketId>(record.inbound_released().packet_id()));
      break;
    case v1::Record::RECORD_NOT_SET:  // of a later version that may be skipped
      break;
  }
}

void PartitionStates::ApplyEnqueued(CachedRow* cached, Position at, const v1::Enqueued& enqueued,
                                    rocksdb::WriteBatch* batch) {
  if (!cached->row.Enqueue(enqueued.sequence(), static_cast<PacketId>(enqueued.packet_id()),
                           enqueued.cost(), enqueued.body())) {
    return;
  }
  if (enqueued.body() != 0) {
    size_t index = 0;
    if (IndexInFrame(enqueued.body(), at.sequence, uses_.size(), &index)) {
      ++uses_[index];
    } else {
      bodies_->Add(cached->key.partition, enqueued.body(), 1, /*is_new=*/false);
    }
  }
  enqueued.SerializeToString(&scratch_);
  batch->Put(database_->family(Family::kQueue), AsSlice(QueueKey(cached->key, enqueued.sequence())),
             scratch_);
}

void PartitionStates::ApplyCompleted(CachedRow* cached, Position at,
                                     const v1::Completed& completed) {
  uint64_t body = 0;
  cached->row.Complete(completed.sequence(), completed.cost(), &body);
  size_t index = 0;
  if (body == 0) return;
  if (IndexInFrame(body, at.sequence, uses_.size(), &index)) {
    --uses_[index];
  } else {
    bodies_->Release(cached->key.partition, body);
  }
}

void PartitionStates::ApplySubscribed(CachedRow* cached, const v1::Subscribed& subscribed,
                                      rocksdb::WriteBatch* batch) {
  // The filter is in the key.
  v1::Subscribed options = subscribed;
  options.clear_filter();
  options.SerializeToString(&scratch_);
  batch->Put(database_->family(Family::kState), SubscriptionKey(cached->key, subscribed.filter()),
             scratch_);
}

}  // namespace skein::storage
