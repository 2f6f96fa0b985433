// Which node owns a partition.
#include "cluster/table/rendezvous.h"

#include <gtest/gtest.h>

#include <map>

namespace skein::cluster {
namespace {

constexpr uint32_t kPartitions = 256;

TEST(RendezvousTest, EachNodeGetsItsShare) {
  const std::vector<std::string> nodes = {"a", "b", "c"};
  std::map<uint16_t, int> shares;
  for (const uint16_t node : RendezvousTable(kPartitions, nodes))
    ++shares[node];
  ASSERT_EQ(shares.size(), nodes.size());
  for (const auto& [node, partitions] : shares) {
    EXPECT_GT(partitions, 60) << nodes[node];
    EXPECT_LT(partitions, 110) << nodes[node];
  }
}

TEST(RendezvousTest, ANodeThatGoesMovesOnlyWhatItHad) {
  const std::vector<std::string> before = {"a", "b", "c", "d"};
  const std::vector<std::string> after = {"a", "b", "d"};
  const std::vector<uint16_t> old_table = RendezvousTable(kPartitions, before);
  const std::vector<uint16_t> new_table = RendezvousTable(kPartitions, after);
  for (uint32_t partition = 0; partition < kPartitions; ++partition) {
    const std::string& owner = before[old_table[partition]];
    if (owner == "c") continue;
    EXPECT_EQ(after[new_table[partition]], owner) << partition;
  }
}

// Nodes of different versions must agree: these values never change.
TEST(RendezvousTest, TheTableIsTheSameOnEveryMachine) {
  const std::vector<std::string> nodes = {"skeinmq-0", "skeinmq-1", "skeinmq-2"};
  std::string table;
  for (uint32_t partition = 0; partition < 32; ++partition)
    table += std::to_string(Rendezvous(partition, nodes));
  EXPECT_EQ(table, "12201120201110202012210022111122");
  EXPECT_EQ(DigestOf(nodes), 9618712342127414621u);
}

TEST(RendezvousTest, TheDigestTellsListsApart) {
  EXPECT_NE(DigestOf({"ab", "c"}), DigestOf({"a", "bc"}));
  EXPECT_NE(DigestOf({"a", "b"}), DigestOf({"a", "b", "c"}));
  EXPECT_EQ(DigestOf({"a", "b"}), DigestOf({"a", "b"}));
}

TEST(RendezvousTest, OneNodeOwnsAll) {
  for (const uint16_t node : RendezvousTable(kPartitions, {"alone"}))
    EXPECT_EQ(node, 0);
}

}  // namespace
}  // namespace skein::cluster
