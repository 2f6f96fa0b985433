#include "storage/log/records.h"

#include <string>

#include <google/protobuf/text_format.h>

#include "gmock/gmock.h"
#include "skein/storage/v1/record.pb.h"

namespace skein::storage {
namespace {

std::string Text(const session::RecordBody& body) {
  v1::Record record;
  EncodeRecord(5, body, &record);
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text;
  printer.PrintToString(record, &text);
  return text;
}

mqtt::MessagePtr Message() {
  mqtt::Message::Init init;
  init.topic = "t";
  init.payload = "p";
  init.qos = Qos::kExactlyOnce;
  init.expiry_seconds = 60;
  init.received_at = 1'000;
  return mqtt::Message::Make(init);
}

constexpr char kMessage[] =
    "{ topic: \"t\" payload: \"p\" qos: 2 expiry_seconds: 60 received_at_ms: 1000 }";

TEST(Records, Connected) {
  EXPECT_EQ(Text(session::Connected{"id", 30, 5, {}}),
            "session: 5 connected { client_id: \"id\" expiry_seconds: 30 version: 5 } ");
  EXPECT_EQ(
      Text(session::Connected{"id", 30, 5, session::WillRecord{Message(), 9}}),
      "session: 5 connected { client_id: \"id\" expiry_seconds: 30 version: 5 will { message " +
          std::string(kMessage) + " delay_seconds: 9 } } ");
}

TEST(Records, Disconnected) {
  EXPECT_EQ(Text(session::Disconnected{70, 30, 90}),
            "session: 5 disconnected { at_ms: 70 expiry_seconds: 30 will_due_ms: 90 } ");
  EXPECT_EQ(Text(session::Disconnected{70, 30, kNever}),
            "session: 5 disconnected { at_ms: 70 expiry_seconds: 30 } ");
  EXPECT_EQ(Text(session::WillDone{}), "session: 5 will_done { } ");
  EXPECT_EQ(Text(session::Ended{}), "session: 5 ended { } ");
}

TEST(Records, Subscriptions) {
  EXPECT_EQ(Text(session::Subscribed{"a/+", {Qos::kAtLeastOnce, true, true, 2, 11}}),
            "session: 5 subscribed { filter: \"a/+\" qos: 1 no_local: true "
            "retain_as_published: true retain_handling: 2 identifier: 11 } ");
  EXPECT_EQ(Text(session::Unsubscribed{"a/+"}), "session: 5 unsubscribed { filter: \"a/+\" } ");
}

TEST(Records, Enqueued) {
  const uint32_t ids[] = {3, 4};
  const mqtt::MessagePtr message = Message();
  EXPECT_EQ(Text(session::Enqueued{8, message, ids, Qos::kExactlyOnce, true, 12}),
            "session: 5 enqueued { sequence: 8 qos: 2 retain: true packet_id: 12 "
            "subscription_ids: 3 subscription_ids: 4 cost: " +
                std::to_string(message->cost()) + " message " + kMessage + " } ");
}

TEST(Records, AnEnqueuedMessageNamesItsSharedGroup) {
  const mqtt::MessagePtr message = Message();
  session::Enqueued record{8, message, {}, Qos::kAtLeastOnce};
  record.share = routing::ShareRef("$share/g/t");
  EXPECT_EQ(Text(record),
            "session: 5 enqueued { sequence: 8 qos: 1 cost: " + std::to_string(message->cost()) +
                " message " + kMessage + " share: \"$share/g/t\" } ");
}

TEST(Records, TheWayOfAMessageThroughTheQueue) {
  EXPECT_EQ(Text(session::Sent{8, 12}), "session: 5 sent { sequence: 8 packet_id: 12 } ");
  EXPECT_EQ(Text(session::Released{8}), "session: 5 released { sequence: 8 } ");
  EXPECT_EQ(Text(session::Completed{8, 90}), "session: 5 completed { sequence: 8 cost: 90 } ");
  EXPECT_EQ(Text(session::DroppedOldest{8, 2, 90}),
            "session: 5 dropped_oldest { below: 8 messages: 2 cost: 90 } ");
}

TEST(Records, Inbound) {
  EXPECT_EQ(Text(session::InboundTaken{12}), "session: 5 inbound_taken { packet_id: 12 } ");
  EXPECT_EQ(Text(session::InboundReleased{12}), "session: 5 inbound_released { packet_id: 12 } ");
}

}  // namespace
}  // namespace skein::storage
