#include "tests/unit/shard/journal_store.h"

#include "storage/memory/session_store.h"

namespace skein::shard {

session::Lsn JournalStore::Append(std::string_view client_id, const session::RecordBody& body) {
  Entry& entry = entries_.emplace_back();
  entry.client_id = client_id;
  entry.body = body;
  if (auto* subscribed = std::get_if<session::Subscribed>(&entry.body)) {
    entry.filter = subscribed->filter;
    subscribed->filter = entry.filter;
  } else if (auto* unsubscribed = std::get_if<session::Unsubscribed>(&entry.body)) {
    entry.filter = unsubscribed->filter;
    unsubscribed->filter = entry.filter;
  } else if (auto* enqueued = std::get_if<session::Enqueued>(&entry.body)) {
    entry.ids.assign(enqueued->subscription_ids.begin(), enqueued->subscription_ids.end());
    enqueued->subscription_ids = entry.ids;
  }
  return entries_.size();
}

void JournalStore::Recover(const std::function<void(const session::SessionImage&)>& visit) {
  storage::MemorySessionStore state;
  for (const Entry& entry : entries_)
    state.Append(entry.client_id, entry.body);
  state.Recover(visit);
}

void JournalStore::Crash() {
  while (entries_.size() > durable_)
    entries_.pop_back();
  committed_ = durable_;
}

}  // namespace skein::shard
