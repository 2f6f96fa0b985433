#include "cluster/wire/letters.h"

#include <algorithm>
#include <utility>

#include "broker/base/check.h"
#include "cluster/wire/content.h"
#include "cluster/wire/moved.h"
#include "skein/cluster/v1/peer.pb.h"

namespace skein::cluster {
namespace {

using shard::ForwardedPublish;
using shard::Mail;

// A place as all nodes number it, and back.
uint32_t Global(shard::PlaceId place, const Viewpoint& view) {
  if (place < view.shards) return uint32_t{view.node} * shard::kMaxShardsANode + place;
  return uint32_t{place} - view.shards;
}

shard::PlaceId Local(uint32_t global, const Viewpoint& view) {
  if (global / shard::kMaxShardsANode == view.node)
    return static_cast<shard::PlaceId>(global % shard::kMaxShardsANode);
  return static_cast<shard::PlaceId>(view.shards + global);
}

template <typename In>
void PutMove(const In& in, v1::Move* out) {
  out->set_partition(in.partition);
  out->set_move(in.move);
}

template <typename Out>
Out TakeMove(const v1::Move& in) {
  Out out;
  out.partition = in.partition();
  out.move = in.move();
  return out;
}

struct Encoder {
  v1::Letter& letter;
  const Viewpoint& view;
  const TimeMs now;

  void operator()(std::unique_ptr<shard::MovedConnection>&) const {
    SKEIN_CHECK(false) << "a connection does not leave its node";
  }
  void operator()(shard::RouteChange& change) const {
    v1::RouteChange& out = *letter.mutable_route_change();
    out.set_sequence(change.sequence);
    out.set_weight(change.weight);
    out.set_filter(std::move(change.filter));
  }
  void operator()(shard::DurableRoute& change) const {
    v1::DurableRoute& out = *letter.mutable_durable_route();
    out.set_sequence(change.sequence);
    out.set_partition(change.partition);
    out.set_present(change.present);
    out.set_filter(std::move(change.filter));
    out.set_hearsay(change.hearsay);
  }
  void operator()(shard::RowChange& change) const {
    v1::RowChange& out = *letter.mutable_row_change();
    out.set_partition(change.partition);
    out.set_epoch(change.row.epoch);
    out.set_node(change.row.node);
    out.set_claim(change.claim);
  }
  void operator()(shard::Freeze& freeze) const {
    v1::Freeze& out = *letter.mutable_freeze();
    out.set_partition(freeze.partition);
    out.set_thaw(freeze.thaw);
    out.set_move(freeze.move);
  }
  void operator()(shard::Kept& kept) const {
    letter.mutable_kept()->set_partition(kept.partition);
    letter.mutable_kept()->set_done(kept.done);
  }
  void operator()(shard::Frozen& frozen) const { PutMove(frozen, letter.mutable_frozen()); }
  void operator()(shard::MoveBegin& begin) const { PutMove(begin, letter.mutable_move_begin()); }
  void operator()(shard::MovedSession& moved) const {
    PutMove(moved, letter.mutable_moved_session()->mutable_move());
    EncodeSession(&moved.image, now, letter.mutable_moved_session());
  }
  void operator()(shard::MovedMessage& moved) const {
    PutMove(moved, letter.mutable_moved_message()->mutable_move());
    EncodeDelivery(moved.delivery, now, letter.mutable_moved_message());
  }
  void operator()(shard::MoveEnd& end) const {
    PutMove(end, letter.mutable_move_end()->mutable_move());
    letter.mutable_move_end()->set_parts(end.parts);
    for (const uint64_t once : end.given)
      letter.mutable_move_end()->add_given(once);
  }
  void operator()(shard::MoveDone& done) const {
    PutMove(done, letter.mutable_move_done()->mutable_move());
    letter.mutable_move_done()->set_ok(done.ok);
  }
  void operator()(shard::RouteApplied& applied) const {
    letter.set_route_applied(applied.sequence);
  }
  void operator()(shard::RouteReady&) const { letter.set_route_ready(true); }
  void operator()(shard::RouteReset& reset) const {
    letter.mutable_route_reset()->set_sequence(reset.sequence);
    letter.mutable_route_reset()->set_again(reset.again);
  }
  void operator()(shard::RouteDigest& digest) const {
    v1::RouteDigest& out = *letter.mutable_route_digest();
    out.set_sequence(digest.sequence);
    out.set_routes(digest.routes);
    out.set_rows(digest.rows);
    out.set_durable(digest.durable);
  }
  void operator()(shard::RouteAsk&) const { letter.set_route_ask(true); }
  void operator()(ForwardedPublish& forwarded) const {
    const mqtt::Message& message = *forwarded.message;
    v1::Publish& out = *letter.mutable_publish();
    PutContent(message, &out);
    out.set_retain(message.retain());
    out.set_age_ms(AgeOf(message.received_at(), now));
    out.set_publisher(message.publisher());
    out.set_client_hash(message.client_hash());
    out.set_token(forwarded.token);
    out.set_plain(forwarded.plain);
    out.set_once(forwarded.once);
    out.set_repeated(forwarded.repeated);
    if (forwarded.scope.only != shard::DeliveryScope::kAll) out.set_only(forwarded.scope.only);
    for (const session::PartitionId partition : forwarded.scope.except)
      out.add_except(partition);
    for (const shard::PlaceId place : forwarded.tried)
      out.add_tried(Global(place, view));
    if (forwarded.groups == nullptr) return;
    for (std::string& group : *forwarded.groups)
      out.add_groups(std::move(group));
  }
  void operator()(shard::RetainedChange& change) const {
    const mqtt::Message& message = *change.message;
    v1::Retained& out = *letter.mutable_retained();
    PutContent(message, &out);
    out.set_time(message.received_at());
    out.set_repair(change.repair);
  }
  void operator()(shard::RetainedDigestMail& mail) const {
    v1::RetainedDigest& out = *letter.mutable_retained_digest();
    out.set_as_of(mail.digest->as_of);
    out.mutable_buckets()->Add(mail.digest->buckets.begin(), mail.digest->buckets.end());
  }
  void operator()(shard::PublishDone& done) const {
    letter.mutable_publish_done()->set_token(done.token);
    letter.mutable_publish_done()->set_refused(done.refused);
  }
  void operator()(shard::RelayOpen& open) const {
    v1::RelayOpen& out = *letter.mutable_relay_open();
    out.set_relay(open.relay);
    out.set_listener(std::move(open.listener));
    out.set_policy(std::move(open.policy));
    const std::array<uint8_t, 16> address = open.peer.bytes();
    if (open.peer.known()) out.set_address(std::string(address.begin(), address.end()));
    out.set_port(open.peer.port());
    if (open.certificate != nullptr) Put(*open.certificate, out.mutable_certificate());
    out.set_age_ms(AgeOf(open.accepted_at, now));
    out.set_unread(std::move(open.unread));
    out.set_assigned_id(std::move(open.assigned_id));
  }
  void operator()(shard::RelayData& data) const {
    v1::RelayData& out = *letter.mutable_relay_data();
    out.set_relay(data.relay);
    out.set_to_owner(data.to_owner);
    out.set_bytes(std::move(data.bytes));
  }
  void operator()(shard::RelayCredit& credit) const {
    v1::RelayCredit& out = *letter.mutable_relay_credit();
    out.set_relay(credit.relay);
    out.set_to_owner(credit.to_owner);
    out.set_bytes(credit.bytes);
  }
  void operator()(shard::RelayEnd& end) const {
    v1::RelayEnd& out = *letter.mutable_relay_end();
    out.set_relay(end.relay);
    out.set_to_owner(end.to_owner);
    out.set_gone(end.gone);
  }

  static void Put(const CertificateIdentity& identity, v1::Certificate* out) {
    out->set_common_name(identity.common_name);
    for (const std::string& name : identity.dns_names)
      out->add_dns_names(name);
    for (const std::string& uri : identity.uris)
      out->add_uris(uri);
    for (const std::string& email : identity.emails)
      out->add_emails(email);
    out->set_subject(identity.subject);
    out->set_serial(identity.serial);
    out->set_fingerprint(identity.fingerprint);
  }
};

bool DecodePublish(v1::Publish* publish, const Viewpoint& view, TimeMs now, Mail* mail) {
  mqtt::Message::Init init;
  if (!TakeContent(*publish, &init)) return false;
  init.retain = publish->retain();
  init.received_at = TimeOf(publish->age_ms(), now);
  init.publisher = publish->publisher();
  init.client_hash = publish->client_hash();
  ForwardedPublish forwarded;
  forwarded.message = mqtt::Message::Make(init);
  forwarded.token = publish->token();
  forwarded.plain = publish->plain();
  forwarded.once = publish->once();
  forwarded.repeated = publish->repeated();
  if (publish->has_only()) forwarded.scope.only = publish->only();
  forwarded.scope.except.assign(publish->except().begin(), publish->except().end());
  constexpr uint32_t kPlaces = uint32_t{shard::kMaxNodes} * shard::kMaxShardsANode;
  for (const uint32_t place : publish->tried()) {
    if (place < kPlaces) forwarded.tried.push_back(Local(place, view));
  }
  if (publish->groups_size() > 0) {
    forwarded.groups = std::make_unique<std::vector<std::string>>();
    for (std::string& group : *publish->mutable_groups())
      forwarded.groups->push_back(std::move(group));
  }
  *mail = std::move(forwarded);
  return true;
}

bool DecodeRetained(const v1::Retained& retained, Mail* mail) {
  mqtt::Message::Init init;
  if (!TakeContent(retained, &init)) return false;
  init.retain = true;
  init.received_at = retained.time();
  *mail = shard::RetainedChange{mqtt::Message::Make(init), retained.repair()};
  return true;
}

bool DecodeDigest(const v1::RetainedDigest& in, Mail* mail) {
  auto digest = std::make_unique<shard::RetainedDigest>();
  if (static_cast<size_t>(in.buckets_size()) != digest->buckets.size() || in.as_of() < 0)
    return false;
  digest->as_of = in.as_of();
  std::copy(in.buckets().begin(), in.buckets().end(), digest->buckets.begin());
  *mail = shard::RetainedDigestMail{std::move(digest)};
  return true;
}

// What is said of routes.
bool DecodeRoutes(v1::Letter* letter, Mail* mail) {
  switch (letter->kind_case()) {
    case v1::Letter::kRouteChange: {
      v1::RouteChange& change = *letter->mutable_route_change();
      *mail = shard::RouteChange{change.sequence(), change.weight(),
                                 std::move(*change.mutable_filter())};
      return true;
    }
    case v1::Letter::kDurableRoute: {
      v1::DurableRoute& change = *letter->mutable_durable_route();
      *mail = shard::DurableRoute{change.sequence(), change.partition(), change.present(),
                                  std::move(*change.mutable_filter()), change.hearsay()};
      return true;
    }
    case v1::Letter::kRouteReset:
      *mail = shard::RouteReset{letter->route_reset().sequence(), letter->route_reset().again()};
      return true;
    case v1::Letter::kRouteApplied:
      *mail = shard::RouteApplied{letter->route_applied()};
      return true;
    case v1::Letter::kRouteReady:
      *mail = shard::RouteReady{};
      return true;
    case v1::Letter::kRouteDigest: {
      const v1::RouteDigest& digest = letter->route_digest();
      *mail =
          shard::RouteDigest{digest.sequence(), digest.routes(), digest.rows(), digest.durable()};
      return true;
    }
    case v1::Letter::kRouteAsk:
      *mail = shard::RouteAsk{};
      return true;
    default:
      return false;
  }
}

// What is said of partitions and their moves.
bool DecodeMove(v1::Letter* letter, TimeMs now, Mail* mail) {
  switch (letter->kind_case()) {
    case v1::Letter::kRowChange: {
      const v1::RowChange& change = letter->row_change();
      if (change.node() >= shard::kMaxNodes) return false;
      *mail = shard::RowChange{change.partition(),
                               {change.epoch(), static_cast<shard::NodeNumber>(change.node())},
                               change.claim()};
      return true;
    }
    case v1::Letter::kFreeze:
      *mail = shard::Freeze{letter->freeze().partition(), letter->freeze().thaw(),
                            letter->freeze().move()};
      return true;
    case v1::Letter::kKept:
      *mail = shard::Kept{letter->kept().partition(), letter->kept().done()};
      return true;
    case v1::Letter::kFrozen:
      *mail = TakeMove<shard::Frozen>(letter->frozen());
      return true;
    case v1::Letter::kMoveBegin:
      *mail = TakeMove<shard::MoveBegin>(letter->move_begin());
      return true;
    case v1::Letter::kMovedSession: {
      auto moved = TakeMove<shard::MovedSession>(letter->moved_session().move());
      if (!DecodeSession(letter->moved_session(), now, &moved.image)) return false;
      *mail = std::move(moved);
      return true;
    }
    case v1::Letter::kMovedMessage: {
      auto moved = TakeMove<shard::MovedMessage>(letter->moved_message().move());
      if (!DecodeDelivery(letter->moved_message(), now, &moved.delivery)) return false;
      *mail = std::move(moved);
      return true;
    }
    case v1::Letter::kMoveEnd: {
      auto end = TakeMove<shard::MoveEnd>(letter->move_end().move());
      end.parts = letter->move_end().parts();
      end.given.assign(letter->move_end().given().begin(), letter->move_end().given().end());
      *mail = std::move(end);
      return true;
    }
    case v1::Letter::kMoveDone: {
      auto done = TakeMove<shard::MoveDone>(letter->move_done().move());
      done.ok = letter->move_done().ok();
      *mail = done;
      return true;
    }
    default:
      return false;
  }
}

bool DecodeOpen(v1::RelayOpen* relay, TimeMs now, Mail* mail) {
  shard::RelayOpen open;
  open.relay = relay->relay();
  open.listener = std::move(*relay->mutable_listener());
  open.policy = std::move(*relay->mutable_policy());
  if (relay->address().size() == 16 && relay->port() <= UINT16_MAX) {
    std::array<uint8_t, 16> bytes{};
    std::copy(relay->address().begin(), relay->address().end(), bytes.begin());
    open.peer = net::PeerAddress(bytes, static_cast<uint16_t>(relay->port()));
  }
  if (relay->has_certificate()) {
    const v1::Certificate& in = relay->certificate();
    auto identity = std::make_unique<CertificateIdentity>();
    identity->common_name = in.common_name();
    identity->dns_names.assign(in.dns_names().begin(), in.dns_names().end());
    identity->uris.assign(in.uris().begin(), in.uris().end());
    identity->emails.assign(in.emails().begin(), in.emails().end());
    identity->subject = in.subject();
    identity->serial = in.serial();
    identity->fingerprint = in.fingerprint();
    open.certificate = std::move(identity);
  }
  open.accepted_at = TimeOf(relay->age_ms(), now);
  open.unread = std::move(*relay->mutable_unread());
  open.assigned_id = std::move(*relay->mutable_assigned_id());
  *mail = std::move(open);
  return true;
}

}  // namespace

size_t CostOf(const Mail& mail) {
  constexpr size_t kEach = 64;
  if (const auto* publish = std::get_if<ForwardedPublish>(&mail))
    return kEach + publish->message->cost();
  if (const auto* retained = std::get_if<shard::RetainedChange>(&mail))
    return kEach + retained->message->cost();
  if (const auto* change = std::get_if<shard::RouteChange>(&mail))
    return kEach + change->filter.size();
  if (const auto* durable = std::get_if<shard::DurableRoute>(&mail))
    return kEach + durable->filter.size();
  if (std::holds_alternative<shard::RetainedDigestMail>(mail))
    return kEach + sizeof(shard::RetainedDigest);
  if (const auto* moved = std::get_if<shard::MovedSession>(&mail))
    return kEach * (3 + moved->image.subscriptions.size());
  if (const auto* moved = std::get_if<shard::MovedMessage>(&mail))
    return 2 * kEach + (moved->delivery.message ? moved->delivery.message->cost() : 0);
  if (const auto* end = std::get_if<shard::MoveEnd>(&mail))
    return kEach + end->given.size() * sizeof(uint64_t);
  if (const auto* data = std::get_if<shard::RelayData>(&mail)) return kEach + data->bytes.size();
  if (const auto* open = std::get_if<shard::RelayOpen>(&mail)) return kEach + open->unread.size();
  return kEach;
}

void EncodeLetter(Mail* mail, const Viewpoint& view, TimeMs now, v1::Letter* letter) {
  std::visit(Encoder{*letter, view, now}, *mail);
}

bool DecodeLetter(v1::Letter* letter, const Viewpoint& view, TimeMs now, Mail* mail) {
  switch (letter->kind_case()) {
    case v1::Letter::kPublish:
      return DecodePublish(letter->mutable_publish(), view, now, mail);
    case v1::Letter::kRetained:
      return DecodeRetained(letter->retained(), mail);
    case v1::Letter::kRetainedDigest:
      return DecodeDigest(letter->retained_digest(), mail);
    case v1::Letter::kPublishDone:
      *mail = shard::PublishDone{letter->publish_done().token(), letter->publish_done().refused()};
      return true;
    case v1::Letter::kRelayOpen:
      return DecodeOpen(letter->mutable_relay_open(), now, mail);
    case v1::Letter::kRelayData: {
      v1::RelayData& data = *letter->mutable_relay_data();
      *mail = shard::RelayData{data.relay(), data.to_owner(), std::move(*data.mutable_bytes())};
      return true;
    }
    case v1::Letter::kRelayCredit:
      *mail = shard::RelayCredit{letter->relay_credit().relay(), letter->relay_credit().to_owner(),
                                 letter->relay_credit().bytes()};
      return true;
    case v1::Letter::kRelayEnd:
      *mail = shard::RelayEnd{letter->relay_end().relay(), letter->relay_end().to_owner(),
                              letter->relay_end().gone()};
      return true;
    default:
      return DecodeRoutes(letter, mail) || DecodeMove(letter, now, mail);
  }
}

}  // namespace skein::cluster
