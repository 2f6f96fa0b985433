#include "cmd/skeinmqd/admin_settings.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cmd/skeinmqd/cluster_peers.h"

namespace skein {
namespace {

absl::Status NotYet() {
  return absl::UnavailableError("the node starts; try again");
}

}  // namespace

void AdminSettings::Attach(Parts parts) {
  MutexLock lock(mutex_);
  parts_ = std::move(parts);
}

AdminSettings::Parts AdminSettings::parts() {
  MutexLock lock(mutex_);
  return parts_;
}

std::vector<auth::Ban> AdminSettings::Bans() {
  const Parts now = parts();
  return now.bans == nullptr ? std::vector<auth::Ban>() : now.bans->List();
}

absl::Status AdminSettings::Keep(auth::BanKind kind, const std::string& who,
                                 const std::string& payload, TimeMs until) {
  const std::string topic = BanBook::TopicOf(kind, who);
  mqtt::Message::Init init;
  init.topic = topic;
  init.payload = payload;
  init.qos = Qos::kAtLeastOnce;
  init.retain = true;
  const TimeMs left = until == kNever ? 0 : (until - absl::ToUnixMillis(absl::Now())) / 1'000 + 1;
  if (left > 0 && left < mqtt::Message::kNoExpiry)
    init.expiry_seconds = static_cast<uint32_t>(left);
  return messages_.Keep(init);
}

absl::Status AdminSettings::AddBan(const auth::Ban& ban) {
  const Parts now = parts();
  if (now.bans == nullptr) return NotYet();
  const std::optional<auth::Ban> known = now.bans->Get(ban.kind, ban.who);
  if (known && known->configured) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", ban.who, "' is banned by the configuration"));
  }
  // First here: it says whether the address is one, and whether there is room.
  if (absl::Status status = now.bans->Add(ban); !status.ok()) return status;
  const absl::Status kept = Keep(ban.kind, ban.who, BanBook::PayloadOf(ban), ban.until);
  if (kept.ok()) {
    now.book->NoteChange();
  } else {
    now.bans->Remove(ban.kind, ban.who);
  }
  return kept;
}

absl::Status AdminSettings::RemoveBan(auth::BanKind kind, const std::string& who) {
  const Parts now = parts();
  if (now.bans == nullptr) return NotYet();
  const std::optional<auth::Ban> known = now.bans->Get(kind, who);
  if (!known) return absl::NotFoundError(absl::StrCat("there is no ban of '", who, "'"));
  if (known->configured) {
    return absl::FailedPreconditionError(
        absl::StrCat("the ban of '", who, "' is in the configuration; take it out there"));
  }
  if (known->shared) {
    if (absl::Status status = Keep(kind, known->who, "", kNever); !status.ok()) return status;
  }
  now.bans->Remove(kind, who);
  return absl::OkStatus();
}

absl::StatusOr<admin::BackupResult> AdminSettings::Backup(const std::string& name) {
  const Parts now = parts();
  if (config_.backup_directory.empty())
    return absl::FailedPreconditionError("backup.directory is not set: backups are off");
  if (now.bans == nullptr) return NotYet();
  if (now.backup == nullptr)
    return absl::FailedPreconditionError("there is no data_dir: all is in memory");
  if (!config::IsNodeId(name) || name.starts_with('.'))
    return absl::InvalidArgumentError(
        "name: 1 to 64 of letters, digits, '-', '_' and '.', no '.' first");
  admin::BackupResult result;
  result.path = absl::StrCat(config_.backup_directory, "/", name, "/", config_.node_id);
  const absl::StatusOr<uint64_t> bytes = now.backup(result.path);
  if (!bytes.ok()) {
    log_.Log(LogLevel::kError, "backup.failed",
             {{"path", result.path}, {"error", std::string(bytes.status().message())}});
    return bytes.status();
  }
  result.bytes = *bytes;
  log_.Log(LogLevel::kInfo, "backup.done", {{"path", result.path}, {"bytes", result.bytes}});
  return result;
}

}  // namespace skein
