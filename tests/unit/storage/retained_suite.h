// What every retained store must do, whatever it keeps its messages in.
//
// Purpose: a typed test suite. A type has a constructor that takes Limits, store(), and Put(),
// which also does what else is needed for the message to be kept. Thread: the test's, where no
// others are started.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "broker/base/limits.h"
#include "broker/routing/retained_scan.h"
#include "broker/routing/topic.h"
#include "broker/shard/retained_store.h"
#include "storage/log/tombstones.h"
#include "tests/unit/routing/random_topics.h"
#include "tests/unit/storage/retained_tools.h"

namespace skein::storage {

using PutResult = shard::RetainedStore::PutResult;

inline const shard::RetainedBuckets kAll = shard::RetainedBuckets().set();

template <typename Node>
class RetainedSuite : public testing::Test {};
TYPED_TEST_SUITE_P(RetainedSuite);

TYPED_TEST_P(RetainedSuite, StoresReplacesRemoves) {
  TypeParam node{Limits()};
  shard::RetainedStore& store = node.store();
  EXPECT_EQ(node.Put(Make("a/b", "1")), PutResult::kStored);
  EXPECT_EQ(node.Put(Make("a/c", "2")), PutResult::kStored);
  EXPECT_EQ(node.Put(Make("a/b", "3")), PutResult::kStored);
  EXPECT_EQ(ReadAll(&store, "a/+"), (Strings{"a/b=3", "a/c=2"}));
  EXPECT_EQ(store.stats().messages, 2u);
  EXPECT_EQ(store.stats().bytes, Make("a/b", "3")->cost() + Make("a/c", "2")->cost());
  EXPECT_EQ(node.Put(Make("a/b", "")), PutResult::kRemoved);
  EXPECT_EQ(node.Put(Make("never", "")), PutResult::kRemoved);
  EXPECT_EQ(ReadAll(&store, "#"), (Strings{"a/c=2"}));
  node.Put(Make("a/c", ""));
  EXPECT_EQ(store.stats().messages, 0u);
  EXPECT_EQ(store.stats().bytes, 0u);
  EXPECT_EQ(store.stats().refused, 0u);
}

TYPED_TEST_P(RetainedSuite, GoesOnBehindATopic) {
  TypeParam node{Limits()};
  for (const char* topic : {"a", "a/b", "a/b/c", "a!", "b", "b/a"})
    node.Put(Make(topic, "1"));
  const auto after = [&](const char* filter, const char* topic) {
    WakeCount wakes;
    const auto reader = node.store().Open(filter, wakes.Callback());
    reader->StartAfter(topic);
    std::vector<MessagePtr> out;
    ReadRest(reader.get(), &wakes, 0, 2, &out);
    return Texts(out);
  };
  // In the order of the store a topic is followed at once by all below it.
  EXPECT_EQ(after("#", "a"), (Strings{"a/b=1", "a/b/c=1", "a!=1", "b=1", "b/a=1"}));
  EXPECT_EQ(after("#", "a/b"), (Strings{"a/b/c=1", "a!=1", "b=1", "b/a=1"}));
  EXPECT_EQ(after("+/#", "a/x"), (Strings{"a!=1", "b=1", "b/a=1"})) << "it need not be there";
  EXPECT_EQ(after("b/#", "a"), (Strings{"b=1", "b/a=1"}));
  EXPECT_EQ(after("a/+", "a/b"), Strings());
}

TYPED_TEST_P(RetainedSuite, RefusesMoreMessagesThanAllowed) {
  Limits limits;
  limits.max_retained_messages = 2;
  TypeParam node(limits);
  shard::RetainedStore& store = node.store();
  EXPECT_EQ(node.Put(Make("a", "1")), PutResult::kStored);
  EXPECT_EQ(node.Put(Make("b", "1")), PutResult::kStored);
  EXPECT_EQ(node.Put(Make("c", "1")), PutResult::kFull);
  EXPECT_EQ(node.Put(Make("a", "a longer one")), PutResult::kStored);
  EXPECT_EQ(node.Put(Make("c", "")), PutResult::kRemoved);
  EXPECT_EQ(node.Put(Make("b", "")), PutResult::kRemoved);
  EXPECT_EQ(node.Put(Make("c", "1")), PutResult::kStored);
  EXPECT_EQ(ReadAll(&store, "#"), (Strings{"a=a longer one", "c=1"}));
  EXPECT_EQ(store.stats().refused, 1u);
}

TYPED_TEST_P(RetainedSuite, RefusesMoreBytesThanAllowed) {
  const std::string payload(1'000, 'x');
  Limits limits;
  limits.max_retained_bytes = 2 * Make("a", payload)->cost();
  TypeParam node(limits);
  shard::RetainedStore& store = node.store();
  EXPECT_EQ(node.Put(Make("a", payload)), PutResult::kStored);
  EXPECT_EQ(node.Put(Make("b", payload)), PutResult::kStored);
  EXPECT_EQ(store.stats().bytes, limits.max_retained_bytes);
  EXPECT_EQ(node.Put(Make("c", "1")), PutResult::kFull);
  EXPECT_EQ(node.Put(Make("a", payload + "x")), PutResult::kFull);
  EXPECT_EQ(ReadAll(&store, "a"), (Strings{"a=" + payload})) << "the one before is kept";
  std::string other = payload;
  other[0] = 'y';
  EXPECT_EQ(node.Put(Make("a", other)), PutResult::kStored);
  EXPECT_EQ(node.Put(Make("a", "short")), PutResult::kStored);
  EXPECT_EQ(node.Put(Make("c", "1")), PutResult::kStored);
  EXPECT_LE(store.stats().bytes, limits.max_retained_bytes);
  EXPECT_EQ(store.stats().refused, 2u);
}

TYPED_TEST_P(RetainedSuite, SkipsAndSweepsExpiredMessages) {
  TypeParam node{Limits()};
  shard::RetainedStore& store = node.store();
  for (int i = 0; i < 10; ++i)
    node.Put(Make("old/" + std::to_string(i), "1", 1));
  node.Put(Make("new", "1", 100));
  node.Put(Make("ever", "1"));
  node.Put(Make("old/0", "renewed"));
  EXPECT_EQ(ReadAll(&store, "#", 999).size(), 12u);
  EXPECT_EQ(ReadAll(&store, "#", 1'000), (Strings{"ever=1", "new=1", "old/0=renewed"}));
  store.Sweep(999, 100);
  EXPECT_EQ(store.stats().messages, 12u);
  store.Sweep(1'000, 4);
  EXPECT_EQ(store.stats().messages, 8u);
  store.Sweep(1'000, 100);
  EXPECT_EQ(store.stats().messages, 3u);
  node.Put(Make("new", ""));
  store.Sweep(1'000'000, 100);
  EXPECT_EQ(ReadAll(&store, "#", 1'000'000), (Strings{"ever=1", "old/0=renewed"}));
}

TYPED_TEST_P(RetainedSuite, ReadsInBoundedPieces) {
  TypeParam node{Limits()};
  shard::RetainedStore& store = node.store();
  constexpr size_t kTopics = 5 * kManyTopics;
  for (size_t i = 0; i < kTopics; ++i)
    node.Put(Make("t/" + std::to_string(i) + "/x", "1", 1));
  size_t calls = 0;
  EXPECT_EQ(ReadAll(&store, "t/#", 0, 100, &calls).size(), kTopics);
  EXPECT_GE(calls, kTopics / 100);
  // Nothing to find costs calls, not one long one.
  EXPECT_EQ(ReadAll(&store, "t/+/y", 0, 100, &calls).size(), 0u);
  EXPECT_GE(calls, 3u);
  EXPECT_EQ(ReadAll(&store, "t/#", 5'000, 100, &calls).size(), 0u);
  EXPECT_GE(calls, 3u);
  EXPECT_EQ(ReadAll(&store, "t/7/x", 0, 100, &calls).size(), 1u);
  EXPECT_EQ(calls, 1u);
}

TYPED_TEST_P(RetainedSuite, TheCursorHoldsWhenTopicsComeAndGo) {
  TypeParam node{Limits()};
  shard::RetainedStore& store = node.store();
  for (const char* topic : {"a", "b", "c", "d"})
    node.Put(Make(topic, "1"));
  WakeCount wakes;
  const auto reader = store.Open("#", wakes.Callback());
  std::vector<MessagePtr> out;
  while (out.size() < 2)
    ReadSome(reader.get(), &wakes, 0, 2 - out.size(), &out);
  node.Put(Make("c", ""));
  node.Put(Make("aa", "1"));
  ReadRest(reader.get(), &wakes, 0, 10, &out);
  Strings topics;
  for (const MessagePtr& message : out)
    topics.emplace_back(message->topic());
  EXPECT_EQ(topics, (Strings{"a", "b", "d"}));
}

TYPED_TEST_P(RetainedSuite, TopicsWithADollarAreOnlyFoundByName) {
  TypeParam node{Limits()};
  shard::RetainedStore& store = node.store();
  for (const char* topic : {"$SYS/a", "$SYS/b", "$", "a", "/a", "~"})
    node.Put(Make(topic, "1"));
  EXPECT_EQ(ReadAll(&store, "#"), (Strings{"/a=1", "a=1", "~=1"}));
  EXPECT_EQ(ReadAll(&store, "+/#"), (Strings{"/a=1", "a=1", "~=1"}));
  EXPECT_EQ(ReadAll(&store, "+/a"), (Strings{"/a=1"}));
  EXPECT_EQ(ReadAll(&store, "$SYS/#"), (Strings{"$SYS/a=1", "$SYS/b=1"}));
  EXPECT_EQ(ReadAll(&store, "$SYS/+"), (Strings{"$SYS/a=1", "$SYS/b=1"}));
  EXPECT_EQ(ReadAll(&store, "$"), (Strings{"$=1"}));
}

TYPED_TEST_P(RetainedSuite, WhatIsReplacedDuringAReadIsNotGivenOutAnyMore) {
  TypeParam node{Limits()};
  shard::RetainedStore& store = node.store();
  for (const char* topic : {"a", "b", "c", "d"})
    node.Put(Make(topic, "old"));
  WakeCount wakes;
  const auto reader = store.Open("#", wakes.Callback());
  std::vector<MessagePtr> out;
  while (out.empty())
    ReadSome(reader.get(), &wakes, 0, 1, &out);
  node.Put(Make("b", "new"));
  node.Put(Make("c", ""));
  node.Put(Make("d", "new"));
  ReadRest(reader.get(), &wakes, 0, 10, &out);
  EXPECT_EQ(Texts(out), (Strings{"a=old", "b=new", "d=new"}));
}

TYPED_TEST_P(RetainedSuite, AReaderMayEndEarly) {
  TypeParam node{Limits()};
  shard::RetainedStore& store = node.store();
  for (int i = 0; i < 1'000; ++i)
    node.Put(Make("t/" + std::to_string(i), std::string(1'000, 'x')));
  for (int i = 0; i < 100; ++i) {
    WakeCount wakes;
    const auto reader = store.Open("t/+", wakes.Callback());
    std::vector<MessagePtr> out;
    for (int call = 0; call < i % 4; ++call)
      reader->Read(0, 16, &out);
  }
  EXPECT_EQ(ReadAll(&store, "t/#").size(), 1'000u);
}

TYPED_TEST_P(RetainedSuite, AgreesWithTheReference) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    routing::RandomTopics random(seed);
    TypeParam node{Limits()};
    shard::RetainedStore& store = node.store();
    std::map<std::string, std::string> naive;
    for (int step = 0; step < 2'000; ++step) {
      const std::string topic = random.Topic();
      const std::string payload = random.Below(3) == 0 ? "" : std::to_string(step);
      node.Put(Make(topic, payload));
      naive.erase(topic);
      if (!payload.empty()) naive[topic] = payload;
      const std::string filter = random.Filter();
      Strings expected;
      for (const auto& [name, value] : naive) {
        if (routing::TopicMatchesFilter(name, filter)) expected.push_back(name + "=" + value);
      }
      Strings got = ReadAll(&store, filter, 0, 1 + random.Below(5));
      std::sort(got.begin(), got.end());
      std::sort(expected.begin(), expected.end());
      ASSERT_EQ(got, expected) << "seed " << seed << " filter " << filter;
      ASSERT_EQ(store.stats().messages, naive.size());
    }
  }
}

TYPED_TEST_P(RetainedSuite, ServesSeveralThreads) {
  Limits limits;
  limits.max_retained_messages = 300;
  TypeParam node(limits);
  shard::RetainedStore& store = node.store();
  std::atomic<int> writers{2};
  std::atomic<bool> wrong{false};
  const auto write = [&](int id) {
    for (int i = 0; i < 4'000; ++i) {
      const std::string topic = "w" + std::to_string(id) + "/" + std::to_string(i % 200);
      node.Put(Make(topic, i % 7 == 0 ? "" : topic, i % 3 == 0 ? 1 : Message::kNoExpiry));
    }
    --writers;
  };
  const auto read = [&] {
    while (writers > 0) {
      WakeCount wakes;
      const auto reader = store.Open("+/#", wakes.Callback());
      std::vector<MessagePtr> out;
      ReadRest(reader.get(), &wakes, 0, 16, &out);
      std::set<std::string_view> topics;
      for (const MessagePtr& message : out) {
        if (message->payload() != message->topic()) wrong = true;
        if (!topics.insert(message->topic()).second) wrong = true;
      }
    }
  };
  const auto sweep = [&] {
    while (writers > 0)
      store.Sweep(2'000, 8);
  };
  {
    std::vector<std::jthread> threads;
    for (int id = 0; id < 2; ++id)
      threads.emplace_back(write, id);
    threads.emplace_back(read);
    threads.emplace_back(sweep);
  }
  EXPECT_FALSE(wrong);
  EXPECT_LE(store.stats().messages, 300u);
  store.Sweep(2'000, 10'000);
  const size_t messages = ReadAll(&store, "#", 2'000, 50).size();
  EXPECT_EQ(messages, store.stats().messages);
  for (const std::string& row : ReadAll(&store, "#", 0, 50)) {
    node.Put(Make(row.substr(0, row.find('=')), ""));
  }
  EXPECT_EQ(store.stats().bytes, 0u);
}

// Nodes of a cluster: the newest write wins, whatever way it comes, also when it is a removal.
TYPED_TEST_P(RetainedSuite, TheNewestWriteWinsOnEveryNode) {
  TypeParam a{Limits()};
  TypeParam b{Limits()};
  std::mt19937 random(7);
  std::vector<MessagePtr> writes;
  for (int i = 0; i < 500; ++i) {
    const std::string topic = "t/" + std::to_string(random() % 20);
    MessagePtr message = Make(topic, random() % 3 == 0 ? "" : std::to_string(random() % 4))
                             ->ReceivedAt(1 + random() % 100);
    shard::RetainedStore& here = random() % 2 == 0 ? a.store() : b.store();
    const TimeMs before = message->received_at();
    EXPECT_NE(here.PutLatest(&message), PutResult::kFull);
    EXPECT_GE(message->received_at(), before);
    writes.push_back(message);
  }
  std::shuffle(writes.begin(), writes.end(), random);
  for (const MessagePtr& message : writes)
    a.store().Merge(message, 0);
  std::shuffle(writes.begin(), writes.end(), random);
  for (const MessagePtr& message : writes)
    b.store().Merge(message, 0);
  EXPECT_EQ(ReadAll(&a.store(), "#"), ReadAll(&b.store(), "#"));
  EXPECT_EQ(a.store().stats().bytes, b.store().stats().bytes);
  for (const MessagePtr& message : writes)
    EXPECT_EQ(a.store().Merge(message, 0), PutResult::kOlder);
  EXPECT_EQ(a.store().Removed(kAll).size() + a.store().stats().messages, 20u);
}

TYPED_TEST_P(RetainedSuite, AWriteHereIsLaterThanWhatIsThere) {
  TypeParam node{Limits()};
  MessagePtr message = Make("t", "future")->ReceivedAt(1'000);
  EXPECT_EQ(node.store().Merge(message, 0), PutResult::kStored);
  message = Make("t", "now")->ReceivedAt(10);
  EXPECT_EQ(node.store().Merge(message, 0), PutResult::kOlder);
  EXPECT_EQ(node.store().PutLatest(&message), PutResult::kStored);
  EXPECT_EQ(message->received_at(), 1'001);
  EXPECT_EQ(ReadAll(&node.store(), "t"), (Strings{"t=now"}));
  message = Make("t", "")->ReceivedAt(10);
  EXPECT_EQ(node.store().PutLatest(&message), PutResult::kRemoved);
  EXPECT_EQ(node.store().Merge(Make("t", "late")->ReceivedAt(1'001), 0), PutResult::kOlder);
  EXPECT_EQ(ReadAll(&node.store(), "t"), Strings{});
  ASSERT_EQ(node.store().Removed(kAll).size(), 1u);
  EXPECT_EQ(node.store().Removed(kAll)[0]->received_at(), 1'002);
  EXPECT_EQ(node.store().Removed(kAll)[0]->topic(), "t");
}

// Whether two stores agree, and in which bucket they do not.
inline std::vector<size_t> Differ(shard::RetainedStore* a, shard::RetainedStore* b, TimeMs now) {
  const shard::RetainedDigest left = a->Digest(now);
  const shard::RetainedDigest right = b->Digest(now);
  EXPECT_EQ(left.as_of, right.as_of);
  std::vector<size_t> differ;
  for (size_t i = 0; i < left.buckets.size(); ++i) {
    if (left.buckets[i] != right.buckets[i]) differ.push_back(i);
  }
  return differ;
}

TYPED_TEST_P(RetainedSuite, DigestsAreEqualWhereTheContentIs) {
  TypeParam a{Limits()};
  TypeParam b{Limits()};
  std::mt19937 random(11);
  std::vector<MessagePtr> writes;
  for (int i = 0; i < 500; ++i) {
    const uint32_t expiry = random() % 2 == 0 ? Message::kNoExpiry : 1'000;
    writes.push_back(Make("t/" + std::to_string(random() % 50),
                          random() % 3 == 0 ? "" : std::to_string(random() % 4), expiry)
                         ->ReceivedAt(1 + random() % 100));
  }
  EXPECT_EQ(Differ(&a.store(), &b.store(), 0), std::vector<size_t>{});
  for (const MessagePtr& message : writes)
    a.store().Merge(message, 0);
  EXPECT_GT(Differ(&a.store(), &b.store(), 0).size(), 20u);
  std::shuffle(writes.begin(), writes.end(), random);
  for (const MessagePtr& message : writes)
    b.store().Merge(message, 0);
  EXPECT_EQ(Differ(&a.store(), &b.store(), 0), std::vector<size_t>{});

  const size_t bucket = routing::RetainedBucket(routing::EncodeRetainedKey("t/7"));
  MessagePtr change = Make("t/7", "another")->ReceivedAt(200);
  a.store().PutLatest(&change);
  EXPECT_EQ(Differ(&a.store(), &b.store(), 0), std::vector<size_t>{bucket});
  b.store().Merge(Make("t/7", "one more")->ReceivedAt(200), 0);
  EXPECT_EQ(Differ(&a.store(), &b.store(), 0), std::vector<size_t>{bucket}) << "other content";
  change = Make("t/7", "");
  a.store().PutLatest(&change);
  EXPECT_EQ(Differ(&a.store(), &b.store(), 0), std::vector<size_t>{bucket});
  b.store().Merge(change, 0);
  EXPECT_EQ(Differ(&a.store(), &b.store(), 0), std::vector<size_t>{});
}

// Nodes drop what has ended when they come to it; that is no difference.
TYPED_TEST_P(RetainedSuite, WhatEndsByItselfLeavesTheDigestBeforeIt) {
  constexpr TimeMs kMinute = shard::RetainedDigest::kStepMs;
  TypeParam a{Limits()};
  TypeParam b{Limits()};
  for (TypeParam* node : {&a, &b}) {
    for (int i = 0; i < 100; ++i)
      node->store().Merge(Make("short/" + std::to_string(i), "x", 90)->ReceivedAt(1), 1);
    node->store().Merge(Make("removed", "")->ReceivedAt(1), 1);
    node->store().Merge(Make("stays", "x")->ReceivedAt(1), 1);
  }
  a.store().Sweep(90'001, 50);
  EXPECT_EQ(a.store().stats().messages, 51u);
  EXPECT_EQ(Differ(&a.store(), &b.store(), 90'001), std::vector<size_t>{});
  b.store().Sweep(90'001, 1'000);
  EXPECT_EQ(Differ(&a.store(), &b.store(), 90'001), std::vector<size_t>{});
  // Asked for a later time, it does not go back.
  EXPECT_EQ(a.store().Digest(10 * kMinute).as_of, 10 * kMinute);
  EXPECT_EQ(a.store().Digest(3 * kMinute + 5).as_of, 10 * kMinute);
  a.store().Sweep(2 + Tombstones::kKeepMs, 1'000);
  EXPECT_TRUE(a.store().Removed(kAll).empty());
  EXPECT_FALSE(b.store().Removed(kAll).empty());
  EXPECT_EQ(Differ(&a.store(), &b.store(), 2 + Tombstones::kKeepMs), std::vector<size_t>{});
}

TYPED_TEST_P(RetainedSuite, WhatHasEndedElsewhereIsNoNewsHere) {
  const TimeMs late = 2 + Tombstones::kKeepMs;
  TypeParam node{Limits()};
  const MessagePtr removal = Make("t", "")->ReceivedAt(1);
  EXPECT_EQ(node.store().Merge(removal, late), PutResult::kOlder);
  EXPECT_EQ(node.store().Merge(Make("u", "x", 10)->ReceivedAt(1), late), PutResult::kOlder);
  EXPECT_TRUE(node.store().Removed(kAll).empty());
  EXPECT_EQ(node.store().stats().messages, 0u);
  // But it ends what is older.
  EXPECT_EQ(node.store().Merge(Make("t", "x")->ReceivedAt(0), late), PutResult::kStored);
  EXPECT_EQ(node.store().Merge(removal, late), PutResult::kRemoved);
  EXPECT_EQ(node.store().stats().messages, 0u);
}

TYPED_TEST_P(RetainedSuite, RemovalsAreGivenOutByBuckets) {
  TypeParam node{Limits()};
  for (int i = 0; i < 100; ++i)
    node.store().Merge(Make("t/" + std::to_string(i), "")->ReceivedAt(1), 1);
  size_t found = 0;
  for (size_t bucket = 0; bucket < routing::kRetainedBuckets; ++bucket) {
    shard::RetainedBuckets one;
    one.set(bucket);
    for (const MessagePtr& removal : node.store().Removed(one)) {
      EXPECT_EQ(routing::RetainedBucket(routing::EncodeRetainedKey(removal->topic())), bucket);
      ++found;
    }
  }
  EXPECT_EQ(found, 100u);
}

TYPED_TEST_P(RetainedSuite, AnEmptyFilterReadsEverything) {
  TypeParam node{Limits()};
  node.Put(Make("$x/y", "1"));
  node.Put(Make("a/b", "2"));
  EXPECT_EQ(ReadAll(&node.store(), ""), (Strings{"$x/y=1", "a/b=2"}));
}

REGISTER_TYPED_TEST_SUITE_P(RetainedSuite, GoesOnBehindATopic, DigestsAreEqualWhereTheContentIs,
                            WhatEndsByItselfLeavesTheDigestBeforeIt,
                            WhatHasEndedElsewhereIsNoNewsHere, RemovalsAreGivenOutByBuckets,
                            TheNewestWriteWinsOnEveryNode, AWriteHereIsLaterThanWhatIsThere,
                            AnEmptyFilterReadsEverything, StoresReplacesRemoves,
                            RefusesMoreMessagesThanAllowed, RefusesMoreBytesThanAllowed,
                            SkipsAndSweepsExpiredMessages, ReadsInBoundedPieces,
                            TheCursorHoldsWhenTopicsComeAndGo, TopicsWithADollarAreOnlyFoundByName,
                            WhatIsReplacedDuringAReadIsNotGivenOutAnyMore, AReaderMayEndEarly,
                            AgreesWithTheReference, ServesSeveralThreads);

}  // namespace skein::storage
