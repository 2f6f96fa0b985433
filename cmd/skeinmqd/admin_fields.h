// The fields of an operator's token, and the roles of certificates.
//
// Purpose: what `admin.tokens` and `admin.tls.client_roles` are made of. Thread: constant data; the
// functions are pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/listener_url.h"
#include "cmd/skeinmqd/problems.h"

namespace skein::config {

using AdminTokenField = RecordField<AdminToken>;

std::span<const AdminTokenField> AdminTokenFields();
std::vector<std::pair<std::string, std::string>> Describe(const AdminToken& token);

std::string_view NameOf(AdminRole role);
// "ops=operate,grafana=read"
std::optional<AdminRoles> ParseRoles(std::string_view text);
std::string FormatRoles(const AdminRoles& roles);

// What only shows when everything is read.
void CheckAdminFields(const Config& config, Problems* problems);

}  // namespace skein::config
