#include "broker/base/ring.h"

#include <deque>
#include <memory>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace skein {
namespace {

TEST(RingTest, FirstInFirstOutThroughGrowthAndWrap) {
  Ring<std::string> ring;
  std::deque<std::string> reference;
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    if (reference.empty() || random() % 5 < 3) {
      ring.push_back(std::to_string(i));
      reference.push_back(std::to_string(i));
    } else if (random() % 4 != 0) {
      ring.pop_front();
      reference.pop_front();
    } else {
      ring.pop_back();
      reference.pop_back();
    }
    ASSERT_EQ(ring.size(), reference.size());
    if (reference.empty()) continue;
    ASSERT_EQ(ring.front(), reference.front());
    ASSERT_EQ(ring.back(), reference.back());
    const size_t middle = reference.size() / 2;
    ASSERT_EQ(ring[middle], reference[middle]);
  }
}

TEST(RingTest, DestroysEachElementOnce) {
  const auto witness = std::make_shared<int>(0);
  {
    Ring<std::shared_ptr<int>> ring;
    for (int i = 0; i < 100; ++i)
      ring.push_back(witness);
    ring.pop_front();
    ring.pop_back();
    EXPECT_EQ(witness.use_count(), 99);
    ring.clear();
    EXPECT_EQ(witness.use_count(), 1);
    ring.push_back(witness);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(RingDeathTest, PoppingAnEmptyRingIsOurMistake) {
  Ring<int> ring;
  EXPECT_DEATH(ring.pop_front(), "check failed");
}

}  // namespace
}  // namespace skein
