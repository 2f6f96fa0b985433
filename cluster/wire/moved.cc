#include "cluster/wire/moved.h"

#include <string>
#include <utility>

#include "broker/routing/topic.h"
#include "cluster/wire/content.h"

namespace skein::cluster {
namespace {

constexpr uint32_t kNoLocal = 0x04;
constexpr uint32_t kRetainAsPublished = 0x08;

void PutMessage(const mqtt::Message& message, TimeMs now, v1::Content* out) {
  PutContent(message, out);
  out->set_retain(message.retain());
  out->set_age_ms(AgeOf(message.received_at(), now));
  out->set_publisher(message.publisher());
}

mqtt::MessagePtr TakeMessage(const v1::Content& in, TimeMs now) {
  mqtt::Message::Init init;
  if (!TakeContent(in, &init)) return {};
  init.retain = in.retain();
  init.received_at = TimeOf(in.age_ms(), now);
  init.publisher = in.publisher();
  return mqtt::Message::Make(init);
}

}  // namespace

void EncodeSession(session::SessionImage* image, TimeMs now, v1::MovedSession* out) {
  out->set_client_id(std::move(image->client_id));
  out->set_expiry_seconds(image->expiry_seconds);
  out->set_version(image->version);
  out->set_offline_ms(AgeOf(image->disconnected_at, now));
  out->set_last_sequence(image->last_sequence);
  if (image->will.has_value()) {
    v1::Will& will = *out->mutable_will();
    PutMessage(*image->will->message, now, will.mutable_message());
    will.set_delay_seconds(image->will->delay_seconds);
    will.set_user_name(image->will->user_name);
    will.set_trusted(image->will->trusted);
    if (image->will_due != kNever) will.set_due_in_ms(image->will_due - now);
  }
  for (auto& [filter, options] : image->subscriptions) {
    v1::Subscription& subscription = *out->add_subscriptions();
    subscription.set_filter(std::move(filter));
    subscription.set_options(static_cast<uint32_t>(options.qos) |
                             (options.no_local ? kNoLocal : 0) |
                             (options.retain_as_published ? kRetainAsPublished : 0) |
                             uint32_t{options.retain_handling} << 4);
    subscription.set_identifier(options.identifier);
    if (options.since != 0) subscription.set_age_ms(AgeOf(options.since, now));
  }
  for (const session::InboundTaken& taken : image->inbound) {
    out->add_inbound(taken.packet_id);
    out->add_inbound_once(taken.once);
  }
}

bool DecodeSession(const v1::MovedSession& in, TimeMs now, session::SessionImage* image) {
  if (in.client_id().empty() || in.client_id().size() > UINT16_MAX) return false;
  image->client_id = in.client_id();
  image->expiry_seconds = in.expiry_seconds();
  image->version = static_cast<uint8_t>(in.version());
  image->disconnected_at = TimeOf(in.offline_ms(), now);
  image->last_sequence = in.last_sequence();
  if (in.has_will()) {
    session::WillRecord will;
    will.message = TakeMessage(in.will().message(), now);
    if (!will.message) return false;
    will.delay_seconds = in.will().delay_seconds();
    will.user_name = in.will().user_name();
    will.trusted = in.will().trusted();
    image->will = std::move(will);
    if (in.will().has_due_in_ms()) image->will_due = now + in.will().due_in_ms();
  }
  for (const v1::Subscription& subscription : in.subscriptions()) {
    routing::SubscriptionOptions options;
    options.qos = static_cast<Qos>(subscription.options() & 0x03);
    options.no_local = (subscription.options() & kNoLocal) != 0;
    options.retain_as_published = (subscription.options() & kRetainAsPublished) != 0;
    options.retain_handling = static_cast<uint8_t>(subscription.options() >> 4 & 0x03);
    options.identifier = subscription.identifier();
    if (subscription.has_age_ms()) options.since = TimeOf(subscription.age_ms(), now);
    if (routing::ValidateTopicFilter(subscription.filter(), UINT32_MAX) !=
            routing::FilterError::kOk ||
        options.qos > Qos::kExactlyOnce)
      return false;
    image->subscriptions.emplace_back(subscription.filter(), options);
  }
  for (int i = 0; i < in.inbound_size(); ++i) {
    image->inbound.push_back({static_cast<PacketId>(in.inbound(i)),
                              i < in.inbound_once_size() ? in.inbound_once(i) : 0});
  }
  return true;
}

void EncodeDelivery(const session::StoredDelivery& delivery, TimeMs now, v1::MovedMessage* out) {
  out->set_sequence(delivery.sequence);
  if (delivery.message && !delivery.released)
    PutMessage(*delivery.message, now, out->mutable_message());
  for (const uint32_t id : delivery.subscription_ids)
    out->add_subscription_ids(id);
  out->set_qos(static_cast<uint32_t>(delivery.qos));
  out->set_retain(delivery.retain);
  out->set_packet_id(delivery.packet_id);
  if (delivery.share) out->set_share(std::string(delivery.share.text()));
}

bool DecodeDelivery(const v1::MovedMessage& in, TimeMs now, session::StoredDelivery* delivery) {
  if (in.qos() < 1 || in.qos() > 2 || in.packet_id() > UINT16_MAX) return false;
  delivery->sequence = in.sequence();
  delivery->released = !in.has_message();
  if (in.has_message()) {
    delivery->message = TakeMessage(in.message(), now);
    if (!delivery->message) return false;
  }
  delivery->subscription_ids.assign(in.subscription_ids().begin(), in.subscription_ids().end());
  delivery->qos = static_cast<Qos>(in.qos());
  delivery->retain = in.retain();
  delivery->packet_id = static_cast<PacketId>(in.packet_id());
  if (!in.share().empty()) delivery->share = routing::ShareRef(in.share());
  return !delivery->released || delivery->packet_id != 0;
}

}  // namespace skein::cluster
