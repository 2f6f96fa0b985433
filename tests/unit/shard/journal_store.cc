#include "tests/unit/shard/journal_store.h"

#include <algorithm>

namespace skein::shard {

session::Lsn JournalStore::Append(const session::SessionKey& key, const session::RecordBody& body,
                                  const session::CommitGroupPtr&) {
  Entry& entry = entries_.emplace_back();
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

void JournalStore::Crash() {
  while (entries_.size() > durable_)
    entries_.pop_back();
  committed_ = durable_;
  reads_.clear();
}

}  // namespace skein::shard
