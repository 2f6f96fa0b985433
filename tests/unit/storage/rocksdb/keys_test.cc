#include "storage/rocksdb/keys.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skein::storage {
namespace {

using namespace std::string_literals;  // NOLINT: for bytes with zeros among them

TEST(KeysTest, BytesAreAsTheFormatPageSays) {
  EXPECT_EQ(LogKey(0x0102, 3).view(), "\x01\x02\0\0\0\0\0\0\0\x03"s);
  EXPECT_EQ(StateKey(1, StateKind::kApplied).view(), "\0\x01"s + "A");
  EXPECT_EQ(StateKey(1, StateKind::kSession, 0x0203).view(), "\0\x01S\0\0\0\0\0\0\x02\x03"s);
  EXPECT_EQ(SubscriptionKey({1, 2}, "a/+"), "\0\x01"s + "F\0\0\0\0\0\0\0\x02"s + "a/+");
  EXPECT_EQ(QueueKey({1, 2}, 258).view(), "\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x01\x02"s);
  EXPECT_EQ(BodyKey(1, BodyNumber(2, 3)).view(), "\0\x01\0\0\0\0\0\x02\0\x03"s);
}

TEST(KeysTest, SortAsTheirNumbers) {
  const std::vector<uint64_t> numbers = {0,         1, 255, 256, 65'535, 65'536, uint64_t{1} << 40,
                                         UINT64_MAX};
  for (size_t i = 1; i < numbers.size(); ++i) {
    EXPECT_LT(QueueKey({1, 7}, numbers[i - 1]).view(), QueueKey({1, 7}, numbers[i]).view());
    EXPECT_LT(StateKey(1, StateKind::kSession, numbers[i - 1]).view(),
              StateKey(1, StateKind::kSession, numbers[i]).view());
  }
  EXPECT_LT(LogKey(1, UINT64_MAX).view(), LogKey(2, 0).view());
}

TEST(KeysTest, WhatWasPutInComesOut) {
  const auto key = SubscriptionKey({9, 77}, "x/#");
  const auto state = ParseStateKey(key);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->number, 77u);
  EXPECT_EQ(state->rest, "x/#");
  EXPECT_EQ(ParseQueueKey(QueueKey({9, 77}, 1234).view()), 1234u);
}

TEST(KeysTest, ShortKeysAreRefused) {
  EXPECT_FALSE(ParseStateKey("\0\x01S\0\0"s).has_value());
  EXPECT_FALSE(ParseStateKey("").has_value());
  EXPECT_FALSE(ParseQueueKey("\0\x01\0\0\0\0\0\0\0\x02"s).has_value());
}

TEST(KeysTest, PrefixEndIsTheNextPrefix) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd("a\xFF"), "b");
  EXPECT_EQ(PrefixEnd("\xFF\xFF"), "");
}

}  // namespace
}  // namespace skein::storage
