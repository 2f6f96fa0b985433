// The port through which a connection proves who it is.
//
// Purpose: one question at CONNECT, and further ones for MQTT 5 enhanced authentication and
// re-authentication [MQTT-4.12]. The answer may come at once or later; nothing of the session
// exists before it is yes. Thread: called on the connection's shard, must not block. A later answer
// is delivered by the implementation through the `done` it was given, from any thread. Errors: an
// authenticator that cannot decide denies.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/mqtt/constants.h"

namespace skein::auth {

// What is known of a client when it asks. Views live during the call.
struct ConnectRequest {
  std::string_view client_id;  // empty: the server will assign one
  std::optional<std::string_view> user_name;
  std::optional<std::string_view> password;
  std::string_view method;  // empty: no enhanced authentication
  std::string_view data;
  std::string_view listener;
  bool listener_allows_anonymous = false;
};

struct Decision {
  enum class Kind : uint8_t { kAllow, kDeny, kContinue, kPending };
  Kind kind = Kind::kDeny;
  mqtt::ReasonCode reason = mqtt::ReasonCode::kNotAuthorized;  // with kDeny
  std::string data;  // Authentication Data with kAllow and kContinue

  static Decision Allow(std::string auth_data = {}) {
    return {Kind::kAllow, mqtt::ReasonCode::kSuccess, std::move(auth_data)};
  }
  static Decision Deny(mqtt::ReasonCode why) { return {Kind::kDeny, why, {}}; }
  static Decision Continue(std::string auth_data) {
    return {Kind::kContinue, mqtt::ReasonCode::kContinueAuthentication, std::move(auth_data)};
  }
  static Decision Pending() { return {Kind::kPending, mqtt::ReasonCode::kSuccess, {}}; }
};

// One conversation with one client: from CONNECT to the verdict, or one re-authentication.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // The client's next AUTH.
  virtual Decision Step(std::string_view data) = 0;
};

class Authenticator {
 public:
  using Done = std::function<void(Decision)>;

  virtual ~Authenticator() = default;

  // A CONNECT, or the AUTH 0x19 that starts a re-authentication. kContinue comes with *exchange,
  // kPending calls `done` once later.
  virtual Decision Begin(const ConnectRequest& request, const Done& done,
                         std::unique_ptr<Exchange>* exchange) = 0;
};

}  // namespace skein::auth
