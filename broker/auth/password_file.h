// Users and their hashed passwords, from a file.
//
// Purpose: an authenticator over lines `user:hash` (password_hash.h), the format of mosquitto's
// password_file. Owner: the chain; a reload makes a new one. Thread: any. Limits: 16 MiB and
// kMaxUsers a file; kRecent good logins are remembered for `remember_seconds` (keyed, never the
// password itself), so that a fleet that comes back does not hash for minutes. Errors: a malformed
// line, an unknown format or a user given twice refuses the file, with its line; a file without
// users lets nobody in.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "broker/auth/authenticator.h"
#include "broker/auth/password_hash.h"
#include "broker/auth/worker_pool.h"
#include "broker/base/mutex.h"

namespace skein::auth {

struct PasswordFileOptions {
  std::string file;
  bool unknown_user_denied = false;  // else the next authenticator is asked
  int remember_seconds = 300;        // 0: every login is hashed
};

class PasswordFile final : public Authenticator {
 public:
  static constexpr size_t kMaxUsers = 1'000'000;
  static constexpr size_t kRecent = 10'000;

  // pool outlives the file.
  static absl::StatusOr<std::shared_ptr<PasswordFile>> Load(const PasswordFileOptions& options,
                                                            WorkerPool* pool);
  static absl::StatusOr<std::shared_ptr<PasswordFile>> Parse(const PasswordFileOptions& options,
                                                             std::string_view text,
                                                             WorkerPool* pool);

  Decision Begin(const ConnectRequest& request, const Done& done,
                 std::unique_ptr<Exchange>* exchange) override;

  size_t size() const { return users_.size(); }

 private:
  using Mark = std::array<unsigned char, 32>;  // HMAC of user and password

  PasswordFile(const PasswordFileOptions& options, WorkerPool* pool);
  Mark MarkOf(std::string_view user, std::string_view password) const;
  bool Remembered(const Mark& mark);
  void Remember(const Mark& mark);
  static Decision Verdict(bool good, std::string user);

  const PasswordFileOptions options_;
  WorkerPool* const pool_;
  std::weak_ptr<PasswordFile> self_;
  absl::flat_hash_map<std::string, PasswordHash> users_;
  // For users that are not there, so that asking takes as long.
  std::optional<PasswordHash> decoy_;
  Mark secret_{};

  Mutex mutex_;
  absl::flat_hash_map<std::string, int64_t> recent_ ABSL_GUARDED_BY(mutex_);  // until, seconds
  std::deque<std::string> order_ ABSL_GUARDED_BY(mutex_);                     // oldest first
};

}  // namespace skein::auth
