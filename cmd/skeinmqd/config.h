// What an operator can choose, as plain data.
//
// Purpose: the result of defaults, file, environment and flags (loader.h). The wiring in main.cc
// reads it and hands each part only what that part needs; nothing below cmd/ sees this header.
// Thread: a value; never changed after start.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/limits.h"
#include "broker/base/log.h"
#include "broker/shard/share_strategy.h"

namespace skein::config {

// When a record counts as durable.
enum class Durability : uint8_t {
  kFsync,   // it is on the disk
  kOs,      // the operating system has it: survives the process, not a power cut
  kMemory,  // at once: survives a clean stop only
};

enum class LogFormat : uint8_t { kText, kJson };

// Who may read /metrics.
enum class MetricsAccess : uint8_t { kOpen, kToken, kOff };

// Where to bind. `host` is a numeric address or a name to resolve, IPv6 without its brackets.
struct Address {
  std::string host;
  uint16_t port = 0;  // 0 = the kernel picks

  bool operator==(const Address&) const = default;
};

enum class Scheme : uint8_t { kTcp, kTls, kWs, kWss };
enum class ClientCertificates : uint8_t { kNone, kOptional, kRequired };

struct Listener {
  Address address{"127.0.0.1", 1883};
  // For logs and metrics; the URL unless given.
  std::string name;
  // Whether a client without credentials is served. Unset in the configuration: only on loopback.
  bool allow_anonymous = false;
  // Connections on this listener; more are closed at accept.
  uint32_t max_connections = 1'000'000;

  Scheme scheme = Scheme::kTcp;
  // Connections without an accepted CONNECT; more are closed at accept.
  uint32_t max_handshakes = 10'000;
  // PUBLISH of one client a second, and their bytes; more are read later. 0: no limit.
  uint32_t publish_rate = 0;
  uint64_t publish_bytes = 0;
  // A client that is over these for so long without a rest is disconnected; seconds, 0: never.
  uint32_t publish_patience = 0;
  // The same of all clients of the listener together.
  uint32_t total_publish_rate = 0;
  uint64_t total_publish_bytes = 0;
  // New connections a second, of all and of one source; more are refused. 0: no limit.
  uint32_t connection_rate = 0;
  uint32_t connection_rate_per_source = 0;
  // Names of authenticators, in the order in which they are asked.
  std::vector<std::string> authentication;
  // Load balancers that send a PROXY header, as addresses or ranges; empty: there is none.
  std::vector<std::string> proxy_from;

  // tls:// and wss://
  std::vector<std::string> cert_files;
  std::vector<std::string> key_files;  // beside cert_files
  std::string key_password_file;
  std::string client_ca_file;
  ClientCertificates client_certificates = ClientCertificates::kNone;
  std::string crl_file;
  bool only_tls13 = false;
  std::string ciphers;
  std::string ciphersuites;
  bool session_resumption = true;

  // ws:// and wss://
  std::vector<std::string> paths = {"/mqtt"};
  std::vector<std::string> origins = {"*"};
  uint32_t max_message_bytes = 256u << 20;

  bool tls() const { return scheme == Scheme::kTls || scheme == Scheme::kWss; }
  bool websocket() const { return scheme == Scheme::kWs || scheme == Scheme::kWss; }
  bool operator==(const Listener&) const = default;
};

enum class AuthenticatorType : uint8_t { kPasswordFile, kCertificate, kScramFile, kJwt, kHttp };
enum class CertificateName : uint8_t { kCommonName, kDns, kUri, kEmail, kSubject };

// One of the authenticators that listeners name.
struct Authenticator {
  std::string name;
  AuthenticatorType type = AuthenticatorType::kPasswordFile;
  // password_file
  std::string file;
  bool unknown_user_denied = false;
  uint32_t remember_seconds = 300;
  // jwt: exactly one of the first four
  std::string jwks_file;
  std::string jwks_url;
  std::string public_key_file;
  std::string secret_file;
  std::vector<std::string> algorithms;  // empty: those that fit the kind of keys
  std::string issuer;
  std::string audience;
  uint32_t leeway_seconds = 30;
  bool require_expiry = true;
  bool token_is_user_name = false;
  std::string user_name_claim = "sub";
  std::string client_id_claim;
  std::string superuser_claim;
  std::string acl_claim = "acl";
  uint32_t refresh_seconds = 300;
  uint32_t max_key_age_seconds = 86'400;
  // http, and jwks_url
  std::string url;
  std::vector<std::string> headers;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  uint32_t timeout_ms = 5'000;
  uint32_t cache_allowed_seconds = 0;
  uint32_t cache_denied_seconds = 0;
  uint32_t breaker_failures = 5;
  uint32_t breaker_pause_seconds = 10;
  // certificate
  CertificateName from = CertificateName::kCommonName;
  bool client_id_must_match = false;

  bool operator==(const Authenticator&) const = default;
};

// Who may not connect. Exactly one of the first three is set.
struct Ban {
  std::string client_id;
  std::string user_name;
  std::string address;
  std::string until;  // RFC 3339; empty: for good
  std::string note;

  bool operator==(const Ban&) const = default;
};

// What an operator may do; each may what the one before it may.
enum class AdminRole : uint8_t { kRead, kOperate, kAdmin };

struct AdminToken {
  std::string name;  // for the log
  AdminRole role = AdminRole::kRead;
  std::string file;

  bool operator==(const AdminToken&) const = default;
};

using AdminRoles = std::map<std::string, AdminRole>;

// A node of the cluster and where its peers reach it.
struct ClusterPeer {
  std::string node;
  Address address;

  bool operator==(const ClusterPeer&) const = default;
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
  // Empty: this node is alone.
  std::vector<ClusterPeer> cluster_peers;
  std::string cluster_name = "skeinmq";
  std::optional<Address> cluster_listen;
  std::string cluster_ca_file;
  std::string cluster_cert_file;
  std::string cluster_key_file;
  uint32_t cluster_join_timeout_ms = 10'000;
  uint32_t cluster_digest_interval_ms = 10'000;
  // etcd, as http://HOST:PORT or https://HOST:PORT; empty: cluster_peers, if there is a cluster.
  std::vector<std::string> cluster_etcd;
  std::optional<Address> cluster_advertise;  // unset: cluster_listen
  std::string cluster_etcd_user;
  std::string cluster_etcd_password_file;
  std::string cluster_etcd_ca_file;
  std::string cluster_etcd_cert_file;
  std::string cluster_etcd_key_file;
  uint32_t cluster_lease_seconds = 10;
  uint32_t cluster_drain_timeout_ms = 30'000;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  // Where operators ask the node; unset: nowhere.
  std::optional<Address> admin_listen = Address{"127.0.0.1", 9883};
  std::string admin_token_file;
  std::vector<AdminToken> admin_tokens;
  std::string admin_tls_cert_file;
  std::string admin_tls_key_file;
  std::string admin_tls_client_ca_file;
  AdminRoles admin_client_roles;  // by common name
  // Where backups are made; empty: nowhere.
  std::string backup_directory;
  MetricsAccess metrics = MetricsAccess::kOpen;
  // What the broker says about itself below $SYS; seconds, 0: nothing.
  uint32_t sys_interval = 10;
  bool sys_client_events = false;
  std::vector<Listener> listeners;
  std::vector<Authenticator> authentication;
  // Empty: no rules.
  std::string authorization_file;
  // What clients may do where there are authenticators but no rules.
  bool allow_without_rules = false;
  // A proven user name must be the client id.
  bool user_name_is_client_id = false;
  std::vector<Ban> bans;
  // A client that connects more often than this within the window is banned for a while; 0: none.
  uint32_t flapping_connects = 0;
  uint32_t flapping_window = 60;  // seconds
  uint32_t flapping_ban = 300;    // seconds
  uint16_t worker_threads = 2;
  uint32_t worker_queue = 1'000;
  // Look at the files for changes.
  bool reload_watch = true;
  // How members of shared groups are chosen: usually, and of groups with a strategy of their own.
  shard::ShareStrategy share_strategy = shard::ShareStrategy::kRoundRobin;
  std::map<std::string, shard::ShareStrategy> share_groups;
  Limits limits;
};

}  // namespace skein::config
