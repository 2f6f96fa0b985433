#include "storage/memory/session_store.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace skein::storage {

using session::SessionImage;
using session::StoredDelivery;

namespace {

// One overload a record; each returns whether the session lives on.
struct Apply {
  MemorySession& session;

  bool operator()(const session::Connected& record) const {
    SessionImage& image = session.image;
    image.client_id = record.client_id;
    image.expiry_seconds = record.expiry_seconds;
    image.version = record.version;
    image.will = record.will;
    image.will_due = kNever;
    image.disconnected_at = kNever;
    return true;
  }
  bool operator()(const session::Disconnected& record) const {
    SessionImage& image = session.image;
    image.disconnected_at = record.at;
    image.expiry_seconds = record.expiry_seconds;
    image.will_due = record.will_due;
    if (record.will_due == kNever) image.will.reset();
    return true;
  }
  bool operator()(const session::WillDone&) const {
    session.image.will.reset();
    session.image.will_due = kNever;
    return true;
  }
  bool operator()(const session::Ended&) const { return false; }
  bool operator()(const session::Subscribed& record) const {
    session.subscriptions[std::string(record.filter)] = record.options;
    return true;
  }
  bool operator()(const session::Unsubscribed& record) const {
    session.subscriptions.erase(std::string(record.filter));
    return true;
  }
  bool operator()(const session::Enqueued& record) const {
    StoredDelivery& stored = session.queue[record.sequence];
    stored.sequence = record.sequence;
    stored.message = record.message;
    stored.subscription_ids.assign(record.subscription_ids.begin(), record.subscription_ids.end());
    stored.qos = record.qos;
    stored.retain = record.retain;
    stored.packet_id = record.packet_id;
    stored.share = record.share;
    stored.cost = record.message->cost();
    session.image.last_sequence = std::max(session.image.last_sequence, record.sequence);
    return true;
  }
  bool operator()(const session::Sent& record) const {
    if (StoredDelivery* stored = Find(record.sequence)) stored->packet_id = record.packet_id;
    return true;
  }
  bool operator()(const session::Released& record) const {
    if (StoredDelivery* stored = Find(record.sequence)) {
      stored->released = true;
      stored->message = mqtt::MessagePtr();
    }
    return true;
  }
  bool operator()(const session::Completed& record) const {
    session.queue.erase(record.sequence);
    return true;
  }
  bool operator()(const session::DroppedOldest& record) const {
    const auto end = session.queue.lower_bound(record.below);
    for (auto entry = session.queue.begin(); entry != end;)
      entry = entry->second.packet_id == 0 ? session.queue.erase(entry) : std::next(entry);
    return true;
  }
  bool operator()(const session::InboundTaken& record) const {
    session.image.inbound.push_back(record);
    return true;
  }
  bool operator()(const session::InboundReleased& record) const {
    std::erase_if(session.image.inbound, [&](const session::InboundTaken& taken) {
      return taken.packet_id == record.packet_id;
    });
    return true;
  }

  StoredDelivery* Find(uint64_t sequence) const {
    const auto found = session.queue.find(sequence);
    return found == session.queue.end() ? nullptr : &found->second;
  }
};

}  // namespace

bool ApplyRecord(const session::RecordBody& body, MemorySession* session) {
  return std::visit(Apply{*session}, body);
}

SessionImage Describe(const MemorySession& session) {
  SessionImage image = session.image;
  image.subscriptions.assign(session.subscriptions.begin(), session.subscriptions.end());
  image.first_sequence =
      session.queue.empty() ? image.last_sequence + 1 : session.queue.begin()->first;
  image.last_sent = 0;
  for (const auto& [sequence, stored] : session.queue) {
    ++image.queued_messages;
    image.queued_bytes += stored.cost;
    if (stored.packet_id != 0) image.last_sent = sequence;
  }
  return image;
}

session::QueuePage ReadPage(const MemorySession* session, const session::QueueRead& request) {
  session::QueuePage page;
  page.key = request.key;
  page.token = request.token;
  page.next = request.from;
  page.end = true;
  if (session == nullptr) return page;
  uint64_t bytes = 0;
  for (auto at = session->queue.lower_bound(request.from); at != session->queue.end(); ++at) {
    const bool full =
        page.entries.size() >= request.max_messages || bytes + at->second.cost > request.max_bytes;
    if (full && !page.entries.empty()) {
      page.end = false;
      break;
    }
    bytes += at->second.cost;
    page.entries.push_back(at->second);
    page.next = at->first + 1;
  }
  return page;
}

session::Lsn MemorySessionStore::Append(const session::SessionKey& key,
                                        const session::RecordBody& body,
                                        const session::CommitGroupPtr&) {
  auto found = sessions_.find(key);
  if (found == sessions_.end()) {
    found = sessions_.emplace(key, MemorySession()).first;
    found->second.image.key = key;
  }
  if (!ApplyRecord(body, &found->second)) sessions_.erase(found);
  return ++last_;
}

void MemorySessionStore::Commit() {
  committed_ = last_;
  if (durability_ == Durability::kAtCommit) durable_ = committed_;
}

void MemorySessionStore::MakeDurable(session::Lsn lsn) {
  durable_ = std::max(durable_, std::min(lsn, committed_));
}

void MemorySessionStore::ReadQueue(const session::QueueRead& request) {
  reads_.push_back(request);
  if (wake_) wake_();
}

void MemorySessionStore::TakePages(std::vector<session::QueuePage>* pages) {
  // A disk shows a record once it is durable; so does its twin.
  while (!reads_.empty() && reads_.front().after <= durable_) {
    const session::QueueRead request = reads_.front();
    reads_.pop_front();
    const auto found = sessions_.find(request.key);
    pages->push_back(ReadPage(found == sessions_.end() ? nullptr : &found->second, request));
  }
}

void MemorySessionStore::Recover(const std::function<void(const SessionImage&)>& visit) {
  for (const auto& [key, session] : sessions_)
    visit(Describe(session));
}

}  // namespace skein::storage
