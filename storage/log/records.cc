// One overload a record.
#include "storage/log/records.h"

#include <variant>

#include "skein/storage/v1/record.pb.h"
#include "storage/log/message_codec.h"

namespace skein::storage {
namespace {

struct Encode {
  v1::Record* out;

  void operator()(const session::Connected& body) const {
    v1::Connected* connected = out->mutable_connected();
    connected->set_client_id(body.client_id.data(), body.client_id.size());
    connected->set_expiry_seconds(body.expiry_seconds);
    connected->set_version(body.version);
    if (!body.will.has_value()) return;
    EncodeMessage(*body.will->message, connected->mutable_will()->mutable_message());
    connected->mutable_will()->set_delay_seconds(body.will->delay_seconds);
    connected->mutable_will()->set_user_name(body.will->user_name);
    connected->mutable_will()->set_trusted(body.will->trusted);
  }
  void operator()(const session::Disconnected& body) const {
    v1::Disconnected* disconnected = out->mutable_disconnected();
    disconnected->set_at_ms(body.at);
    disconnected->set_expiry_seconds(body.expiry_seconds);
    if (body.will_due != kNever) disconnected->set_will_due_ms(body.will_due);
  }
  void operator()(const session::WillDone&) const { out->mutable_will_done(); }
  void operator()(const session::Ended&) const { out->mutable_ended(); }
  void operator()(const session::Subscribed& body) const {
    v1::Subscribed* subscribed = out->mutable_subscribed();
    subscribed->set_filter(body.filter.data(), body.filter.size());
    subscribed->set_qos(static_cast<uint32_t>(body.options.qos));
    subscribed->set_no_local(body.options.no_local);
    subscribed->set_retain_as_published(body.options.retain_as_published);
    subscribed->set_retain_handling(static_cast<uint32_t>(body.options.retain_handling));
    subscribed->set_identifier(body.options.identifier);
    subscribed->set_since_ms(body.options.since);
  }
  void operator()(const session::Unsubscribed& body) const {
    out->mutable_unsubscribed()->set_filter(body.filter.data(), body.filter.size());
  }
  void operator()(const session::Enqueued& body) const {
    EncodeEnqueued(out->session(), body, out);
    EncodeMessage(*body.message, out->mutable_enqueued()->mutable_message());
  }
  void operator()(const session::Sent& body) const {
    out->mutable_sent()->set_sequence(body.sequence);
    out->mutable_sent()->set_packet_id(body.packet_id);
  }
  void operator()(const session::Released& body) const {
    out->mutable_released()->set_sequence(body.sequence);
  }
  void operator()(const session::Completed& body) const {
    out->mutable_completed()->set_sequence(body.sequence);
    out->mutable_completed()->set_cost(body.cost);
  }
  void operator()(const session::DroppedOldest& body) const {
    v1::DroppedOldest* dropped = out->mutable_dropped_oldest();
    dropped->set_below(body.below);
    dropped->set_messages(body.messages);
    dropped->set_cost(body.cost);
  }
  void operator()(const session::InboundTaken& body) const {
    out->mutable_inbound_taken()->set_packet_id(body.packet_id);
    out->mutable_inbound_taken()->set_once(body.once);
  }
  void operator()(const session::InboundReleased& body) const {
    out->mutable_inbound_released()->set_packet_id(body.packet_id);
  }
};

}  // namespace

void EncodeRecord(uint64_t session, const session::RecordBody& body, v1::Record* out) {
  out->set_session(session);
  std::visit(Encode{out}, body);
}

void EncodeEnqueued(uint64_t session, const session::Enqueued& enqueued, v1::Record* out) {
  out->set_session(session);
  v1::Enqueued* record = out->mutable_enqueued();
  record->set_sequence(enqueued.sequence);
  record->set_qos(static_cast<uint32_t>(enqueued.qos));
  record->set_retain(enqueued.retain);
  record->set_packet_id(enqueued.packet_id);
  record->set_cost(enqueued.message->cost());
  for (const uint32_t id : enqueued.subscription_ids)
    record->add_subscription_ids(id);
  const std::string_view share = enqueued.share.text();
  if (!share.empty()) record->set_share(share.data(), share.size());
}

}  // namespace skein::storage
