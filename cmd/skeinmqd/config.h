// What an operator can choose, as plain data.
//
// Purpose: the result of defaults, file, environment and flags (loader.h). The wiring in main.cc
// reads it and hands each part only what that part needs; nothing below cmd/ sees this header.
// Thread: a value; never changed after start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/limits.h"
#include "broker/base/log.h"

namespace skein::config {

// When a record counts as durable.
enum class Durability : uint8_t {
  kFsync,   // it is on the disk
  kOs,      // the operating system has it: survives the process, not a power cut
  kMemory,  // at once: survives a clean stop only
};

enum class LogFormat : uint8_t { kText, kJson };

// Where to bind. `host` is a numeric address or a name to resolve, IPv6 without its brackets.
struct Address {
  std::string host;
  uint16_t port = 0;  // 0 = the kernel picks

  bool operator==(const Address&) const = default;
};

struct Listener {
  Address address{"127.0.0.1", 1883};
  // For logs and metrics; the URL unless given.
  std::string name;
  // Whether a client without credentials is served. Unset in the configuration: only on loopback.
  bool allow_anonymous = false;
  // Connections on this listener; more are closed at accept.
  uint32_t max_connections = 1'000'000;

  bool operator==(const Listener&) const = default;
};

struct Config {
  std::string node_id = "skeinmq-0";
  // Empty: nothing is written to disk.
  std::string data_dir;
  Durability durability = Durability::kFsync;
  uint64_t storage_block_cache_bytes = 64u << 20;
  uint64_t storage_write_buffer_bytes = 64u << 20;
  uint64_t storage_reserve_bytes = 512u << 20;
  uint64_t storage_checkpoint_bytes = 48u << 20;
  // Event loop threads; 0 = one a core.
  uint16_t shards = 0;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::optional<Address> admin_address;
  std::vector<Listener> listeners;
  Limits limits;
};

}  // namespace skein::config
