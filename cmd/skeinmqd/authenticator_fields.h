// The fields of an authenticator, each once.
//
// Purpose: what `authentication` in the configuration is made of: reading, refusing, printing and
// docs/configuration.md come from this table. Thread: constant data; the functions are pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/listener_url.h"

namespace skein::config {

using AuthenticatorField = RecordField<Authenticator>;

std::span<const AuthenticatorField> AuthenticatorFields();

// The fields that say something, as their setters read them.
std::vector<std::pair<std::string, std::string>> Describe(const Authenticator& authenticator);
std::vector<std::pair<std::string, std::string>> Describe(const Listener& listener);

}  // namespace skein::config
