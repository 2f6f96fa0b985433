// Who a client is, once it has proved it.
//
// Purpose: the result of authentication, and all that a decision about rights may look at. Owner:
// shared by the connection, the session and waiting work. Thread: immutable once made, any thread.
#pragma once

#include <memory>
#include <string>

#include "broker/base/types.h"

namespace skein::auth {

class AccessRules;

struct Principal {
  std::string client_id;
  std::string user_name;  // empty: none, the client is anonymous
  std::string address;    // numeric, without port; empty: unknown (after a restart)
  std::string listener;
  bool superuser = false;      // no rule is asked
  TimeMs expires_at = kNever;  // the connection ends then (a token that runs out)
  // Rules that came with the credentials (JWT claim, HTTP answer): asked before the node's own.
  std::shared_ptr<const AccessRules> own_rules;
};

using PrincipalPtr = std::shared_ptr<const Principal>;

}  // namespace skein::auth
