// Reads a configuration file.
//
// Purpose: YAML to Config, telling file, line, column, key and what is allowed for everything that
// is wrong: unknown keys (with the nearest known one), duplicates, values of a wrong type or range.
// Thread: any; touches nothing but its arguments.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/problems.h"

namespace skein::config {

// Applies the YAML `text` to `config`; `file` names it in messages. Reads on after an error, so
// that all of them are told at once.
// lines: where each key stands, by its name; may be null.
void ReadYaml(const std::string& file, const std::string& text, Config* config, Problems* problems,
              std::map<std::string, int>* lines = nullptr);

}  // namespace skein::config
