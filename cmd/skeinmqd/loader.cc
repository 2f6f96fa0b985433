// See loader.h.
#include "cmd/skeinmqd/loader.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "cmd/skeinmqd/admin_fields.h"
#include "cmd/skeinmqd/cluster_peers.h"
#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/listener_url.h"
#include "cmd/skeinmqd/yaml_reader.h"

namespace skein::config {
namespace {

void ReadFile(const std::string& file, Config* config, Problems* problems, Origins* origins) {
  errno = 0;
  std::ifstream in(file);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf() || in.peek() == EOF) || in.bad()) {
    const std::string reason = errno != 0 ? std::strerror(errno) : "read error";
    problems->errors.push_back(file + ": cannot be read: " + reason);
    return;
  }
  std::map<std::string, int> lines;
  ReadYaml(file, text.str(), config, problems, &lines);
  for (const auto& [key, line] : lines)
    (*origins)[key] = "file:" + std::to_string(line);
}

void Apply(const Assignment& assignment, const char* origin, Config* config, Problems* problems,
           Origins* origins) {
  const Key* const key = FindKey(assignment.key);
  if (key == nullptr) {
    problems->RefuseUnknown(assignment.origin, assignment.key, NearestKey(assignment.key));
  } else if (const auto allowed = SetKey(*key, assignment.value, config)) {
    problems->Refuse(assignment.origin, assignment.key, assignment.value, *allowed);
  } else {
    (*origins)[assignment.key] = origin;
  }
}

// Kubernetes gives every container variables about the Services of its namespace; a Service that is
// called skeinmq yields SKEINMQ_SERVICE_HOST, SKEINMQ_PORT_1883_TCP and so on.
bool IsServiceLink(std::string_view name) {
  return name.find("_SERVICE_") != name.npos || name.ends_with("_PORT") ||
         name.find("_PORT_") != name.npos;
}

void ReadEnvironment(const std::vector<std::string>& environment, Config* config,
                     Problems* problems, Origins* origins) {
  for (const std::string& entry : environment) {
    const size_t equals = entry.find('=');
    if (!entry.starts_with("SKEINMQ_") || equals == entry.npos) continue;
    const std::string name = entry.substr(0, equals);
    const Key* found = nullptr;
    for (const Key& key : Keys()) {
      if (EnvironmentName(key.name) == name) found = &key;
    }
    if (found != nullptr) {
      Apply({"environment " + name, std::string(found->name), entry.substr(equals + 1)},
            "environment", config, problems, origins);
    } else if (!IsServiceLink(name)) {
      problems->warnings.push_back("environment " + name + " names no key and is ignored");
    }
  }
}

void ReplaceListeners(const std::vector<std::string>& urls, Config* config, Problems* problems) {
  if (urls.empty()) return;
  config->listeners.clear();
  for (const std::string& url : urls) {
    ListenerDraft draft;
    if (const auto allowed = SetListenerUrl(url, &draft)) {
      problems->Refuse("--listen", "listeners", url, *allowed);
    } else {
      config->listeners.push_back(FinishListener(draft));
    }
  }
}

void CheckTransport(const Listener& listener, Problems* problems) {
  const std::string at = "listener '" + listener.name + "': ";
  const auto refuse = [&](const std::string& what) { problems->errors.push_back(at + what); };
  const bool files = !listener.cert_files.empty() || !listener.key_files.empty() ||
                     !listener.client_ca_file.empty() || !listener.crl_file.empty();
  const bool settings = listener.client_certificates != ClientCertificates::kNone ||
                        !listener.key_password_file.empty() || listener.only_tls13 ||
                        !listener.ciphers.empty() || !listener.ciphersuites.empty();
  if (!listener.tls() && (files || settings))
    refuse("certificates and TLS settings are for tls:// and wss:// only");
  if (!listener.tls()) return;
  if (listener.cert_files.empty()) refuse("cert_file and key_file are missing");
  if (listener.cert_files.size() != listener.key_files.size())
    refuse("cert_file and key_file must name as many files");
  if (listener.client_certificates != ClientCertificates::kNone && listener.client_ca_file.empty())
    refuse("client_certificates needs client_ca_file");
  if (listener.client_certificates == ClientCertificates::kNone && !listener.crl_file.empty())
    refuse("crl_file needs client certificates");
}

void CheckAuthentication(const Config& config, const Listener& listener, Problems* problems) {
  const std::string at = "listener '" + listener.name + "'";
  const bool shown = listener.client_certificates != ClientCertificates::kNone;
  for (const std::string& name : listener.authentication) {
    std::string known;
    bool found = false;
    for (const Authenticator& each : config.authentication) {
      found = found || each.name == name;
      if (each.name == name && each.type == AuthenticatorType::kCertificate && !shown)
        problems->warnings.push_back(at + ": authenticator '" + name +
                                     "' knows nobody: clients are not asked for a certificate");
      known += (known.empty() ? "" : ", ") + each.name;
    }
    if (!found) {
      problems->errors.push_back(at + ": there is no authenticator '" + name +
                                 "'; known: " + (known.empty() ? "none" : known));
    }
  }
  if (!listener.allow_anonymous && listener.authentication.empty()) {
    problems->warnings.push_back(
        at +
        " will refuse every client: it names no authentication, and anonymous clients are allowed "
        "only on loopback or with allow_anonymous: true");
  }
}

// Listeners on port 0 share a URL; authentication is looked up by name, so the names that they get
// from it must differ.
void TellApart(Config* config) {
  std::set<std::string> names;
  for (Listener& listener : config->listeners) {
    const std::string url = FormatUrl(listener);
    if (listener.address.port != 0 || listener.name != url) continue;
    for (size_t i = 2; !names.insert(listener.name).second; ++i)
      listener.name = url + "#" + std::to_string(i);
  }
}

void CheckAuthenticator(const Authenticator& each, Problems* problems) {
  const std::string at = "authentication '" + each.name + "': ";
  const bool needs_file =
      each.type == AuthenticatorType::kPasswordFile || each.type == AuthenticatorType::kScramFile;
  if (needs_file && each.file.empty()) problems->errors.push_back(at + "file is missing");
  const int keys = int{!each.jwks_file.empty()} + int{!each.jwks_url.empty()} +
                   int{!each.public_key_file.empty()} + int{!each.secret_file.empty()};
  if (each.type == AuthenticatorType::kJwt && keys != 1) {
    problems->errors.push_back(
        at + "exactly one of jwks_file, jwks_url, public_key_file and secret_file is needed");
  }
  if (each.type == AuthenticatorType::kHttp && each.url.empty())
    problems->errors.push_back(at + "url is missing");
  if (each.cert_file.empty() != each.key_file.empty())
    problems->errors.push_back(at + "cert_file and key_file go together");
  for (const std::string& url : {each.url, each.jwks_url}) {
    const bool here = url.starts_with("http://127.") || url.starts_with("http://localhost") ||
                      url.starts_with("http://[::1]");
    if (url.starts_with("http://") && !here)
      problems->warnings.push_back(at + url +
                                   " is not https: what is sent can be read and changed");
  }
}

// What only shows when everything is read.
void CheckListeners(const Config& config, Problems* problems) {
  std::set<std::string> addresses;
  std::set<std::string> names;
  std::set<std::string> used;
  for (const Listener& listener : config.listeners) {
    const std::string address = FormatAddress(listener.address);
    if (listener.address.port != 0 && !addresses.insert(address).second) {
      problems->errors.push_back("listeners: " + FormatUrl(listener) + " is given twice");
    } else if (!names.insert(listener.name).second) {
      problems->errors.push_back("listeners: the name '" + listener.name + "' is given twice");
    }
    CheckTransport(listener, problems);
    CheckAuthentication(config, listener, problems);
    used.insert(listener.authentication.begin(), listener.authentication.end());
  }
  std::set<std::string> authenticators;
  for (const Authenticator& each : config.authentication) {
    if (!authenticators.insert(each.name).second)
      problems->errors.push_back("authentication: the name '" + each.name + "' is given twice");
    if (!used.contains(each.name))
      problems->warnings.push_back("authentication '" + each.name + "': no listener names it");
    CheckAuthenticator(each, problems);
  }
}

void CheckBans(const Config& config, Problems* problems) {
  for (size_t i = 0; i < config.bans.size(); ++i) {
    const Ban& ban = config.bans[i];
    const int named =
        int{!ban.client_id.empty()} + int{!ban.user_name.empty()} + int{!ban.address.empty()};
    if (named != 1)
      problems->errors.push_back("bans[" + std::to_string(i) +
                                 "]: exactly one of client_id, user_name and address is needed");
  }
}

void CheckAdmin(const Config& config, Problems* problems) {
  CheckAdminFields(config, problems);
  if (!config.admin_listen || IsLoopback(config.admin_listen->host)) return;
  if (config.admin_token_file.empty() && config.admin_tokens.empty() &&
      config.admin_client_roles.empty()) {
    problems->errors.push_back(
        "admin.listen: other machines reach " + FormatAddress(*config.admin_listen) +
        "; that needs admin.token_file, admin.tokens or admin.tls.client_roles, or an address on "
        "the loopback");
  } else if (config.admin_tls_cert_file.empty()) {
    problems->warnings.push_back(
        "admin.listen: without admin.tls.cert_file tokens cross the network in the clear");
  }
}

void CheckAuthorization(const Config& config, Problems* problems) {
  if (config.authentication.empty() || !config.authorization_file.empty() ||
      config.allow_without_rules)
    return;
  problems->warnings.push_back(
      "authentication is configured without access rules: clients may neither publish nor "
      "subscribe; give authorization.file, or authorization.allow_without_rules: true");
}

}  // namespace

Config Load(const Sources& sources, Problems* problems, Origins* origins) {
  Config config = DefaultConfig();
  Origins unread;
  if (origins == nullptr) origins = &unread;
  origins->clear();
  if (!sources.file.empty()) ReadFile(sources.file, &config, problems, origins);
  ReadEnvironment(sources.environment, &config, problems, origins);
  for (const Assignment& assignment : sources.sets)
    Apply(assignment, "flag", &config, problems, origins);
  for (const Assignment& assignment : sources.flags)
    Apply(assignment, "flag", &config, problems, origins);
  ReplaceListeners(sources.listen, &config, problems);
  if (!sources.listen.empty()) (*origins)["listeners"] = "flag";
  TellApart(&config);
  CheckAdmin(config, problems);
  CheckAuthorization(config, problems);
  CheckBans(config, problems);
  if (problems->errors.empty()) {
    CheckCluster(config, problems);
    CheckListeners(config, problems);
  }
  return config;
}

}  // namespace skein::config
