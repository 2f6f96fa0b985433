#include "broker/mqtt/message.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace skein::mqtt {
namespace {

Message::Init Sample() {
  Message::Init init;
  init.topic = "a/b";
  init.properties = "PP";
  init.payload = "payload";
  init.qos = Qos::kExactlyOnce;
  init.retain = true;
  init.expiry_seconds = 10;
  init.received_at = 5'000;
  init.publisher = 42;
  return init;
}

TEST(MessageTest, KeepsWhatItWasMadeOf) {
  MessagePtr message;
  {
    std::string topic = "a/b";
    Message::Init init = Sample();
    init.topic = topic;
    message = Message::Make(init);
    topic = "x/y";
  }
  EXPECT_EQ(message->topic(), "a/b");
  EXPECT_EQ(message->properties(), "PP");
  EXPECT_EQ(message->payload(), "payload");
  EXPECT_EQ(message->qos(), Qos::kExactlyOnce);
  EXPECT_TRUE(message->retain());
  EXPECT_EQ(message->publisher(), 42u);
  EXPECT_EQ(message->received_at(), 5'000);
  EXPECT_GE(message->cost(), sizeof(Message) + 12);
}

TEST(MessageTest, EmptyPartsAndLargePayload) {
  const MessagePtr empty = Message::Make({});
  EXPECT_TRUE(empty->topic().empty() && empty->properties().empty() && empty->payload().empty());
  const std::string large(10 << 20, 'L');
  Message::Init init;
  init.topic = std::string_view(large).substr(0, 65'535);
  init.payload = large;
  const MessagePtr message = Message::Make(init);
  EXPECT_EQ(message->payload(), large);
  EXPECT_EQ(message->topic().size(), 65'535u);
  EXPECT_GT(message->cost(), large.size());
}

TEST(MessageTest, ExpiryCountsDownInWholeSecondsAndNeverBelowOne) {
  const MessagePtr message = Message::Make(Sample());
  EXPECT_TRUE(message->has_expiry());
  EXPECT_EQ(message->expires_at(), 15'000);
  EXPECT_EQ(message->expiry_left(5'000), 10u);
  EXPECT_EQ(message->expiry_left(5'999), 10u);
  EXPECT_EQ(message->expiry_left(6'000), 9u);
  EXPECT_EQ(message->expiry_left(14'999), 1u);
  EXPECT_EQ(message->expiry_left(15'000), 1u);
  EXPECT_EQ(message->expiry_left(99'000), 1u);
  EXPECT_EQ(message->expiry_left(4'000), 10u);
  EXPECT_FALSE(message->expired(14'999));
  EXPECT_TRUE(message->expired(15'000));
}

TEST(MessageTest, NoExpiryNeverExpires) {
  Message::Init init = Sample();
  init.expiry_seconds = Message::kNoExpiry;
  const MessagePtr message = Message::Make(init);
  EXPECT_FALSE(message->has_expiry());
  EXPECT_EQ(message->expires_at(), kNever);
  EXPECT_FALSE(message->expired(kNever - 1));
}

TEST(MessageTest, ReferencesCopyMoveDetachAdopt) {
  MessagePtr first = Message::Make(Sample());
  MessagePtr second = first;
  EXPECT_EQ(first.get(), second.get());
  MessagePtr third = std::move(second);
  EXPECT_EQ(second.get(), nullptr);  // NOLINT(bugprone-use-after-move)
  const Message* raw = third.detach();
  EXPECT_FALSE(third);
  MessagePtr fourth = MessagePtr::Adopt(raw);
  first = MessagePtr();
  EXPECT_EQ(fourth->payload(), "payload");
  fourth = MessagePtr(fourth);
  EXPECT_EQ(fourth->topic(), "a/b");
}

TEST(MessageTest, ReferencesMayBeDroppedOnAnyThread) {
  for (int round = 0; round < 50; ++round) {
    const MessagePtr message = Message::Make(Sample());
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([copy = message]() mutable {
        for (int n = 0; n < 20; ++n)
          MessagePtr another = copy;
        EXPECT_EQ(copy->payload(), "payload");
        copy = MessagePtr();
      });
    }
    for (std::thread& thread : threads)
      thread.join();
  }
}

}  // namespace
}  // namespace skein::mqtt
