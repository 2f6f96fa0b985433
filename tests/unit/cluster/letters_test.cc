// Mail as bytes and back, between nodes that number places differently.
#include "cluster/wire/letters.h"

#include <gtest/gtest.h>

#include "skein/cluster/v1/peer.pb.h"

namespace skein::cluster {
namespace {

using shard::Mail;

// The sender is node 1 with four shards, the receiver node 2 with one.
constexpr Viewpoint kSender{1, 4};
constexpr Viewpoint kReceiver{2, 1};
constexpr TimeMs kThere = 1'000'000;
constexpr TimeMs kHere = 5'000'000;  // its clock is another

// What arrives of it; a failed check if it does not.
template <typename T>
T Cross(T sent) {
  Mail mail = std::move(sent);
  v1::Letter letter;
  EncodeLetter(&mail, kSender, kThere, &letter);
  std::string bytes;
  EXPECT_TRUE(letter.SerializeToString(&bytes));
  v1::Letter read;
  EXPECT_TRUE(read.ParseFromString(bytes));
  Mail got;
  EXPECT_TRUE(DecodeLetter(&read, kReceiver, kHere, &got));
  EXPECT_TRUE(std::holds_alternative<T>(got));
  return std::get<T>(std::move(got));
}

mqtt::MessagePtr MakeMessage() {
  mqtt::Message::Init init;
  init.topic = "t/\xc3\xa4";
  init.properties = std::string_view("\x01\x01", 2);
  init.payload = std::string_view("\0p", 2);
  init.qos = Qos::kExactlyOnce;
  init.retain = true;
  init.expiry_seconds = 60;
  init.received_at = kThere - 1'500;
  init.publisher = 77;
  init.client_hash = 78;
  return mqtt::Message::Make(init);
}

TEST(LettersTest, Routes) {
  const auto change = Cross(shard::RouteChange{7, 3, "$share/g/a/+"});
  EXPECT_EQ(change.sequence, 7u);
  EXPECT_EQ(change.weight, 3u);
  EXPECT_EQ(change.filter, "$share/g/a/+");
  const auto durable = Cross(shard::DurableRoute{8, 200, true, "a/#"});
  EXPECT_EQ(durable.sequence, 8u);
  EXPECT_EQ(durable.partition, 200u);
  EXPECT_TRUE(durable.present);
  EXPECT_EQ(durable.filter, "a/#");
  EXPECT_EQ(Cross(shard::RouteReset{8}).sequence, 8u);
  EXPECT_FALSE(Cross(shard::RouteReset{8}).again);
  EXPECT_TRUE(Cross(shard::RouteReset{8, true}).again);
  EXPECT_EQ(Cross(shard::RouteApplied{9}).sequence, 9u);
  EXPECT_EQ(Cross(shard::RouteApplied{0}).sequence, 0u);
  Cross(shard::RouteReady{});
}

TEST(LettersTest, Digests) {
  const auto routes = Cross(shard::RouteDigest{7, UINT64_MAX, 2, 3});
  EXPECT_EQ(routes.sequence, 7u);
  EXPECT_EQ(routes.routes, UINT64_MAX);
  EXPECT_EQ(routes.rows, 2u);
  EXPECT_EQ(routes.durable, 3u);
  Cross(shard::RouteAsk{});
  shard::RetainedDigestMail retained{std::make_unique<shard::RetainedDigest>()};
  retained.digest->as_of = 120'000;
  retained.digest->buckets.front() = 5;
  retained.digest->buckets.back() = UINT64_MAX;
  const auto got = Cross(std::move(retained));
  EXPECT_EQ(got.digest->as_of, 120'000);
  EXPECT_EQ(got.digest->buckets.front(), 5u);
  EXPECT_EQ(got.digest->buckets[1], 0u);
  EXPECT_EQ(got.digest->buckets.back(), UINT64_MAX);
}

TEST(LettersTest, AMessageKeepsItsAgeNotItsTime) {
  shard::ForwardedPublish sent;
  sent.message = MakeMessage();
  sent.token = 5;
  sent.plain = false;
  sent.groups = std::make_unique<std::vector<std::string>>(2, "$share/g/t");
  const shard::ForwardedPublish got = Cross(std::move(sent));
  EXPECT_EQ(got.message->topic(), "t/\xc3\xa4");
  EXPECT_EQ(got.message->properties(), std::string_view("\x01\x01", 2));
  EXPECT_EQ(got.message->payload(), std::string_view("\0p", 2));
  EXPECT_EQ(got.message->qos(), Qos::kExactlyOnce);
  EXPECT_TRUE(got.message->retain());
  EXPECT_EQ(got.message->expiry_seconds(), 60u);
  EXPECT_EQ(got.message->received_at(), kHere - 1'500);
  EXPECT_EQ(got.message->publisher(), 77u);
  EXPECT_EQ(got.message->client_hash(), 78u);
  EXPECT_EQ(got.token, 5u);
  EXPECT_FALSE(got.plain);
  ASSERT_NE(got.groups, nullptr);
  EXPECT_EQ(got.groups->size(), 2u);
}

TEST(LettersTest, PlacesAreTranslated) {
  shard::ForwardedPublish sent;
  sent.message = MakeMessage();
  constexpr ShardId kANode = shard::kMaxShardsANode;
  // Its own shard 3; shard 0 of node 2, which is the receiver; shard 5 of node 0.
  sent.tried = {3, 4 + 2 * kANode, 4 + 5};
  const shard::ForwardedPublish got = Cross(std::move(sent));
  EXPECT_EQ(got.tried, (std::vector<shard::PlaceId>{1 + kANode + 3, 0, 1 + 5}));
}

TEST(LettersTest, AnswersAndRetainedMessages) {
  const auto done = Cross(shard::PublishDone{5, true});
  EXPECT_EQ(done.token, 5u);
  EXPECT_TRUE(done.refused);
  const auto retained = Cross(shard::RetainedChange{MakeMessage()});
  EXPECT_EQ(retained.message->received_at(), kThere - 1'500) << "a logical clock is not translated";
  EXPECT_EQ(retained.message->payload(), std::string_view("\0p", 2));
  EXPECT_EQ(retained.message->expiry_seconds(), 60u);
  EXPECT_TRUE(retained.message->retain());
  EXPECT_FALSE(retained.repair);
  EXPECT_TRUE(Cross(shard::RetainedChange{MakeMessage(), true}).repair);
}

TEST(LettersTest, WhatIsSaidOfPartitions) {
  const auto row = Cross(shard::RowChange{9, {4, 2}});
  EXPECT_EQ(row.partition, 9u);
  EXPECT_EQ(row.row, (shard::PartitionRow{4, 2}));
  const auto freeze = Cross(shard::Freeze{9, true, 1u << 31});
  EXPECT_EQ(freeze.partition, 9u);
  EXPECT_TRUE(freeze.thaw);
  EXPECT_EQ(freeze.move, 1u << 31);
  EXPECT_EQ(Cross(shard::Frozen{9, 7}).move, 7u);
  EXPECT_EQ(Cross(shard::Kept{9, false}).partition, 9u);
  EXPECT_TRUE(Cross(shard::Kept{9, true}).done);
  EXPECT_EQ(Cross(shard::MoveBegin{9, 7}).partition, 9u);
  EXPECT_EQ(Cross(shard::MoveEnd{9, 7, 11}).parts, 11u);
  EXPECT_TRUE(Cross(shard::MoveDone{9, 7, true}).ok);
}

TEST(LettersTest, AMovedSessionIsWhole) {
  shard::MovedSession sent;
  sent.partition = 3;
  sent.move = 5;
  sent.image.client_id = "client";
  sent.image.expiry_seconds = 60;
  sent.image.version = 5;
  sent.image.disconnected_at = kThere - 2'000;
  sent.image.will = session::WillRecord{MakeMessage(), 10, "user", true};
  sent.image.will_due = kThere + 8'000;
  sent.image.subscriptions = {{"a/+", {Qos::kExactlyOnce, true, true, 2, 77, kThere - 500}},
                              {"$share/g/b", {Qos::kAtLeastOnce, false, false, 0, 0}}};
  sent.image.inbound = {{1}, {65'535}};
  sent.image.last_sequence = 99;
  const shard::MovedSession got = Cross(std::move(sent));
  EXPECT_EQ(got.partition, 3u);
  EXPECT_EQ(got.move, 5u);
  EXPECT_EQ(got.image.client_id, "client");
  EXPECT_EQ(got.image.expiry_seconds, 60u);
  EXPECT_EQ(got.image.version, 5u);
  EXPECT_EQ(got.image.disconnected_at, kHere - 2'000);
  ASSERT_TRUE(got.image.will.has_value());
  EXPECT_EQ(got.image.will->message->payload(), std::string_view("\0p", 2));
  EXPECT_EQ(got.image.will->delay_seconds, 10u);
  EXPECT_EQ(got.image.will->user_name, "user");
  EXPECT_TRUE(got.image.will->trusted);
  EXPECT_EQ(got.image.will_due, kHere + 8'000);
  ASSERT_EQ(got.image.subscriptions.size(), 2u);
  EXPECT_EQ(got.image.subscriptions[0].first, "a/+");
  EXPECT_EQ(got.image.subscriptions[0].second,
            (routing::SubscriptionOptions{Qos::kExactlyOnce, true, true, 2, 77, kHere - 500}));
  EXPECT_EQ(got.image.subscriptions[1].second.since, 0);
  EXPECT_EQ(got.image.inbound, (std::vector<session::InboundTaken>{{1}, {65'535}}));
  EXPECT_EQ(got.image.last_sequence, 99u);
}

TEST(LettersTest, AMovedMessageIsWholeAndAReleasedOneHasNone) {
  shard::MovedMessage sent;
  sent.partition = 3;
  sent.move = 5;
  sent.delivery.sequence = 8;
  sent.delivery.message = MakeMessage();
  sent.delivery.subscription_ids = {1, 2};
  sent.delivery.qos = Qos::kExactlyOnce;
  sent.delivery.retain = true;
  sent.delivery.packet_id = 4;
  sent.delivery.share = routing::ShareRef("$share/g/t");
  const shard::MovedMessage got = Cross(std::move(sent));
  EXPECT_EQ(got.delivery.sequence, 8u);
  EXPECT_EQ(got.delivery.message->received_at(), kHere - 1'500);
  EXPECT_EQ(got.delivery.subscription_ids, (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(got.delivery.qos, Qos::kExactlyOnce);
  EXPECT_TRUE(got.delivery.retain);
  EXPECT_EQ(got.delivery.packet_id, 4u);
  EXPECT_FALSE(got.delivery.released);
  EXPECT_EQ(got.delivery.share.text(), "$share/g/t");
  shard::MovedMessage released;
  released.delivery.sequence = 9;
  released.delivery.qos = Qos::kExactlyOnce;
  released.delivery.packet_id = 5;
  released.delivery.released = true;
  EXPECT_TRUE(Cross(std::move(released)).delivery.released);
}

TEST(LettersTest, Relays) {
  shard::RelayOpen open;
  open.relay = 9;
  open.listener = "main";
  open.policy = "anonymous";
  std::array<uint8_t, 16> address{};
  address[15] = 1;
  open.peer = net::PeerAddress(address, 1234);
  open.certificate = std::make_unique<CertificateIdentity>();
  open.certificate->common_name = "device";
  open.certificate->dns_names = {"a", "b"};
  open.accepted_at = kThere - 10;
  open.unread = std::string("\x10\0", 2);
  open.assigned_id = "id";
  const shard::RelayOpen got = Cross(std::move(open));
  EXPECT_EQ(got.relay, 9u);
  EXPECT_EQ(got.listener, "main");
  EXPECT_EQ(got.policy, "anonymous");
  EXPECT_EQ(got.peer.ToString(), "[::1]:1234");
  ASSERT_NE(got.certificate, nullptr);
  EXPECT_EQ(got.certificate->common_name, "device");
  EXPECT_EQ(got.certificate->dns_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(got.accepted_at, kHere - 10);
  EXPECT_EQ(got.unread, std::string("\x10\0", 2));
  EXPECT_EQ(got.assigned_id, "id");
  const auto data = Cross(shard::RelayData{9, true, std::string("\0x", 2)});
  EXPECT_TRUE(data.to_owner);
  EXPECT_EQ(data.bytes, std::string("\0x", 2));
  EXPECT_EQ(Cross(shard::RelayCredit{9, false, 100}).bytes, 100u);
  const auto end = Cross(shard::RelayEnd{9, true, true});
  EXPECT_TRUE(end.to_owner);
  EXPECT_TRUE(end.gone);
}

TEST(LettersTest, WhatMakesNoSenseIsRefused) {
  Mail mail;
  v1::Letter letter;
  EXPECT_FALSE(DecodeLetter(&letter, kReceiver, kHere, &mail)) << "of no kind";
  letter.mutable_publish()->set_topic("t");
  letter.mutable_publish()->set_qos(3);
  EXPECT_FALSE(DecodeLetter(&letter, kReceiver, kHere, &mail));
  letter.mutable_publish()->set_qos(1);
  letter.mutable_publish()->set_topic("");
  EXPECT_FALSE(DecodeLetter(&letter, kReceiver, kHere, &mail));
  letter.mutable_publish()->set_topic(std::string(70'000, 't'));
  EXPECT_FALSE(DecodeLetter(&letter, kReceiver, kHere, &mail));
  letter.mutable_publish()->set_topic("t");
  letter.mutable_publish()->add_tried(4'000'000'000);
  EXPECT_TRUE(DecodeLetter(&letter, kReceiver, kHere, &mail));
  EXPECT_TRUE(std::get<shard::ForwardedPublish>(mail).tried.empty()) << "no such place";
  letter.mutable_retained_digest()->add_buckets(1);
  EXPECT_FALSE(DecodeLetter(&letter, kReceiver, kHere, &mail)) << "too few buckets";
  letter.mutable_retained()->set_qos(9);
  EXPECT_FALSE(DecodeLetter(&letter, kReceiver, kHere, &mail));
}

}  // namespace
}  // namespace skein::cluster
