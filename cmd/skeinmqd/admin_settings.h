// How the node is set up, as the admin API sees it.
//
// Purpose: bans, configuration, log level and backup, over the parts that have them. Owner and
// thread: as AdminNode. Life: Attach() when the broker runs; what it names outlives the API.
// Errors: as admin::Settings has them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/admin/settings.h"
#include "broker/base/mutex.h"
#include "cmd/skeinmqd/admin_messages.h"
#include "cmd/skeinmqd/ban_book.h"
#include "cmd/skeinmqd/config_board.h"

namespace skein {

class AdminSettings final : public admin::Settings {
 public:
  // Makes a copy of the store in a folder that is not there yet; returns its bytes.
  using MakeBackup = std::function<absl::StatusOr<uint64_t>(const std::string& path)>;
  struct Parts {
    auth::Bans* bans = nullptr;
    BanBook* book = nullptr;
    MakeBackup backup;  // empty: there is no store
  };

  AdminSettings(const config::Config& config, ConfigBoard* board, AdminMessages* messages,
                Logger* log)
      : config_(config), board_(*board), messages_(*messages), log_(*log) {}

  void Attach(Parts parts);

  std::vector<auth::Ban> Bans() override;
  absl::Status AddBan(const auth::Ban& ban) override;
  absl::Status RemoveBan(auth::BanKind kind, const std::string& who) override;
  std::vector<admin::ConfigValue> Config() override { return board_.Values(); }
  absl::Status Reload() override { return board_.Reload(); }
  LogLevel log_level() override { return log_.level(); }
  void set_log_level(LogLevel level) override { log_.set_level(level); }
  absl::StatusOr<admin::BackupResult> Backup(const std::string& name) override;

 private:
  Parts parts();
  absl::Status Keep(auth::BanKind kind, const std::string& who, const std::string& payload,
                    TimeMs until);

  const config::Config& config_;
  ConfigBoard& board_;
  AdminMessages& messages_;
  Logger& log_;
  Mutex mutex_;
  Parts parts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein
