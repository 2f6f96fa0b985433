// Asking all shards of the node at once.
//
// Purpose: a question or an order to each shard, answered together. Thread: any of the API's; the
// functions that are given run on the shards' threads, and what they use has to outlive an asker
// who gave up: so it is shared. Limits: kShardsMs for all of them. Errors: Unavailable.
#pragma once

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/shard/broker.h"

namespace skein {

inline constexpr TimeMs kShardsMs = 1'500;

// Waits for questions that were asked already.
inline absl::Status AwaitAll(const std::vector<std::shared_ptr<shard::Question>>& questions) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kShardsMs);
  bool all = true;
  for (const auto& question : questions) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    all &= question->Await(std::max<TimeMs>(left.count(), 0));
  }
  return all ? absl::OkStatus()
             : absl::UnavailableError("the node is too busy to answer; try again");
}

// One Scan a shard, made from the query; `step(scan, what)` runs until it is done: what is a const
// ShardState& or, with Left as its result, a Core*.
template <typename Scan, typename What, typename Query, typename Step>
absl::StatusOr<std::vector<std::shared_ptr<Scan>>> AskShards(shard::Broker* broker,
                                                             const Query& query, Step step) {
  std::vector<std::shared_ptr<Scan>> scans;
  std::vector<std::shared_ptr<shard::Question>> questions;
  for (ShardId id = 0; id < broker->shards(); ++id) {
    auto scan = std::make_shared<Scan>(query);
    scans.push_back(scan);
    questions.push_back(std::make_shared<shard::Question>(
        [scan, step](What what) { return step(scan.get(), what); }));
    if (!broker->Ask(id, questions.back())) {
      for (const auto& asked : questions)
        asked->Await(0);  // nobody waits for them
      return absl::UnavailableError("too many questions wait already; try again");
    }
  }
  if (absl::Status status = AwaitAll(questions); !status.ok()) return status;
  return scans;
}

// For scans with Step(state).
template <typename Scan, typename Query>
absl::StatusOr<std::vector<std::shared_ptr<Scan>>> ScanShards(shard::Broker* broker,
                                                              const Query& query) {
  return AskShards<Scan, const shard::ShardState&>(
      broker, query, [](Scan* scan, const shard::ShardState& state) { return scan->Step(state); });
}

}  // namespace skein
