#include "storage/rocksdb/session_store.h"

#include <utility>

#include "broker/base/check.h"
#include "storage/rocksdb/committer.h"
#include "storage/rocksdb/disk_space.h"
#include "storage/rocksdb/partition_states.h"
#include "storage/rocksdb/queue_reader.h"
#include "storage/rocksdb/shard_link.h"

namespace skein::storage {

session::Lsn RocksSessionStore::Append(const session::SessionKey& key,
                                       const session::RecordBody& body,
                                       const session::CommitGroupPtr& group) {
  SKEIN_CHECK(key.partition < parts_.partitions && key.number != 0);
  const session::Lsn lsn = open_.next();
  open_.records.push_back({key, Stage(body)});
  if (group != nullptr) open_.marks.push_back({lsn, group});
  return lsn;
}

session::Lsn RocksSessionStore::AppendRetained(const mqtt::MessagePtr& message) {
  const session::Lsn lsn = open_.next();
  open_.records.push_back({{}, RetainedChange{message}});
  return lsn;
}

void RocksSessionStore::Open(const session::CommitGroupPtr& group) {
  parts_.committer->staging()->Open(group.get());
}

void RocksSessionStore::Close(const session::CommitGroupPtr& group) {
  closing_.push_back(group);
}

bool RocksSessionStore::Cancel(session::Lsn lsn) {
  if (lsn < open_.first) return parts_.committer->staging()->Cancel(parts_.shard, lsn);
  SKEIN_CHECK(lsn < open_.next());
  mqtt::MessagePtr message;
  CancelIn(&open_, lsn, &message);
  return true;
}

void RocksSessionStore::Commit() {
  if (open_.records.empty() && closing_.empty()) return;
  const session::Lsn last = open_.next() - 1;
  parts_.committer->staging()->HandOver(parts_.shard, &open_, &closing_);
  parts_.committer->HandedOver(parts_.shard, last);
}

session::Lsn RocksSessionStore::durable() const {
  return parts_.link->durable();
}

bool RocksSessionStore::full() const {
  return parts_.disk != nullptr && parts_.disk->full();
}

void RocksSessionStore::ReadQueue(const session::QueueRead& request) {
  parts_.reader->Ask(parts_.shard, request);
}

void RocksSessionStore::TakePages(std::vector<session::QueuePage>* pages) {
  parts_.link->TakePages(pages);
}

void RocksSessionStore::Recover(const std::function<void(const session::SessionImage&)>& visit) {
  for (session::PartitionId partition = parts_.shard; partition < parts_.partitions;
       partition += parts_.shards) {
    parts_.states->Recover(partition, visit);
  }
}

}  // namespace skein::storage
