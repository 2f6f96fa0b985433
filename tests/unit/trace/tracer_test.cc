#include "broker/trace/tracer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/trace/book.h"

namespace skein::trace {
namespace {

class TracerTest : public testing::Test {
 protected:
  void Follow(const std::string& client_id, const std::string& filter, TimeMs ends_at = 1'000) {
    ASSERT_TRUE(book_.Add({client_id + filter, client_id, filter, ends_at}, 0).ok());
    tracer_.Set(book_.Running(0));
  }
  // Topics of what the trace has.
  std::vector<std::string> Seen(const std::string& id) {
    std::vector<std::string> topics;
    const std::vector<Event> events = book_.Read(id, 0, 1'000, 0)->events;
    for (const Event& event : events)
      topics.push_back(event.topic);
    return topics;
  }
  static mqtt::MessagePtr Make(const std::string& topic, uint32_t client_hash = 0) {
    mqtt::Message::Init init;
    init.topic = topic;
    init.client_hash = client_hash;
    return mqtt::Message::Make(init);
  }
  static Detail Of(std::string_view client) {
    Detail detail;
    detail.client = client;
    return detail;
  }

  ShardStats stats_;
  Book book_;
  Tracer tracer_{&book_, &stats_};
};

TEST_F(TracerTest, IsOffUntilThereIsATraceAndAfterItsTime) {
  EXPECT_FALSE(tracer_.on());
  Follow("", "t", 100);
  EXPECT_TRUE(tracer_.on());
  tracer_.Message(99, Step::kSent, *Make("t"), {});
  EXPECT_TRUE(tracer_.on());
  tracer_.Message(100, Step::kSent, *Make("t"), {});
  EXPECT_FALSE(tracer_.on());
  EXPECT_EQ(Seen("t").size(), 1u);
  EXPECT_EQ(stats_.trace_events.value(), 1u);
  Follow("", "u");
  EXPECT_TRUE(tracer_.on());
  tracer_.Set(nullptr);
  EXPECT_FALSE(tracer_.on());
}

TEST_F(TracerTest, ATopicIsFollowedByItsFilter) {
  Follow("", "a/+");
  tracer_.Message(1, Step::kSent, *Make("a/b"), Of("c"));
  tracer_.Message(1, Step::kSent, *Make("a/b/c"), Of("c"));
  tracer_.Topic(1, Step::kReceived, "a/d", Of("p"));
  tracer_.Topic(1, Step::kReceived, "b", Of("p"));
  // Subscriptions that its messages may match, and none of what else clients do.
  tracer_.Client(1, Step::kSubscribed, "a/#", Of("c"));
  tracer_.Client(1, Step::kSubscribed, "$share/g/a/x", Of("c"));
  tracer_.Client(1, Step::kSubscribed, "b/#", Of("c"));
  tracer_.Client(1, Step::kConnected, {}, Of("c"));
  EXPECT_EQ(Seen("a/+"), (std::vector<std::string>{"a/b", "a/d", "a/#", "$share/g/a/x"}));
}

TEST_F(TracerTest, AClientIsFollowedWithAllThatItPublished) {
  Follow("c", "");
  const uint32_t hash = (*book_.Running(0))[0].client_hash;
  EXPECT_EQ(hash & 1, 1u);
  tracer_.Client(1, Step::kConnected, {}, Of("c"));
  tracer_.Client(1, Step::kSubscribed, "f", Of("c"));
  tracer_.Client(1, Step::kSubscribed, "g", Of("other"));
  tracer_.Topic(1, Step::kReceived, "t", Of("c"));
  tracer_.Topic(1, Step::kReceived, "t", Of("other"));
  tracer_.Message(1, Step::kSent, *Make("to c"), Of("c"));
  tracer_.Message(1, Step::kSent, *Make("from c", hash), Of("other"));
  tracer_.Message(1, Step::kSent, *Make("others"), Of("other"));
  EXPECT_EQ(Seen("c"), (std::vector<std::string>{"", "f", "t", "to c", "from c"}));
}

TEST_F(TracerTest, OneStepMayConcernSeveralTraces) {
  Follow("c", "");
  Follow("", "t");
  Follow("", "#");
  tracer_.Message(1, Step::kSent, *Make("t"), Of("c"));
  EXPECT_EQ(Seen("c").size() + Seen("t").size() + Seen("#").size(), 3u);
}

TEST_F(TracerTest, EveryStepOfAMessageHasItsNumber) {
  Follow("", "#");
  tracer_.Message(1, Step::kMatched, *Make("t"), {});
  tracer_.Message(2, Step::kSent, *Make("t"), {});
  tracer_.Message(2, Step::kSent, *Make("u"), {});
  const auto events = book_.Read("#", 0, 10, 0)->events;
  EXPECT_NE(events[0].message, 0u);
  EXPECT_EQ(events[0].message, events[1].message);
  EXPECT_NE(events[0].message, events[2].message);
  EXPECT_EQ(events[0].message, NumberOf(0, "t", ""));
}

TEST_F(TracerTest, LongTextsAreCutBetweenCharacters) {
  Follow("", "#");
  std::string topic(Event::kMostText - 1, 'x');
  topic += "\xC3\xA4 and more";  // an umlaut across the cut
  tracer_.Message(1, Step::kSent, *Make(topic), {});
  EXPECT_EQ(Seen("#")[0], std::string(Event::kMostText - 1, 'x') + "...");
}

}  // namespace
}  // namespace skein::trace
