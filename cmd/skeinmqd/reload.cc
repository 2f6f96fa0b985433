#include "cmd/skeinmqd/reload.h"

#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/listener_url.h"
#include "cmd/skeinmqd/loader.h"

namespace skein {
namespace {

using config::Config;
using config::Listener;

constexpr std::string_view kReloadable[] = {"log.level",
                                            "bans",
                                            "security.flapping_connects",
                                            "security.flapping_window",
                                            "security.flapping_ban",
                                            "listeners",
                                            "authentication",
                                            "authorization.file",
                                            "authorization.allow_without_rules",
                                            "security.user_name_is_client_id"};

// What of a listener is fixed while it listens.
std::string Fixed(const Listener& listener) {
  return absl::StrCat(config::FormatUrl(listener), " ", listener.name, " ",
                      listener.allow_anonymous ? "anonymous" : "", " ", listener.max_connections,
                      " ", listener.max_handshakes, " ", listener.publish_rate, " ",
                      listener.publish_bytes, " ", listener.publish_patience, " ",
                      listener.total_publish_rate, " ", listener.total_publish_bytes, " ",
                      listener.proxy_from.empty() ? "" : "proxy");
}

std::string Join(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (const std::string& part : parts)
    text += (text.empty() ? "" : between) + part;
  return text;
}

}  // namespace

std::vector<std::string> NeedsRestart(const Config& running, const Config& next) {
  std::vector<std::string> keys;
  for (const config::Key& key : config::Keys()) {
    if (std::find(std::begin(kReloadable), std::end(kReloadable), key.name) !=
        std::end(kReloadable))
      continue;
    if (config::GetKey(key, running) != config::GetKey(key, next)) keys.emplace_back(key.name);
  }
  const bool same_doors =
      running.listeners.size() == next.listeners.size() &&
      std::equal(running.listeners.begin(), running.listeners.end(), next.listeners.begin(),
                 [](const Listener& a, const Listener& b) { return Fixed(a) == Fixed(b); });
  if (!same_doors)
    keys.emplace_back("listeners (url, name, allow_anonymous, max_..., publish_...)");
  return keys;
}

std::vector<std::string> FilesOf(const Config& config, const std::string& config_file) {
  std::vector<std::string> files = {config_file, config.authorization_file,
                                    config.admin_tls_cert_file, config.admin_tls_key_file,
                                    config.admin_tls_client_ca_file};
  for (const config::Authenticator& each : config.authentication)
    files.insert(files.end(), {each.file, each.jwks_file, each.public_key_file, each.secret_file,
                               each.ca_file, each.cert_file, each.key_file});
  for (const Listener& listener : config.listeners) {
    files.insert(files.end(), listener.cert_files.begin(), listener.cert_files.end());
    files.insert(files.end(), listener.key_files.begin(), listener.key_files.end());
    files.push_back(listener.key_password_file);
    files.push_back(listener.client_ca_file);
    files.push_back(listener.crl_file);
  }
  std::erase_if(files, [](const std::string& file) { return file.empty(); });
  return files;
}

Reloader::Reloader(const config::Options& options, Logger* log)
    : sources_(options.sources), running_(options.config), origins_(options.origins), log_(*log) {
  known_ = seen_ = Look();
}

Reloader::Signatures Reloader::Look() const {
  Signatures signatures;
  std::vector<std::string> files = FilesOf(running_, sources_.file);
  const std::vector<std::string> refused = FilesOf(refused_, {});
  files.insert(files.end(), refused.begin(), refused.end());
  for (const std::string& file : files) {
    struct stat info {};
    std::string& signature = signatures[file];
    if (stat(file.c_str(), &info) != 0) continue;  // gone: differs from what was there
    signature = absl::StrCat(info.st_dev, ":", info.st_ino, ":", info.st_size, ":",
                             info.st_mtim.tv_sec, ":", info.st_mtim.tv_nsec);
  }
  return signatures;
}

bool Reloader::FilesChanged() {
  Signatures now = Look();
  const bool quiet = now == seen_;
  seen_ = std::move(now);
  return quiet && seen_ != known_;
}

bool Reloader::Reload(std::string_view why, Security* security,
                      const std::function<void()>& apply) {
  config::Problems problems;
  config::Origins origins;
  refused_ = config::Load(sources_, &problems, &origins);
  // Before anything is read: what changes from here on is read again.
  known_ = seen_ = Look();
  std::string error = Join(problems.errors, "; ");
  if (error.empty()) {
    const std::vector<std::string> keys = NeedsRestart(running_, refused_);
    if (!keys.empty()) error = "needs a restart: " + Join(keys, ", ");
  }
  if (error.empty()) {
    if (const absl::Status loaded = security->Load(refused_); !loaded.ok())
      error = std::string(loaded.message());
  }
  if (!error.empty()) {
    ++failures_;
    error_ = error;
    log_.Log(LogLevel::kError, "config.refused",
             {{"why", why}, {"error", error}, {"text", "the old configuration stays in force"}});
    return false;
  }
  running_ = refused_;
  origins_ = std::move(origins);
  error_.clear();
  apply();
  log_.set_level(running_.log_level);
  for (const std::string& warning : problems.warnings)
    log_.Log(LogLevel::kWarn, "config.warning", {{"text", warning}});
  log_.Log(LogLevel::kInfo, "config.reloaded", {{"why", why}});
  return true;
}

}  // namespace skein
