// Users that prove their password by SCRAM-SHA-256, from a file.
//
// Purpose: an authenticator for the authentication method "SCRAM-SHA-256" [MQTT-4.12.0-2]: the
// client's first message comes with CONNECT, its final one with AUTH, and the server's final one
// leaves with CONNACK. Lines are `user:SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`
// (scram_credential.h); comments and empty lines are skipped. Owner: the chain; a reload makes a
// new one, and conversations that have begun end with the old one's credentials. Thread: any;
// immutable. It needs no worker: the slow part of SCRAM is the client's.
// Limits: 16 MiB and kMaxUsers a file. Errors: a malformed line or a user given twice refuses the
// file, with its line; a file without users lets nobody in. Who is not in the file is led through
// the same conversation, with a salt that stays the same, and denied at its end: such a client is
// not passed on to the next authenticator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "broker/auth/authenticator.h"
#include "broker/auth/scram_credential.h"

namespace skein::auth {

inline constexpr std::string_view kScramMethod = "SCRAM-SHA-256";

struct ScramFileOptions {
  std::string file;
  // Makes the salts of users that are not there. The same over reloads, or a salt that changes
  // tells them apart: whoever loads keeps one, from NewSecret(). At least 16 bytes.
  std::string secret;
};

class ScramFile final : public Authenticator {
 public:
  static constexpr size_t kMaxUsers = 1'000'000;

  // Empty: no random numbers.
  static std::string NewSecret();

  static absl::StatusOr<std::shared_ptr<ScramFile>> Load(const ScramFileOptions& options);
  static absl::StatusOr<std::shared_ptr<ScramFile>> Parse(const ScramFileOptions& options,
                                                          std::string_view text);

  Decision Begin(const ConnectRequest& request, const Done& done,
                 std::unique_ptr<Exchange>* exchange) override;

  size_t size() const { return users_.size(); }

 private:
  explicit ScramFile(std::string secret) : secret_(std::move(secret)) {}
  void ChooseDecoy();
  ScramCredential DecoyOf(std::string_view user) const;

  const std::string secret_;
  absl::flat_hash_map<std::string, ScramCredential> users_;
  // What most users have, so that a decoy does not stand out.
  uint32_t decoy_iterations_ = ScramCredential::kIterations;
  size_t decoy_salt_bytes_ = ScramCredential::kSaltBytes;
};

}  // namespace skein::auth
