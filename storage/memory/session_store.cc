#include "storage/memory/session_store.h"

#include <algorithm>
#include <variant>

namespace skein::storage {

using session::SessionImage;

namespace {

// One overload a record; each returns whether the session lives on.
struct Apply {
  SessionImage& image;

  bool operator()(const session::Connected& record) const {
    image.expiry_seconds = record.expiry_seconds;
    image.version = record.version;
    image.will = record.will;
    image.will_due = kNever;
    image.disconnected_at = kNever;
    return true;
  }
  bool operator()(const session::Disconnected& record) const {
    image.disconnected_at = record.at;
    image.expiry_seconds = record.expiry_seconds;
    image.will_due = record.will_due;
    if (record.will_due == kNever) image.will.reset();
    return true;
  }
  bool operator()(const session::WillDone&) const {
    image.will.reset();
    image.will_due = kNever;
    return true;
  }
  bool operator()(const session::Ended&) const { return false; }
  bool operator()(const session::Subscribed& record) const {
    image.subscriptions[std::string(record.filter)] = record.options;
    return true;
  }
  bool operator()(const session::Unsubscribed& record) const {
    image.subscriptions.erase(std::string(record.filter));
    return true;
  }
  bool operator()(const session::Enqueued& record) const {
    session::StoredDelivery& stored = image.queue[record.sequence];
    stored.message = record.message;
    stored.subscription_ids.assign(record.subscription_ids.begin(), record.subscription_ids.end());
    stored.qos = record.qos;
    stored.retain = record.retain;
    return true;
  }
  bool operator()(const session::Sent& record) const {
    const auto found = image.queue.find(record.sequence);
    if (found == image.queue.end()) return true;
    found->second.packet_id = record.packet_id;
    image.sent_order.push_back(record.sequence);
    return true;
  }
  bool operator()(const session::Released& record) const {
    const auto found = image.queue.find(record.sequence);
    if (found == image.queue.end()) return true;
    found->second.released = true;
    found->second.message = mqtt::MessagePtr();
    return true;
  }
  bool operator()(const session::Completed& record) const {
    image.queue.erase(record.sequence);
    std::erase(image.sent_order, record.sequence);
    return true;
  }
  bool operator()(const session::InboundTaken& record) const {
    image.inbound.push_back(record.packet_id);
    return true;
  }
  bool operator()(const session::InboundReleased& record) const {
    std::erase(image.inbound, record.packet_id);
    return true;
  }
};

}  // namespace

bool ApplyRecord(const session::RecordBody& body, SessionImage* image) {
  return std::visit(Apply{*image}, body);
}

session::Lsn MemorySessionStore::Append(std::string_view client_id,
                                        const session::RecordBody& body) {
  auto found = images_.find(client_id);
  if (found == images_.end()) {
    found = images_.emplace(std::string(client_id), SessionImage()).first;
    found->second.client_id = found->first;
  }
  if (!ApplyRecord(body, &found->second)) images_.erase(found);
  return ++last_;
}

void MemorySessionStore::Commit() {
  committed_ = last_;
  if (durability_ == Durability::kAtCommit) durable_ = committed_;
}

void MemorySessionStore::MakeDurable(session::Lsn lsn) {
  durable_ = std::max(durable_, std::min(lsn, committed_));
}

void MemorySessionStore::Recover(const std::function<void(const SessionImage&)>& visit) {
  for (const auto& [client_id, image] : images_)
    visit(image);
}

}  // namespace skein::storage
