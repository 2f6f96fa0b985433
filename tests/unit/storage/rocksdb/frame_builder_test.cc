#include "storage/rocksdb/frame_builder.h"

#include <string>

#include "gmock/gmock.h"
#include "skein/storage/v1/record.pb.h"
#include "storage/rocksdb/keys.h"

namespace skein::storage {
namespace {

mqtt::MessagePtr Message(size_t payload_size) {
  const std::string payload(payload_size, 'p');
  mqtt::Message::Init init;
  init.topic = "t";
  init.payload = payload;
  return mqtt::Message::Make(init);
}

StagedRecord Enqueued(session::SessionKey key, const mqtt::MessagePtr& message) {
  StagedEnqueued enqueued;
  enqueued.sequence = 1;
  enqueued.message = message;
  return {key, std::move(enqueued)};
}

TEST(FrameBuilder, OneFrameAPartition) {
  FrameBuilder builder(3);
  builder.SetNext(2, 10);
  builder.Add({{2, 1}, session::Sent{1, 1}});
  builder.Add({{0, 1}, session::Sent{1, 1}});
  builder.Add({{2, 2}, session::Sent{1, 1}});
  ASSERT_EQ(builder.frames().size(), 2u);
  EXPECT_EQ(builder.frames()[0].partition, 2u);
  EXPECT_EQ(builder.frames()[0].sequence, 10u);
  ASSERT_EQ(builder.frames()[0].frame->records_size(), 2);
  EXPECT_EQ(builder.frames()[0].frame->records(1).session(), 2u);
  EXPECT_EQ(builder.frames()[1].sequence, 1u);
  builder.Reset();
  EXPECT_TRUE(builder.frames().empty());
  builder.Add({{2, 1}, session::Sent{1, 1}});
  EXPECT_EQ(builder.frames()[0].sequence, 11u);
}

TEST(FrameBuilder, SharesTheBodyOfAMessageThatComesAgain) {
  FrameBuilder builder(2);
  builder.SetNext(1, 5);
  const mqtt::MessagePtr message = Message(200);
  for (uint64_t session = 1; session <= 3; ++session)
    builder.Add(Enqueued({1, session}, message));
  const mqtt::MessagePtr other = Message(200);
  builder.Add(Enqueued({1, 4}, other));
  const v1::Frame& frame = *builder.frames()[0].frame;
  ASSERT_EQ(frame.bodies_size(), 1);
  EXPECT_EQ(frame.bodies(0).number(), BodyNumber(5, 0));
  EXPECT_EQ(frame.bodies(0).message().payload(), message->payload());
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(frame.records(i).enqueued().body(), BodyNumber(5, 0));
  EXPECT_EQ(frame.records(3).enqueued().message().payload(), other->payload());
}

TEST(FrameBuilder, DoesNotShareShortOnesNorAcrossPartitions) {
  FrameBuilder builder(2);
  const mqtt::MessagePtr brief = Message(FrameBuilder::kMinSharedBytes - 1);
  const mqtt::MessagePtr message = Message(200);
  builder.Add(Enqueued({0, 1}, brief));
  builder.Add(Enqueued({0, 2}, brief));
  builder.Add(Enqueued({0, 3}, message));
  builder.Add(Enqueued({1, 4}, message));
  for (const FrameBuilder::Entry& entry : builder.frames())
    EXPECT_EQ(entry.frame->bodies_size(), 0);
}

TEST(FrameBuilder, SharesNothingWithAnEarlierCommit) {
  FrameBuilder builder(1);
  const mqtt::MessagePtr message = Message(200);
  builder.Add(Enqueued({0, 1}, message));
  builder.Reset();
  builder.Add(Enqueued({0, 2}, message));
  EXPECT_EQ(builder.frames()[0].frame->bodies_size(), 0);
  EXPECT_TRUE(builder.frames()[0].frame->records(0).enqueued().has_message());
}

TEST(FrameBuilder, ALongFrameIsFollowedByAnother) {
  FrameBuilder builder(1);
  const mqtt::MessagePtr message = Message(FrameBuilder::kMaxFrameBytes);
  builder.Add(Enqueued({0, 1}, message));
  builder.Add({{0, 1}, session::Sent{1, 1}});
  builder.Add({{0, 1}, session::Sent{1, 1}});
  ASSERT_EQ(builder.frames().size(), 2u);
  EXPECT_EQ(builder.frames()[0].sequence, 1u);
  EXPECT_EQ(builder.frames()[1].sequence, 2u);
  EXPECT_EQ(builder.frames()[1].frame->records_size(), 2);
}

}  // namespace
}  // namespace skein::storage
