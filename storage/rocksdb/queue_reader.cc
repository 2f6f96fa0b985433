#include "storage/rocksdb/queue_reader.h"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "storage/rocksdb/fatal.h"
#include "storage/rocksdb/partition_states.h"
#include "storage/rocksdb/shard_link.h"
#include "storage/rocksdb/store_stats.h"

namespace skein::storage {
namespace {

// Of one shard before it is another's turn.
constexpr size_t kReadsInARow = 16;

}  // namespace

QueueReader::QueueReader(PartitionStates* states, std::vector<std::unique_ptr<ShardLink>>* links,
                         StoreStats* stats, Logger* logger)
    : states_(states), links_(*links), stats_(stats), logger_(logger), asked_(links->size()) {}

QueueReader::~QueueReader() {
  Stop();
}

void QueueReader::Start() {
  thread_ = std::thread([this] { Run(); });
}

void QueueReader::Stop() {
  stop_.store(true);
  signal_.Raise();
  if (thread_.joinable()) thread_.join();
}

void QueueReader::Ask(ShardId shard, const session::QueueRead& request) {
  {
    MutexLock lock(mutex_);
    asked_[shard].push_back(request);
  }
  waiting_.fetch_add(1);
  signal_.Raise();
}

void QueueReader::Applied() {
  if (waiting_.load() > 0) signal_.Raise();
}

void QueueReader::Run() {
  pthread_setname_np(pthread_self(), "queue-reader");
  while (!stop_.load()) {
    if (!ServeSome()) signal_.Wait(std::chrono::seconds(1));
  }
}

bool QueueReader::ServeSome() {
  bool any = false;
  std::vector<session::QueueRead> ready;
  for (size_t shard = 0; shard < links_.size() && !stop_.load(); ++shard) {
    TakeReady(shard, &ready);
    if (ready.empty()) continue;
    any = true;
    for (const session::QueueRead& request : ready)
      Serve(links_[shard].get(), request);
    links_[shard]->Wake();
    ready.clear();
  }
  return any;
}

void QueueReader::TakeReady(size_t shard, std::vector<session::QueueRead>* ready) {
  const session::Lsn applied = links_[shard]->applied();
  MutexLock lock(mutex_);
  std::deque<session::QueueRead>& asked = asked_[shard];
  while (!asked.empty() && asked.front().after <= applied && ready->size() < kReadsInARow) {
    ready->push_back(asked.front());
    asked.pop_front();
  }
  waiting_.fetch_sub(ready->size());
}

void QueueReader::Serve(ShardLink* link, const session::QueueRead& request) {
  session::QueuePage page;
  const absl::Status status = states_->ReadPage(request, &page);
  if (!status.ok()) Fatal(logger_, "reading a queue", status.ToString());
  StoreStats::Add(&stats_->pages_read, 1);
  link->PutPage(std::move(page));
}

}  // namespace skein::storage
