#include "broker/auth/anonymous.h"

namespace skein::auth {

Decision AnonymousAuthenticator::Begin(const ConnectRequest& request, const Done& done,
                                       std::unique_ptr<Exchange>* exchange) {
  if (!request.method.empty()) {
    return Decision::Deny(mqtt::ReasonCode::kBadAuthenticationMethod,
                          "[MQTT-4.12.0-1] unknown authentication method");
  }
  if (!request.listener_allows_anonymous) {
    return Decision::Deny(mqtt::ReasonCode::kNotAuthorized,
                          "the listener does not allow anonymous clients");
  }
  return Decision::Allow();
}

}  // namespace skein::auth
