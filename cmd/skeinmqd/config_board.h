// What main and the admin API tell each other about the configuration.
//
// Purpose: the values in force with their sources, and a reload that an operator asks for: main
// does it, as on SIGHUP, and says how it went. Owner: cmd/. Thread: Post(), TakeAsked() and
// Answer() are main's; the rest on any. Limits: one reload at a time; others wait for the same one.
// Errors: Reload() gives up after kReloadMs.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "broker/admin/settings.h"
#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/loader.h"

namespace skein {

// Each key with its value; lists of maps as a key a field, `listeners[0].url`.
std::vector<admin::ConfigValue> ValuesOf(const config::Config& config,
                                         const config::Origins& origins);

class ConfigBoard {
 public:
  static constexpr int kReloadMs = 3'000;

  void Post(const config::Config& config, const config::Origins& origins);
  bool TakeAsked();
  void Answer(const absl::Status& status);

  std::vector<admin::ConfigValue> Values() const;
  absl::Status Reload();

 private:
  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<admin::ConfigValue> values_;
  bool asked_ = false;
  uint64_t answers_ = 0;
  absl::Status last_;
};

}  // namespace skein
