// Layers the sources of configuration.
//
// Purpose: defaults < file < environment < --set < dedicated flags. Every source is told by name in
// errors. Reads the file, and nothing else from outside.
// Thread: called once, at start.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/problems.h"

namespace skein::config {

// One `key = value` from outside the file, and where it was said ("--set", "SKEINMQ_SHARDS").
struct Assignment {
  std::string origin;
  std::string key;
  std::string value;
};

struct Sources {
  std::string file;                      // empty: none
  std::vector<std::string> environment;  // "NAME=value", all of it
  std::vector<Assignment> sets;          // --set, in order
  std::vector<Assignment> flags;         // dedicated flags
  std::vector<std::string> listen;       // --listen, replaces configured listeners
};

// Where the value of a key comes from, by its name: "file:LINE", "environment" or "flag". A key
// that has its default is not there.
using Origins = std::map<std::string, std::string>;

// The configuration that follows. With problems->errors not empty it must not be used. origins: may
// be null.
Config Load(const Sources& sources, Problems* problems, Origins* origins = nullptr);

}  // namespace skein::config
