// What is wrong, or questionable, in a configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace skein::config {

struct Problems {
  std::vector<std::string> errors;    // the broker does not start
  std::vector<std::string> warnings;  // it does, and logs them

  // "WHERE: key 'KEY': got 'TEXT'; allowed: ALLOWED".
  void Refuse(std::string_view where, std::string_view key, std::string_view text,
              std::string_view allowed) {
    errors.push_back(std::string(where) + ": key '" + std::string(key) + "': got '" +
                     std::string(text) + "'; allowed: " + std::string(allowed));
  }
  // "WHERE: unknown key 'KEY'; did you mean 'NEAREST'?".
  void RefuseUnknown(std::string_view where, std::string_view key, std::string_view nearest) {
    errors.push_back(std::string(where) + ": unknown key '" + std::string(key) +
                     "'; did you mean '" + std::string(nearest) + "'?");
  }
};

}  // namespace skein::config
