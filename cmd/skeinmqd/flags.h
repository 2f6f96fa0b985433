// The command line of skeinmqd.
//
// Purpose: from argv and the environment to a checked Config, or to an exit code when the command
// line only asked for something (--help, --check-config) or was wrong. Thread: called once, at
// start.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/loader.h"

namespace skein::config {

// What the process returns, documented in docs/configuration.md.
enum ExitCode : int {
  kExitOk = 0,
  kExitRuntime = 1,  // for example an address that cannot be bound
  kExitUsage = 2,    // a wrong command line or configuration
};

struct Options {
  Config config;
  Sources sources;  // what it was read from, to be read again
  Origins origins;
  bool repair = false;  // open the store, give up what is damaged, end
  bool check = false;   // only look at the files that the configuration names, then end
  // To be logged once the logger runs.
  std::vector<std::string> warnings;
};

// Reads the command line. Returns an exit code when the process is to end now, having written to
// `out` or `err`; nothing when the broker is to run with `options`. `environment` ends with a null
// pointer.
std::optional<int> ParseCommandLine(int argc, const char* const* argv,
                                    const char* const* environment, std::ostream& out,
                                    std::ostream& err, Options* options);

// "0.1.0".
const char* Version();

}  // namespace skein::config
