// The port through which a connection proves who it is.
//
// Purpose: one question at CONNECT, and further ones for MQTT 5 enhanced authentication and
// re-authentication [MQTT-4.12]. The answer may come at once or later; nothing of the session
// exists before it is yes. Thread: called on the connection's shard, must not block: hashing and
// I/O go to other threads. A later answer is delivered by the implementation through the `done` it
// was given, exactly once, from any thread. Errors: an authenticator that cannot decide (its back
// end does not answer) denies; one that is not competent (the user is not its own) ignores.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/auth/access_rules.h"
#include "broker/base/certificate.h"
#include "broker/base/types.h"
#include "broker/mqtt/constants.h"

namespace skein::auth {

using ClientCertificate = CertificateIdentity;

// What is known of a client when it asks. Views and pointers live during the call: an authenticator
// that answers later copies what it needs.
struct ConnectRequest {
  std::string_view client_id;  // empty: the server will assign one
  std::optional<std::string_view> user_name;
  std::optional<std::string_view> password;
  std::string_view method;  // empty: no enhanced authentication
  std::string_view data;
  std::string_view listener;
  std::string_view address;  // of the client, numeric, without port
  mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k5;
  const ClientCertificate* certificate = nullptr;  // null: none
  bool listener_allows_anonymous = false;
  // A re-authentication of this user, who must stay the same.
  bool again = false;
};

// What an authenticator grants with kAllow. The caller completes it to a Principal.
struct Grant {
  // The proven user name; empty: the client counts as anonymous, whatever CONNECT says.
  std::string user_name;
  // Replaces the client id of CONNECT (a claim says so); empty: it stays.
  std::string client_id;
  bool superuser = false;
  TimeMs expires_at = kNever;  // wall clock, milliseconds since 1970
  std::shared_ptr<const AccessRules> rules;
};

struct Decision {
  enum class Kind : uint8_t { kAllow, kDeny, kContinue, kPending, kIgnore };
  Kind kind = Kind::kDeny;
  mqtt::ReasonCode reason = mqtt::ReasonCode::kNotAuthorized;  // with kDeny
  std::string data;  // Authentication Data with kAllow and kContinue
  Grant grant;       // with kAllow
  // With kDeny: who and why, for the operator's log only. No secrets. Static storage.
  const char* why = "no authenticator lets the client in";

  static Decision Allow(Grant what = {}, std::string auth_data = {}) {
    Decision decision;
    decision.kind = Kind::kAllow;
    decision.reason = mqtt::ReasonCode::kSuccess;
    decision.data = std::move(auth_data);
    decision.grant = std::move(what);
    return decision;
  }
  static Decision Deny(mqtt::ReasonCode reason, const char* why) {
    Decision decision;
    decision.reason = reason;
    decision.why = why;
    return decision;
  }
  static Decision Continue(std::string auth_data) {
    Decision decision;
    decision.kind = Kind::kContinue;
    decision.reason = mqtt::ReasonCode::kContinueAuthentication;
    decision.data = std::move(auth_data);
    return decision;
  }
  static Decision Pending() {
    Decision decision;
    decision.kind = Kind::kPending;
    decision.reason = mqtt::ReasonCode::kSuccess;
    return decision;
  }
  // Not mine: the next authenticator of the chain is asked.
  static Decision Ignore() {
    Decision decision;
    decision.kind = Kind::kIgnore;
    return decision;
  }
};

// Delivers a later answer. May be called after the connection is gone.
using Done = std::function<void(Decision)>;

// One conversation with one client: from CONNECT to the verdict, or one re-authentication. Steps
// come one at a time: none while an answer is pending.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // The client's next AUTH. kPending calls `done` later.
  virtual Decision Step(std::string_view data, const Done& done) = 0;
};

class Authenticator {
 public:
  using Done = auth::Done;

  virtual ~Authenticator() = default;

  // A CONNECT, or the AUTH 0x19 that starts a re-authentication. kContinue comes with *exchange,
  // kPending calls `done` once later (with kAllow, kDeny, kIgnore or kContinue; for the latter
  // *exchange was set before Begin returned).
  virtual Decision Begin(const ConnectRequest& request, const Done& done,
                         std::unique_ptr<Exchange>* exchange) = 0;
};

}  // namespace skein::auth
