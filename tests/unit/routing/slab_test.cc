// Slab: ids are reused, addresses stay, empty blocks return their memory.
#include "broker/routing/slab.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace skein::routing {
namespace {

TEST(SlabTest, KeepsAddressesAndReusesIds) {
  Slab<std::string> slab;
  const uint32_t first = slab.Insert("first");
  const std::string* address = &slab[first];
  std::vector<uint32_t> ids;
  for (int i = 0; i < 1'000; ++i)
    ids.push_back(slab.Insert(std::to_string(i)));
  EXPECT_EQ(address, &slab[first]);
  EXPECT_EQ(slab[ids[999]], "999");
  slab.Erase(ids[10]);
  EXPECT_FALSE(slab.Contains(ids[10]));
  EXPECT_EQ(slab.Insert("again"), ids[10]);
  EXPECT_EQ(slab.size(), 1'001u);
}

TEST(SlabTest, ReturnsMemoryAndDestroysValues) {
  Slab<std::shared_ptr<int>> slab;
  const auto shared = std::make_shared<int>(1);
  std::vector<uint32_t> ids;
  for (int i = 0; i < 10'000; ++i)
    ids.push_back(slab.Insert(shared));
  EXPECT_EQ(shared.use_count(), 10'001);
  EXPECT_GE(slab.capacity(), 10'000u);
  for (const uint32_t id : ids)
    slab.Erase(id);
  EXPECT_EQ(shared.use_count(), 1);
  EXPECT_EQ(slab.size(), 0u);
  EXPECT_EQ(slab.capacity(), 0u);
  EXPECT_LT(slab.Insert(shared), 10'048u);
}

TEST(SlabTest, AgreesWithAMap) {
  Slab<uint32_t> slab;
  std::map<uint32_t, uint32_t> reference;
  std::mt19937 random(7);
  for (uint32_t step = 0; step < 50'000; ++step) {
    const bool grow = (step / 5'000) % 2 == 0;
    if (reference.empty() || random() % 10 < (grow ? 7u : 3u)) {
      const uint32_t id = slab.Insert(step);
      ASSERT_TRUE(reference.emplace(id, step).second) << "id given out twice";
    } else {
      auto victim = reference.lower_bound(random() % (reference.rbegin()->first + 1));
      ASSERT_EQ(slab[victim->first], victim->second);
      slab.Erase(victim->first);
      reference.erase(victim);
    }
    ASSERT_EQ(slab.size(), reference.size());
  }
  for (const auto& [id, value] : reference)
    EXPECT_EQ(slab[id], value);
}

TEST(SlabDeathTest, AbortsOnAnErasedId) {
  Slab<int> slab;
  const uint32_t id = slab.Insert(1);
  slab.Erase(id);
  EXPECT_DEATH(slab[id], "Contains");
  EXPECT_DEATH(slab.Erase(id), "Contains");
}

}  // namespace
}  // namespace skein::routing
