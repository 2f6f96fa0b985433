// The table of configuration keys.
//
// Purpose: each key once, with type, unit, range, default and help. Reading, refusing, printing and
// docs/configuration.md all come from it; a new setting is a member of Config (or of Limits) and a
// row. Thread: constant data; the functions are pure.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cmd/skeinmqd/config.h"
#include "cmd/skeinmqd/values.h"

namespace skein::config {

// Where a key's value lives; the alternative also says its type.
using Field = std::variant<
    std::string Config::*, uint16_t Config::*, LogLevel Config::*, LogFormat Config::*,
    Durability Config::*, uint64_t Config::*, QueueDrop Limits::*, MetricsAccess Config::*,
    std::optional<Address> Config::*, std::vector<Listener> Config::*,
    std::vector<Authenticator> Config::*, std::vector<Ban> Config::*,
    std::vector<AdminToken> Config::*, AdminRoles Config::*, std::vector<ClusterPeer> Config::*,
    std::vector<std::string> Config::*, shard::ShareStrategy Config::*,
    std::map<std::string, shard::ShareStrategy> Config::*, bool Config::*, uint32_t Config::*,
    uint16_t Limits::*, uint32_t Limits::*, uint64_t Limits::*, int64_t Limits::*>;

struct Key {
  std::string_view name;
  Field field;
  // Of numbers only.
  Unit unit = Unit::kCount;
  Range range;
  // Whether the word "unlimited" stands for range.max.
  bool unlimited = false;
  std::string_view help;
};

std::span<const Key> Keys();

// The key of that full name, or null.
const Key* FindKey(std::string_view name);

// The known name nearest to a mistyped one.
std::string NearestKey(std::string_view name);

// Whether keys exist below `name` ("log" of "log.level").
bool IsSection(std::string_view name);

// What a key takes: "integer 1..65535", "trace, debug, info, warn or error".
std::string Allowed(const Key& key);

// Sets the key from text. Returns what was allowed when it refuses, and then leaves config
// unchanged.
std::optional<std::string> SetKey(const Key& key, std::string_view text, Config* config);

// The value as SetKey() would read it. Listeners give their URLs joined by commas.
std::string GetKey(const Key& key, const Config& config);

// SKEINMQ_LOG_LEVEL for log.level.
std::string EnvironmentName(std::string_view key);

// Config before anything is read: one listener on tcp://127.0.0.1:1883.
Config DefaultConfig();

// The configuration as a file that reads back to the same.
std::string PrintYaml(const Config& config);

// The tables of docs/configuration.md.
std::string PrintMarkdown();

}  // namespace skein::config
