// Checks that all of a store can be read and fits together.
//
// Purpose: `skeinmqctl store verify`. Changes nothing; of a running node it checks what was written
// when it was opened. Thread: confined. Limits: the memory of one partition's rows and body counts;
// kMaxProblems problems are told, the rest is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace skein::storage {

struct VerifyReport {
  static constexpr size_t kMaxProblems = 1'000;

  uint64_t frames = 0;
  uint64_t sessions = 0;
  uint64_t subscriptions = 0;
  uint64_t queue_entries = 0;
  uint64_t bodies = 0;
  uint64_t retained = 0;
  // What is not wrong, but may be worth knowing.
  std::vector<std::string> notes;
  // Empty: the store is sound. At most kMaxProblems texts.
  std::vector<std::string> problems;
  uint64_t problem_count = 0;

  void Problem(std::string text) {
    if (problem_count++ < kMaxProblems) problems.push_back(std::move(text));
  }
};

VerifyReport VerifyStore(const std::string& data_dir);

}  // namespace skein::storage
