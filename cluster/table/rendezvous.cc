#include "cluster/table/rendezvous.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace skein::cluster {

uint16_t Rendezvous(uint32_t partition, const std::vector<std::string>& nodes) {
  size_t best = 0;
  uint64_t best_weight = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const uint64_t weight = XXH3_64bits_withSeed(nodes[i].data(), nodes[i].size(), partition);
    if (i > 0 && weight <= best_weight) continue;
    best = i;
    best_weight = weight;
  }
  return static_cast<uint16_t>(best);
}

std::vector<uint16_t> RendezvousTable(uint32_t partitions, const std::vector<std::string>& nodes) {
  std::vector<uint16_t> table(partitions);
  for (uint32_t partition = 0; partition < partitions; ++partition)
    table[partition] = Rendezvous(partition, nodes);
  return table;
}

uint64_t DigestOf(const std::vector<std::string>& nodes) {
  std::string all;
  for (const std::string& node : nodes)
    all += node + "\n";
  return XXH3_64bits(all.data(), all.size());
}

}  // namespace skein::cluster
