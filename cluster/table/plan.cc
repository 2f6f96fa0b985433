#include "cluster/table/plan.h"

#include <algorithm>

#include "cluster/table/rendezvous.h"

namespace skein::cluster {

PlanOutput Plan(const PlanInput& input) {
  PlanOutput output;
  std::vector<std::string> names;
  std::vector<shard::NodeNumber> numbers;
  for (const auto& [name, number] : input.active) {
    names.push_back(name);
    numbers.push_back(number);
  }
  if (names.empty()) return output;
  const auto is_known = [&](shard::NodeNumber node) {
    return std::any_of(input.known.begin(), input.known.end(),
                       [node](const auto& entry) { return entry.second == node; });
  };
  for (uint32_t partition = 0; partition < input.table.size(); ++partition) {
    const shard::PartitionRow& row = input.table[partition];
    const shard::NodeNumber wanted = numbers[Rendezvous(partition, names)];
    const shard::RowChange change{partition, {row.epoch + 1, wanted}};
    if (row.node == input.self) {
      if (wanted != input.self) output.give.push_back(change);
    } else if (wanted == input.self && !is_known(row.node)) {
      output.claim.push_back(change);
    }
  }
  return output;
}

}  // namespace skein::cluster
