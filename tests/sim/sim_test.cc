// Simulated clusters with fixed seeds, and the test of that test: each mutation is found.
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace skein::sim {
namespace {

class SimTest : public testing::TestWithParam<int> {};

// 40 runs a test; `tests/run.sh --sim SECONDS` takes new seeds.
TEST_P(SimTest, KeepsItsPromises) {
  for (int run = 0; run < 40; ++run) {
    WorldOptions options;
    options.seed = static_cast<uint64_t>(GetParam() * 1'000 + run);
    World world(options);
    const std::vector<std::string> broken = world.Run();
    for (const std::string& text : broken)
      ADD_FAILURE() << "skein_sim --seed " << options.seed << ": " << text;
    EXPECT_GT(world.books().acknowledged(), 0u);
    if (!broken.empty()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, SimTest, testing::Range(1, 9));

// 506, 2612: order across QoS levels, when the publisher's own session moves while its messages are
// held. 1947: then the new owner of the session sent one before the old one's copy had arrived.
// 100116: the old and the new owner of a partition, not having heard the same yet, each waited for
// the other's outbox. 100299 was the harness, which left a connection open that nobody served.
// 301517: a node that died before it could refuse a QoS 2 message took it for delivered when it was
// back. 900624: a shared group's member that was about to join was counted on, and the one that was
// away forgotten. 901276: the member that was asked instead of one that had died was not waited
// for.
TEST(SimTest, SeedsThatFoundSomething) {
  for (const uint64_t seed : {506, 1947, 2612, 100116, 100299, 301517, 900624, 901276}) {
    WorldOptions options;
    options.seed = seed;
    EXPECT_EQ(World(options).Run(), std::vector<std::string>{}) << "seed " << seed;
  }
}

TEST(SimTest, WithoutFaultsNothingIsRefused) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.faults = false;
    World world(options);
    EXPECT_EQ(world.Run(), std::vector<std::string>{}) << "seed " << seed;
    EXPECT_EQ(world.faults(), 0);
  }
}

TEST(SimTest, TheSameSeedIsTheSameRun) {
  WorldOptions options;
  options.seed = 7;
  World one(options);
  World other(options);
  one.Run();
  other.Run();
  EXPECT_EQ(one.books().now(), other.books().now());
  EXPECT_EQ(one.books().received(), other.books().received());
}

class MutationTest : public testing::TestWithParam<int> {};

TEST_P(MutationTest, IsFound) {
  WorldOptions options;
  options.mutation = static_cast<Mutation>(GetParam());
  for (options.seed = 1; options.seed <= 200; ++options.seed) {
    if (!World(options).Run().empty()) return;
  }
  ADD_FAILURE() << "nobody noticed: " << NameOf(options.mutation);
}
INSTANTIATE_TEST_SUITE_P(All, MutationTest, testing::Range(1, kMutations + 1));

}  // namespace
}  // namespace skein::sim
