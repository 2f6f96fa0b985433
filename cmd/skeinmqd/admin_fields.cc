#include "cmd/skeinmqd/admin_fields.h"

#include <array>
#include <set>

#include "cmd/skeinmqd/cluster_peers.h"
#include "cmd/skeinmqd/record_fields.h"

namespace skein::config {
namespace {

constexpr std::array<std::string_view, 3> kRoles = {"read", "operate", "admin"};

constexpr AdminTokenField kTokenFields[] = {
    {"name", "required", kNodeIdAllowed, "Who has it; for the log.",
     [](std::string_view text, AdminToken* token) -> Refusal {
       if (!IsNodeId(text)) return std::string(kNodeIdAllowed);
       token->name = text;
       return std::nullopt;
     }},
    {"role", "required", "read, operate or admin",
     "What they may do: look; also change what can be changed back; everything.",
     [](std::string_view text, AdminToken* token) -> Refusal {
       return ReadWord(text, kRoles, &token->role);
     }},
    {"file", "required", "a path",
     "File whose first line is the token. It is read at each request.",
     [](std::string_view text, AdminToken* token) -> Refusal {
       if (text.empty()) return "a path";
       token->file = text;
       return std::nullopt;
     }},
};

}  // namespace

std::span<const AdminTokenField> AdminTokenFields() {
  return kTokenFields;
}

std::vector<std::pair<std::string, std::string>> Describe(const AdminToken& token) {
  return {{"name", token.name}, {"role", std::string(NameOf(token.role))}, {"file", token.file}};
}

std::string_view NameOf(AdminRole role) {
  return kRoles[static_cast<size_t>(role)];
}

std::optional<AdminRoles> ParseRoles(std::string_view text) {
  AdminRoles roles;
  for (const std::string& each : SplitList(text)) {
    const size_t equals = each.rfind('=');
    AdminRole role = AdminRole::kRead;
    if (equals == each.npos || equals == 0 || ReadWord(each.substr(equals + 1), kRoles, &role))
      return std::nullopt;
    if (!roles.emplace(each.substr(0, equals), role).second) return std::nullopt;
  }
  return roles;
}

std::string FormatRoles(const AdminRoles& roles) {
  std::string text;
  for (const auto& [name, role] : roles)
    text += (text.empty() ? "" : ",") + name + "=" + std::string(NameOf(role));
  return text;
}

void CheckAdminFields(const Config& config, Problems* problems) {
  std::set<std::string> names;
  for (const AdminToken& token : config.admin_tokens) {
    if (!names.insert(token.name).second)
      problems->errors.push_back("admin.tokens: the name '" + token.name + "' is given twice");
  }
  const bool tls = !config.admin_tls_cert_file.empty();
  if (tls != !config.admin_tls_key_file.empty())
    problems->errors.push_back("admin.tls: cert_file and key_file go together");
  if (!tls && !config.admin_tls_client_ca_file.empty())
    problems->errors.push_back("admin.tls.client_ca_file: needs admin.tls.cert_file");
  if (config.admin_tls_client_ca_file.empty() != config.admin_client_roles.empty())
    problems->errors.push_back("admin.tls: client_ca_file and client_roles go together");
}

}  // namespace skein::config
