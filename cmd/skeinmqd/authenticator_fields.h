// The fields of an authenticator and of a ban, each once.
//
// Purpose: what `authentication` and `bans` in the configuration are made of: reading, refusing,
// printing and docs/configuration.md come from this table. Thread: constant data; the functions are
// pure.
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

using BanField = RecordField<Ban>;

std::span<const AuthenticatorField> AuthenticatorFields();
std::span<const BanField> BanFields();

// The fields that say something, as their setters read them.
std::vector<std::pair<std::string, std::string>> Describe(const Authenticator& authenticator);
std::vector<std::pair<std::string, std::string>> Describe(const Listener& listener);
std::vector<std::pair<std::string, std::string>> Describe(const Ban& ban);

}  // namespace skein::config
