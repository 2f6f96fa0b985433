#include "cmd/skeinmqd/config_board.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "cmd/skeinmqd/admin_fields.h"
#include "cmd/skeinmqd/authenticator_fields.h"
#include "cmd/skeinmqd/keys.h"

namespace skein {
namespace {

constexpr const char* kHidden = "***";

// Headers may be credentials, and so may what stands before the host of a URL.
std::string Shown(const std::string& field, const std::string& value) {
  if (field == "headers") return kHidden;
  const size_t slashes = value.find("://");
  const size_t at = value.find('@');
  const bool has_user = field.find("url") != field.npos && slashes != value.npos &&
                        at != value.npos && at > slashes && value.find('/', slashes + 3) > at;
  return has_user ? value.substr(0, slashes + 3) + kHidden + value.substr(at) : value;
}

template <typename Record>
void AddRecords(const std::string& key, const std::vector<Record>& records,
                const std::string& source, std::vector<admin::ConfigValue>* values) {
  if (records.empty()) values->push_back({key, "", source});
  for (size_t i = 0; i < records.size(); ++i) {
    for (const auto& [field, value] : config::Describe(records[i]))
      values->push_back({absl::StrCat(key, "[", i, "].", field), Shown(field, value), source});
  }
}

}  // namespace

std::vector<admin::ConfigValue> ValuesOf(const config::Config& config,
                                         const config::Origins& origins) {
  std::vector<admin::ConfigValue> values;
  for (const config::Key& key : config::Keys()) {
    const std::string name(key.name);
    const auto origin = origins.find(name);
    const std::string source = origin == origins.end() ? "default" : origin->second;
    if (name == "listeners") {
      AddRecords(name, config.listeners, source, &values);
    } else if (name == "authentication") {
      AddRecords(name, config.authentication, source, &values);
    } else if (name == "bans") {
      AddRecords(name, config.bans, source, &values);
    } else if (name == "admin.tokens") {
      AddRecords(name, config.admin_tokens, source, &values);
    } else {
      values.push_back({name, config::GetKey(key, config), source});
    }
  }
  return values;
}

void ConfigBoard::Post(const config::Config& config, const config::Origins& origins) {
  std::vector<admin::ConfigValue> values = ValuesOf(config, origins);
  const std::lock_guard lock(mutex_);
  values_.swap(values);
}

bool ConfigBoard::TakeAsked() {
  const std::lock_guard lock(mutex_);
  return std::exchange(asked_, false);
}

void ConfigBoard::Answer(const absl::Status& status) {
  const std::lock_guard lock(mutex_);
  last_ = status;
  ++answers_;
  answered_.notify_all();
}

std::vector<admin::ConfigValue> ConfigBoard::Values() const {
  const std::lock_guard lock(mutex_);
  return values_;
}

absl::Status ConfigBoard::Reload() {
  std::unique_lock lock(mutex_);
  asked_ = true;
  const uint64_t before = answers_;
  kill(getpid(), SIGHUP);  // wakes main
  const bool answered = answered_.wait_for(lock, std::chrono::milliseconds(kReloadMs),
                                           [&] { return answers_ > before; });
  return answered ? last_ : absl::UnavailableError("the node has not answered; see its log");
}

}  // namespace skein
