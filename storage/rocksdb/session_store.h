// A shard's end of the store on disk.
//
// Purpose: the port broker/session/store.h over the committer and the queue reader. Thread:
// confined to its shard. Life: made by Store, which outlives it. What was not committed when it
// goes is forgotten, as after a crash.
#pragma once

#include <functional>
#include <vector>

#include "broker/base/types.h"
#include "broker/session/store.h"
#include "storage/rocksdb/staged_record.h"

namespace skein::storage {

class Committer;
class DiskSpace;
class PartitionStates;
class QueueReader;
class ShardLink;

class RocksSessionStore final : public session::SessionStore {
 public:
  // What it is part of.
  struct Parts {
    Committer* committer = nullptr;
    PartitionStates* states = nullptr;
    QueueReader* reader = nullptr;
    const DiskSpace* disk = nullptr;  // null: never full
    ShardLink* link = nullptr;
    uint32_t partitions = 0;
    ShardId shard = 0;
    ShardId shards = 1;
  };
  explicit RocksSessionStore(const Parts& parts) : parts_(parts) {}

  using SessionStore::Append;
  session::Lsn Append(const session::SessionKey& key, const session::RecordBody& body,
                      const session::CommitGroupPtr& group) override;
  session::Lsn AppendRetained(const mqtt::MessagePtr& message) override;
  void Open(const session::CommitGroupPtr& group) override;
  void Close(const session::CommitGroupPtr& group) override;
  bool Cancel(session::Lsn lsn) override;
  void Commit() override;
  session::Lsn durable() const override;
  bool full() const override;
  void ReadQueue(const session::QueueRead& request) override;
  void TakePages(std::vector<session::QueuePage>* pages) override;
  void Recover(const std::function<void(const session::SessionImage&)>& visit) override;

 private:
  const Parts parts_;
  StagedBatch open_;
  std::vector<session::CommitGroupPtr> closing_;
};

}  // namespace skein::storage
