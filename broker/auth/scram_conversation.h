// The server's side of one SCRAM-SHA-256 conversation: messages in, messages out.
//
// Purpose: the grammar and the proofs of RFC 5802 without channel binding. Thread: one at a time;
// no clock, no randomness, no I/O: the nonce is given. Life cycle: ReadFirst() of a client's first
// message, then one Conversation and one Finish(). Limits: kMaxMessage a message, kMaxUser a name,
// kMaxNonce a nonce. Errors: nothing, and the conversation is over; no reason is told apart to the
// client (RFC 5802 7: the error attribute is optional).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/auth/scram_credential.h"

namespace skein::auth {

// The client's first message, taken apart.
struct ScramFirst {
  static constexpr size_t kMaxMessage = 4'096;
  static constexpr size_t kMaxUser = 1'024;
  static constexpr size_t kMaxNonce = 256;

  // Refused: a channel binding (there is none to bind to), a mandatory extension, an authorization
  // identity other than the user, a name that ScramUserFits() refuses.
  static std::optional<ScramFirst> Read(std::string_view message);

  std::string gs2_header;  // "n,,"
  std::string bare;        // all behind it
  std::string user;
  std::string nonce;
};

// UTF-8 without control characters, within the limits. Names are compared byte by byte: those
// beyond ASCII have to be in the form that clients prepare (RFC 4013).
bool ScramUserFits(std::string_view user);

class ScramConversation {
 public:
  // nonce: the server's part, printable ASCII without a comma, never used before.
  ScramConversation(const ScramFirst& first, ScramCredential credential, std::string_view nonce);
  ~ScramConversation();
  ScramConversation(const ScramConversation&) = delete;

  // The server's first message.
  const std::string& challenge() const { return challenge_; }

  // The client's final message. The server's final message, which proves that it knows the
  // password too; or nothing: the proof is wrong, or the message is no such message. Once only.
  std::optional<std::string> Finish(std::string_view message);

 private:
  bool ProofHolds(std::string_view signed_text, std::string_view proof) const;

  const std::string header_;
  const std::string bare_;
  const std::string nonce_;  // both parts
  const std::string challenge_;
  ScramCredential credential_;
  bool over_ = false;
};

}  // namespace skein::auth
