#include "broker/trace/book.h"

#include <gtest/gtest.h>

#include <string>

namespace skein::trace {
namespace {

Spec OfTopic(const std::string& id, TimeMs ends_at) {
  return {id, {}, "t/#", ends_at};
}

Event About(const std::string& topic) {
  Event event;
  event.topic = topic;
  return event;
}

TEST(BookTest, SaysWhatCannotBeTraced) {
  EXPECT_EQ(Book::Check({"1", "a", {}, 10}), "");
  EXPECT_EQ(Book::Check({"1", {}, "a/+/b", 10}), "");
  EXPECT_NE(Book::Check({"1", {}, {}, 10}), "");
  EXPECT_NE(Book::Check({"1", "a", "t", 10}), "");
  EXPECT_NE(Book::Check({"1", {}, "a#", 10}), "");
  EXPECT_NE(Book::Check({"1", {}, "$share/g/t", 10}), "");
}

TEST(BookTest, IsReadPieceByPiece) {
  Book book;
  ASSERT_TRUE(book.Add(OfTopic("x", 100), 0).ok());
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(book.Write(1, About(std::to_string(i))), 0u);
  auto reading = book.Read("x", 0, 2, 0);
  ASSERT_TRUE(reading.has_value());
  ASSERT_EQ(reading->events.size(), 2u);
  EXPECT_EQ(reading->events[1].topic, "1");
  EXPECT_EQ(reading->last, 2u);
  reading = book.Read("x", reading->last, 100, 0);
  ASSERT_EQ(reading->events.size(), 3u);
  EXPECT_EQ(reading->events[0].topic, "2");
  EXPECT_EQ(reading->last, 5u);
  reading = book.Read("x", 5, 100, 0);
  EXPECT_TRUE(reading->events.empty());
  EXPECT_EQ(reading->last, 5u);
  EXPECT_FALSE(reading->done);
  EXPECT_FALSE(book.Read("y", 0, 1, 0).has_value());
}

TEST(BookTest, TheOldestGoAndAreCounted) {
  Book book;
  ASSERT_TRUE(book.Add(OfTopic("x", 100), 0).ok());
  uint64_t lost = 0;
  for (size_t i = 0; i < Book::kMostEvents + 3; ++i)
    lost += book.Write(1, About(std::to_string(i)));
  EXPECT_EQ(lost, 3u);
  auto reading = book.Read("x", 0, 1, 0);
  EXPECT_EQ(reading->lost, 3u);
  EXPECT_EQ(reading->events[0].topic, "3");
  EXPECT_EQ(book.Read("x", 2, 1, 0)->lost, 1u);
  EXPECT_EQ(book.Read("x", 3, 1, 0)->lost, 0u);
  EXPECT_EQ(book.Read("x", 3, 1, 0)->events[0].topic, "3");
}

TEST(BookTest, AReaderOfAnotherProcessBeginsAnew) {
  Book book;
  ASSERT_TRUE(book.Add(OfTopic("x", 100), 0).ok());
  book.Write(1, About("first"));
  EXPECT_EQ(book.Read("x", 77, 10, 0)->events.size(), 1u);
}

TEST(BookTest, EndsByItselfAndIsReadToTheEnd) {
  Book book;
  ASSERT_TRUE(book.Add(OfTopic("x", 100), 0).ok());
  book.Write(1, About("a"));
  book.Write(1, About("b"));
  EXPECT_EQ(book.Running(99)->size(), 1u);
  EXPECT_EQ(book.Running(100), nullptr);
  EXPECT_FALSE(book.Read("x", 0, 1, 100)->done);
  EXPECT_TRUE(book.Read("x", 1, 1, 100)->done);
  EXPECT_TRUE(book.Remove("x"));
  EXPECT_FALSE(book.Remove("x"));
  EXPECT_FALSE(book.Read("x", 0, 1, 100).has_value());
  EXPECT_EQ(book.Write(1, About("late")), 0u);
}

TEST(BookTest, ThereAreNotMoreThanItsBound) {
  Book book;
  for (size_t i = 0; i < Book::kMostTraces; ++i)
    ASSERT_TRUE(book.Add(OfTopic(std::to_string(i), 100 + static_cast<TimeMs>(i)), 0).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(book.Add(OfTopic("one more", 500), 0)));
  // The same again is not one more, and one that has ended makes room.
  EXPECT_TRUE(book.Add(OfTopic("3", 500), 0).ok());
  EXPECT_EQ(book.Read("3", 0, 1, 0)->spec.ends_at, 103);
  EXPECT_TRUE(book.Add(OfTopic("one more", 500), 100).ok());
  EXPECT_FALSE(book.Read("0", 0, 1, 100).has_value());
  EXPECT_TRUE(book.Read("1", 0, 1, 100).has_value());
}

}  // namespace
}  // namespace skein::trace
