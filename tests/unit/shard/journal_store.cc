#include "tests/unit/shard/journal_store.h"

#include <algorithm>
#include <set>

namespace skein::shard {

session::Lsn JournalStore::Append(const session::SessionKey& key, const session::RecordBody& body,
                                  const session::CommitGroupPtr& group) {
  Entry& entry = entries_.emplace_back();
  entry.group = group;
  entry.key = key;
  entry.body = body;
  const auto keep = [&entry](std::string_view* view) {
    entry.text = *view;
    *view = entry.text;
  };
  if (auto* connected = std::get_if<session::Connected>(&entry.body)) keep(&connected->client_id);
  if (auto* subscribed = std::get_if<session::Subscribed>(&entry.body)) keep(&subscribed->filter);
  if (auto* gone = std::get_if<session::Unsubscribed>(&entry.body)) keep(&gone->filter);
  if (auto* enqueued = std::get_if<session::Enqueued>(&entry.body)) {
    entry.ids.assign(enqueued->subscription_ids.begin(), enqueued->subscription_ids.end());
    enqueued->subscription_ids = entry.ids;
  }
  return entries_.size();
}

session::Lsn JournalStore::AppendRetained(const mqtt::MessagePtr&) {
  entries_.emplace_back().void_record = true;
  return entries_.size();
}

bool JournalStore::Cancel(session::Lsn lsn) {
  if (lsn <= committed_) return false;
  entries_[lsn - 1].void_record = true;
  return true;
}

storage::MemorySessionStore JournalStore::Replay(session::Lsn end) const {
  storage::MemorySessionStore state;
  for (session::Lsn lsn = 1; lsn <= end; ++lsn) {
    const Entry& entry = entries_[lsn - 1];
    if (!entry.void_record) state.Append(entry.key, entry.body);
  }
  return state;
}

void JournalStore::TakePages(std::vector<session::QueuePage>* pages) {
  while (!reads_.empty() && reads_.front().after <= durable_) {
    const session::QueueRead request = reads_.front();
    reads_.pop_front();
    const storage::MemorySessionStore state = Replay(durable_);
    const auto found = state.sessions().find(request.key);
    pages->push_back(
        storage::ReadPage(found == state.sessions().end() ? nullptr : &found->second, request));
  }
}

void JournalStore::Recover(const std::function<void(const session::SessionImage&)>& visit) {
  Replay(entries_.size()).Recover(visit);
}

void JournalStore::MakeDurable(const std::vector<JournalStore*>& stores) {
  std::vector<session::Lsn> end;
  for (const JournalStore* store : stores)
    end.push_back(store->committed_);
  // A group that is not complete, or of which something is not committed, holds back what follows.
  for (bool again = true; again;) {
    again = false;
    std::set<const session::CommitGroup*> late;
    for (size_t i = 0; i < stores.size(); ++i) {
      for (session::Lsn lsn = stores[i]->durable_; lsn < stores[i]->entries_.size(); ++lsn) {
        const session::CommitGroupPtr& group = stores[i]->entries_[lsn].group;
        if (group != nullptr && (group->open_parts > 0 || lsn >= end[i])) late.insert(group.get());
      }
    }
    for (size_t i = 0; i < stores.size(); ++i) {
      for (session::Lsn lsn = stores[i]->durable_; lsn < end[i]; ++lsn) {
        if (!late.contains(stores[i]->entries_[lsn].group.get())) continue;
        end[i] = lsn;
        again = true;
      }
    }
  }
  for (size_t i = 0; i < stores.size(); ++i) {
    for (; stores[i]->durable_ < end[i]; ++stores[i]->durable_)
      stores[i]->entries_[stores[i]->durable_].group.reset();
  }
}

void JournalStore::Crash() {
  if (lies_) durable_ -= std::min<session::Lsn>(durable_, 8);
  while (entries_.size() > durable_)
    entries_.pop_back();
  committed_ = durable_;
  reads_.clear();
}

}  // namespace skein::shard
