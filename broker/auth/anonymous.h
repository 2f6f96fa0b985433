// The authenticator of a broker that has been given no other: who comes through a listener that
// allows anonymous access is let in.
//
// Purpose: fail closed by default. Enhanced authentication methods are refused with 0x8C, as none
// is known [MQTT-4.12.0-1]. Thread: any.
#pragma once

#include <memory>

#include "broker/auth/authenticator.h"

namespace skein::auth {

class AnonymousAuthenticator final : public Authenticator {
 public:
  Decision Begin(const ConnectRequest& request, const Done& done,
                 std::unique_ptr<Exchange>* exchange) override;
};

}  // namespace skein::auth
