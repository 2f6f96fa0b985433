// A changed configuration takes effect in a running node.
//
// Purpose: reads the configuration again, on SIGHUP or when a file has changed, and takes over what
// can change without a restart: certificates, authentication, access rules, the log level. All or
// nothing: a mistake, or a change of anything else, leaves the old configuration in force, with one
// log line. Thread: main.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "broker/base/log.h"
#include "cmd/skeinmqd/flags.h"
#include "cmd/skeinmqd/security.h"

namespace skein {

// Keys that differ and need a restart.
std::vector<std::string> NeedsRestart(const config::Config& running, const config::Config& next);

// Every file that the configuration names, itself included.
std::vector<std::string> FilesOf(const config::Config& config, const std::string& config_file);

class Reloader {
 public:
  // Before Security::Load(): what changes from then on is seen.
  Reloader(const config::Options& options, Logger* log);

  // apply: takes over what Security cannot (access rules); called before the log says "reloaded".
  bool Reload(std::string_view why, Security* security, const std::function<void()>& apply);

  // To be called about once a second. True: files have changed and have been quiet since the last
  // call. Symbolic links are followed, so a ConfigMap or Secret that is swapped counts.
  bool FilesChanged();

  uint64_t failures() const { return failures_; }
  // Why the last one was refused; empty: it was not.
  const std::string& error() const { return error_; }
  const config::Config& running() const { return running_; }
  const config::Origins& origins() const { return origins_; }

 private:
  // What tells two versions of a file apart: device, inode, size, time.
  using Signatures = std::map<std::string, std::string>;
  // Of the files in force, and of those that a refused configuration named.
  Signatures Look() const;

  const config::Sources sources_;
  config::Config running_;
  config::Config refused_;   // or taken over
  config::Origins origins_;  // of running_
  std::string error_;
  Logger& log_;
  Signatures known_;  // of what is in force, or was refused
  Signatures seen_;   // at the last look
  uint64_t failures_ = 0;
};

}  // namespace skein
