// The values of the key table: from text, to text, and what is allowed. See keys.h.
#include <algorithm>
#include <array>

#include "absl/strings/str_join.h"
#include "cmd/skeinmqd/admin_fields.h"
#include "cmd/skeinmqd/cluster_peers.h"
#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/listener_url.h"
#include "cmd/skeinmqd/shared_groups.h"

namespace skein::config {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"trace", "debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> kFormats = {"text", "json"};
constexpr std::array<std::string_view, 3> kDurabilities = {"fsync", "os", "memory"};
constexpr std::array<std::string_view, 3> kMetricsAccess = {"open", "token", "off"};
constexpr std::array<std::string_view, 2> kQueueDrops = {"newest", "oldest"};
constexpr std::string_view kUnlimited = "unlimited";

// Reads a word of `words` as the enumerator of that index.
template <typename Enum, size_t N>
bool SetEnum(const std::array<std::string_view, N>& words, std::string_view text, Enum* value) {
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return false;
  *value = static_cast<Enum>(found - words.begin());
  return true;
}

template <typename T>
bool SetNumber(const Key& key, std::string_view text, T* value) {
  std::optional<uint64_t> number = ParseNumber(text, key.unit);
  if (key.unlimited && text == kUnlimited) number = key.range.max;
  if (!number || *number < key.range.min || *number > key.range.max) return false;
  *value = static_cast<T>(*number);
  return true;
}

constexpr bool IsName(std::string Config::*member) {
  return member == &Config::node_id || member == &Config::cluster_name ||
         member == &Config::cluster_etcd_user;
}

// One overload a type of key: reads `text` into the member.
struct Setter {
  const Key& key;
  std::string_view text;
  Config* config;

  bool operator()(std::string Config::*member) const {
    const bool optional = member == &Config::cluster_etcd_user && text.empty();
    if (IsName(member) && !optional && !IsNodeId(text)) return false;
    config->*member = text;
    return true;
  }
  bool operator()(LogLevel Config::*m) const { return SetEnum(kLevels, text, &(config->*m)); }
  bool operator()(LogFormat Config::*m) const { return SetEnum(kFormats, text, &(config->*m)); }
  bool operator()(Durability Config::*m) const {
    return SetEnum(kDurabilities, text, &(config->*m));
  }
  bool operator()(MetricsAccess Config::*m) const {
    return SetEnum(kMetricsAccess, text, &(config->*m));
  }
  bool operator()(QueueDrop Limits::*m) const {
    return SetEnum(kQueueDrops, text, &(config->limits.*m));
  }
  bool operator()(std::optional<Address> Config::*member) const {
    const std::optional<Address> address = ParseAddress(text, std::nullopt);
    if (!address && !text.empty()) return false;
    config->*member = address;
    return true;
  }
  bool operator()(std::vector<Listener> Config::*member) const {
    std::vector<Listener> listeners;
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view url = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), url.size() + 1));
      ListenerDraft draft;
      if (SetListenerUrl(url, &draft)) return false;
      listeners.push_back(FinishListener(draft));
    }
    if (listeners.empty()) return false;
    config->*member = std::move(listeners);
    return true;
  }
  bool operator()(std::vector<std::string> Config::*member) const {
    std::optional<std::vector<std::string>> urls = ParseEtcd(text);
    if (urls) config->*member = std::move(*urls);
    return urls.has_value();
  }
  bool operator()(shard::ShareStrategy Config::*member) const {
    const std::optional<shard::ShareStrategy> strategy = ParseStrategy(text);
    config->*member = strategy.value_or(config->*member);
    return strategy.has_value();
  }
  bool operator()(GroupStrategies Config::*member) const {
    std::optional<GroupStrategies> groups = ParseGroupStrategies(text);
    if (groups) config->*member = std::move(*groups);
    return groups.has_value();
  }
  bool operator()(AdminRoles Config::*member) const {
    std::optional<AdminRoles> roles = ParseRoles(text);
    if (roles) config->*member = std::move(*roles);
    return roles.has_value();
  }
  bool operator()(std::vector<ClusterPeer> Config::*member) const {
    std::optional<std::vector<ClusterPeer>> peers = ParsePeers(text);
    if (peers) config->*member = std::move(*peers);
    return peers.has_value();
  }
  // Only a file has room for these.
  template <typename Record>
  bool operator()(std::vector<Record> Config::*member) const {
    if (text.empty()) (config->*member).clear();
    return text.empty();
  }
  bool operator()(bool Config::*m) const {
    const std::optional<bool> value = ParseBool(text);
    config->*m = value.value_or(config->*m);
    return value.has_value();
  }
  bool operator()(uint16_t Config::*m) const { return SetNumber(key, text, &(config->*m)); }
  bool operator()(uint32_t Config::*m) const { return SetNumber(key, text, &(config->*m)); }
  bool operator()(uint64_t Config::*m) const { return SetNumber(key, text, &(config->*m)); }
  template <typename T>
  bool operator()(T Limits::*m) const {
    return SetNumber(key, text, &(config->limits.*m));
  }
};

// One overload a type of key: the member as text.
struct Getter {
  const Key& key;
  const Config& config;

  std::string operator()(std::string Config::*m) const { return config.*m; }
  std::string operator()(LogLevel Config::*m) const {
    return std::string(kLevels[static_cast<size_t>(config.*m)]);
  }
  std::string operator()(LogFormat Config::*m) const {
    return std::string(kFormats[static_cast<size_t>(config.*m)]);
  }
  std::string operator()(Durability Config::*m) const {
    return std::string(kDurabilities[static_cast<size_t>(config.*m)]);
  }
  std::string operator()(MetricsAccess Config::*m) const {
    return std::string(kMetricsAccess[static_cast<size_t>(config.*m)]);
  }
  std::string operator()(QueueDrop Limits::*m) const {
    return std::string(kQueueDrops[static_cast<size_t>(config.limits.*m)]);
  }
  std::string operator()(std::optional<Address> Config::*m) const {
    return config.*m ? FormatAddress(*(config.*m)) : "";
  }
  std::string operator()(std::vector<Listener> Config::*m) const {
    std::string text;
    for (const Listener& listener : config.*m) {
      if (!text.empty()) text += ",";
      text += FormatUrl(listener);
    }
    return text;
  }
  std::string operator()(std::vector<std::string> Config::*m) const {
    return absl::StrJoin(config.*m, ",");
  }
  std::string operator()(shard::ShareStrategy Config::*m) const {
    return std::string(NameOf(config.*m));
  }
  std::string operator()(GroupStrategies Config::*m) const {
    return FormatGroupStrategies(config.*m);
  }
  std::string operator()(std::vector<ClusterPeer> Config::*m) const {
    return FormatPeers(config.*m);
  }
  std::string operator()(AdminRoles Config::*m) const { return FormatRoles(config.*m); }
  std::string operator()(std::vector<AdminToken> Config::*m) const {
    std::string text;
    for (const AdminToken& each : config.*m)
      text += (text.empty() ? "" : ",") + each.name + "=" + std::string(NameOf(each.role)) + ":" +
              each.file;
    return text;
  }
  std::string operator()(std::vector<Authenticator> Config::*m) const {
    std::string text;
    for (const Authenticator& each : config.*m)
      text += (text.empty() ? "" : ",") + each.name;
    return text;
  }
  std::string operator()(std::vector<Ban> Config::*m) const {
    std::string text;
    for (const Ban& each : config.*m)
      text += (text.empty() ? "" : ",") + each.client_id + each.user_name + each.address;
    return text;
  }
  std::string operator()(bool Config::*m) const { return config.*m ? "true" : "false"; }
  std::string operator()(uint16_t Config::*m) const { return FormatNumber(config.*m, key.unit); }
  std::string operator()(uint32_t Config::*m) const { return FormatNumber(config.*m, key.unit); }
  std::string operator()(uint64_t Config::*m) const { return FormatNumber(config.*m, key.unit); }
  template <typename T>
  std::string operator()(T Limits::*m) const {
    const auto value = static_cast<uint64_t>(config.limits.*m);
    if (key.unlimited && value == key.range.max) return std::string(kUnlimited);
    return FormatNumber(value, key.unit);
  }
};

struct Describer {
  const Key& key;

  std::string operator()(std::string Config::*member) const {
    return IsName(member) ? std::string(kNodeIdAllowed) : "a path, or empty";
  }
  std::string operator()(LogLevel Config::*) const { return "trace, debug, info, warn or error"; }
  std::string operator()(LogFormat Config::*) const { return "text or json"; }
  std::string operator()(Durability Config::*) const { return "fsync, os or memory"; }
  std::string operator()(MetricsAccess Config::*) const { return "open, token or off"; }
  std::string operator()(QueueDrop Limits::*) const { return "newest or oldest"; }
  std::string operator()(std::optional<Address> Config::*) const { return "ADDR:PORT, or empty"; }
  std::string operator()(std::vector<Listener> Config::*) const {
    return "listeners as tcp://HOST:PORT, tls://, ws:// or wss://";
  }
  std::string operator()(std::vector<std::string> Config::*) const {
    return "http://HOST:PORT or https://HOST:PORT, separated by commas, all with the same scheme";
  }
  std::string operator()(shard::ShareStrategy Config::*) const {
    return std::string(kStrategiesAllowed);
  }
  std::string operator()(GroupStrategies Config::*) const {
    return "NAME=STRATEGY,NAME=STRATEGY,..., each name once, or empty";
  }
  std::string operator()(AdminRoles Config::*) const {
    return "COMMON NAME=ROLE,..., each name once, with read, operate or admin; or empty";
  }
  std::string operator()(std::vector<ClusterPeer> Config::*) const {
    return "NODE=HOST:PORT,NODE=HOST:PORT,..., each node once; mq-{0..2}=mq-{0..2}.mq:7883 are "
           "three";
  }
  template <typename Record>
  std::string operator()(std::vector<Record> Config::*) const {
    return "a list of maps, in a file";
  }
  std::string operator()(bool Config::*) const { return "true or false"; }
  template <typename Number>
  std::string operator()(Number) const {
    return DescribeNumber(key.unit, key.range) + (key.unlimited ? " or unlimited" : "");
  }
};

}  // namespace

std::string Allowed(const Key& key) {
  return std::visit(Describer{key}, key.field);
}

std::optional<std::string> SetKey(const Key& key, std::string_view text, Config* config) {
  if (std::visit(Setter{key, text, config}, key.field)) return std::nullopt;
  return Allowed(key);
}

std::string GetKey(const Key& key, const Config& config) {
  return std::visit(Getter{key, config}, key.field);
}

}  // namespace skein::config
