#include "storage/rocksdb/staging.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "broker/base/check.h"

namespace skein::storage {
namespace {

// Moves all but the records below `cut` of *from into *rest.
void SplitOff(StagedBatch* from, session::Lsn cut, StagedBatch* rest) {
  const auto at = from->records.begin() + static_cast<std::ptrdiff_t>(cut - from->first);
  rest->first = cut;
  rest->records.assign(std::move_iterator(at), std::move_iterator(from->records.end()));
  from->records.erase(at, from->records.end());
  const auto mark = std::find_if(from->marks.begin(), from->marks.end(),
                                 [cut](const GroupMark& each) { return each.lsn >= cut; });
  rest->marks.assign(std::move_iterator(mark), std::move_iterator(from->marks.end()));
  from->marks.erase(mark, from->marks.end());
}

}  // namespace

void CancelIn(StagedBatch* batch, session::Lsn lsn, mqtt::MessagePtr* message) {
  StagedBody& body = batch->records[lsn - batch->first].body;
  auto* enqueued = std::get_if<StagedEnqueued>(&body);
  SKEIN_CHECK(enqueued != nullptr) << "only an Enqueued can be cancelled";
  *message = std::move(enqueued->message);
  body = Cancelled();
}

void Staging::HandOver(ShardId shard, StagedBatch* open,
                       std::vector<session::CommitGroupPtr>* closing) {
  {
    MutexLock lock(mutex_);
    StagedBatch& handed = handed_[shard];
    SKEIN_CHECK(handed.next() == open->first);
    if (handed.records.empty()) {
      std::swap(handed, *open);
    } else {
      std::move(open->records.begin(), open->records.end(), std::back_inserter(handed.records));
      std::move(open->marks.begin(), open->marks.end(), std::back_inserter(handed.marks));
    }
    open->first = handed.next();
    for (const session::CommitGroupPtr& group : *closing) {
      SKEIN_CHECK(group->open_parts > 0);
      --group->open_parts;
    }
  }
  open->records.clear();
  open->marks.clear();
  closing->clear();
}

void Staging::Open(session::CommitGroup* group) {
  MutexLock lock(mutex_);
  SKEIN_CHECK(group->open_parts > 0) << "the group is complete";
  ++group->open_parts;
}

bool Staging::Cancel(ShardId shard, session::Lsn lsn) {
  if (lsn < taken_[shard].load(std::memory_order_relaxed)) return false;
  mqtt::MessagePtr message;  // goes when the lock is gone
  MutexLock lock(mutex_);
  StagedBatch& handed = handed_[shard];
  if (lsn < handed.first || lsn >= handed.next()) return false;
  CancelIn(&handed, lsn, &message);
  return true;
}

bool Staging::Take(std::vector<StagedBatch>* taken) {
  taken->resize(taken_.size());
  bool any = false;
  MutexLock lock(mutex_);
  FindCut();
  for (size_t shard = 0; shard < handed_.size(); ++shard) {
    StagedBatch& handed = handed_[shard];
    StagedBatch& out = (*taken)[shard];
    const session::Lsn end = handed.next();
    out.first = handed.first;
    if (cut_[shard] == handed.first) continue;
    any = true;
    std::swap(out, handed);
    if (cut_[shard] == end) {
      handed.first = end;
    } else {
      SplitOff(&out, cut_[shard], &handed);
    }
    taken_[shard].store(handed.first, std::memory_order_relaxed);
  }
  return any;
}

// Lowers the cuts until no group is on both sides.
void Staging::FindCut() {
  cut_.clear();
  left_.clear();
  for (const StagedBatch& handed : handed_)
    cut_.push_back(handed.next());
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t shard = 0; shard < handed_.size(); ++shard)
      moved |= LowerCut(shard);
  }
}

// Lowers one shard's cut to its first record that has to stay. True: groups stay that others may
// have taken for complete.
bool Staging::LowerCut(size_t shard) {
  const std::vector<GroupMark>& marks = handed_[shard].marks;
  const auto stays = [this](const GroupMark& mark) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return mark.group->open_parts > 0 ||
           std::binary_search(left_.begin(), left_.end(), mark.group.get());
  };
  const auto first = std::find_if(marks.begin(), marks.end(), stays);
  if (first == marks.end() || first->lsn >= cut_[shard]) return false;
  cut_[shard] = first->lsn;
  for (auto mark = first; mark != marks.end(); ++mark)
    left_.push_back(mark->group.get());
  std::sort(left_.begin(), left_.end());
  left_.erase(std::unique(left_.begin(), left_.end()), left_.end());
  return true;
}

}  // namespace skein::storage
