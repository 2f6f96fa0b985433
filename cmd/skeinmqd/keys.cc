// See keys.h. The table first, then what is done with it.
#include "cmd/skeinmqd/keys.h"

#include <algorithm>

#include "cmd/skeinmqd/listener_url.h"

namespace skein::config {
namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
constexpr uint64_t kTiB = uint64_t{1} << 40;
constexpr uint64_t kMany = 1'000'000'000'000;
// The largest packet the format can express: a remaining length of 268,435,455 and five bytes of
// header.
constexpr uint64_t kLargestPacket = 268'435'460;

// Rows of the table: a number with unit and range, or anything else.
constexpr Key Number(std::string_view name, Field field, Unit unit, Range range,
                     std::string_view help) {
  return {name, field, unit, range, false, help};
}
constexpr Key Other(std::string_view name, Field field, std::string_view help) {
  return {name, field, Unit::kCount, {}, false, help};
}
constexpr Key OrUnlimited(Key key) {
  key.unlimited = true;
  return key;
}

constexpr Key kKeys[] = {
    Other("node.id", &Config::node_id,
          "Name of this node: stable over restarts, unique in a cluster."),
    Other(
        "data_dir", &Config::data_dir,
        "Folder for what outlives the process: durable sessions, their queues, retained messages. "
        "Empty: all is kept in memory and lost with the process."),
    Other("storage.durability", &Config::durability,
          "What an acknowledgement means: on the disk; in the operating system (survives the "
          "process, not a power cut); in memory (survives a clean stop only)."),
    Number("storage.reserve_bytes", &Config::storage_reserve_bytes, Unit::kBytes, {0, kTiB},
           "Free space on the disk below which new durable work is refused with 0x97."),
    Number("storage.block_cache_bytes", &Config::storage_block_cache_bytes, Unit::kBytes, {0, kTiB},
           "Memory for blocks read from the disk."),
    Number("storage.write_buffer_bytes", &Config::storage_write_buffer_bytes, Unit::kBytes,
           {kMiB, kTiB}, "Memory for what was written and is not yet in sorted files."),
    Number(
        "storage.checkpoint_bytes", &Config::storage_checkpoint_bytes, Unit::kBytes, {kMiB, kTiB},
        "Log written between two checkpoints; a start after a crash reads at most about twice as "
        "much."),
    Number("shards", &Config::shards, Unit::kCount, {0, 256},
           "Event loop threads; 0 is one a core."),
    Other(
        "cluster.peers", &Config::cluster_peers,
        "All nodes of the cluster, this one among them, with the addresses where they listen for "
        "each other; the same on each. Names are resolved anew for each link. Empty: this node is "
        "alone."),
    Other("cluster.listen", &Config::cluster_listen, "Where to listen for the other nodes."),
    Other("cluster.name", &Config::cluster_name, "Nodes of another cluster are refused."),
    Other("cluster.ca_file", &Config::cluster_ca_file,
          "PEM: the authority of the nodes' certificates. With the next two: nodes prove who they "
          "are to each other."),
    Other("cluster.cert_file", &Config::cluster_cert_file,
          "PEM: this node's certificate; a DNS name in it is its node.id."),
    Other("cluster.key_file", &Config::cluster_key_file, "PEM: its key."),
    Number("cluster.join_timeout_ms", &Config::cluster_join_timeout_ms, Unit::kMilliseconds,
           {0, 3'600'000},
           "How long a starting node waits for the others before it serves clients; with etcd it "
           "waits for those that live, however long it takes."),
    Number("cluster.digest_interval_ms", &Config::cluster_digest_interval_ms, Unit::kMilliseconds,
           {0, 3'600'000},
           "How often nodes compare what they know of each other's subscriptions and of retained "
           "messages, and repair it; 0: retained messages when a link comes up, else never."),
    Other("cluster.etcd", &Config::cluster_etcd,
          "etcd keeps who belongs to the cluster and who owns what, so that it can grow and "
          "shrink; instead of cluster.peers. Its endpoints."),
    Other("cluster.advertise", &Config::cluster_advertise,
          "Where the other nodes reach this one, with etcd; empty: cluster.listen."),
    Other("cluster.etcd_user", &Config::cluster_etcd_user, "User of etcd; empty: no log-in."),
    Other("cluster.etcd_password_file", &Config::cluster_etcd_password_file,
          "File with the user's password."),
    Other("cluster.etcd_ca_file", &Config::cluster_etcd_ca_file,
          "PEM: the authority of etcd's certificates; empty: those that the system trusts."),
    Other("cluster.etcd_cert_file", &Config::cluster_etcd_cert_file,
          "PEM: this node's certificate for etcd."),
    Other("cluster.etcd_key_file", &Config::cluster_etcd_key_file, "PEM: its key."),
    Number("cluster.lease_seconds", &Config::cluster_lease_seconds, Unit::kCount, {3, 600},
           "A node that etcd has not heard from for so long does not belong to the cluster."),
    Number("cluster.drain_timeout_ms", &Config::cluster_drain_timeout_ms, Unit::kMilliseconds,
           {0, 3'600'000},
           "How long a node that stops may take to hand its sessions over; with etcd."),
    Other("log.level", &Config::log_level, "Least important level that is logged."),
    Other("log.format", &Config::log_format, "Log lines for people or for machines."),
    Other(
        "admin.listen", &Config::admin_listen,
        "Where operators ask the node, by HTTP. Empty: nowhere. Off the loopback it needs a token "
        "or client certificates."),
    Other("admin.token_file", &Config::admin_token_file,
          "File whose first line is a token that may do everything. It is read at each request."),
    Other("admin.tokens", &Config::admin_tokens, "Tokens with less rights, see below."),
    Other("admin.metrics", &Config::metrics,
          "Who may read /metrics: whoever reaches admin.listen, who shows the token, or nobody."),
    Other("admin.tls.cert_file", &Config::admin_tls_cert_file,
          "PEM: the certificate of the operators' listener, which then speaks HTTPS only."),
    Other("admin.tls.key_file", &Config::admin_tls_key_file, "PEM: its key."),
    Other("admin.tls.client_ca_file", &Config::admin_tls_client_ca_file,
          "PEM: the authority of operators' certificates. Who shows one needs no token."),
    Other("admin.tls.client_roles", &Config::admin_client_roles,
          "What operators may do, by the common name of their certificate; others may nothing."),
    Other(
        "backup.directory", &Config::backup_directory,
        "Folder, on the file system of data_dir to be quick, where backups that operators ask for "
        "are made. Empty: none are."),
    Number("sys.interval", &Config::sys_interval, Unit::kSeconds, {0, 86'400},
           "How often the broker says how it is doing, below $SYS. 0: never."),
    Other("sys.client_events", &Config::sys_client_events,
          "Whether each client that connects or goes is told below $SYS, on all nodes. Each costs "
          "a publish."),
    Other("listeners", &Config::listeners, "Where clients connect, see below."),
    Other("authentication", &Config::authentication, "Who says who a client is, see below."),
    Other("authorization.file", &Config::authorization_file,
          "Access rules, see below. Empty, and nobody is authenticated: everything is allowed."),
    Other(
        "authorization.allow_without_rules", &Config::allow_without_rules,
        "Whether clients may do everything when authentication is configured and there is no file "
        "with rules. Else they may do nothing."),
    Other("bans", &Config::bans, "Who may not connect, see below."),
    Other("security.user_name_is_client_id", &Config::user_name_is_client_id,
          "A client whose user name is proven must have it as its client id. Else: CONNACK 0x85."),
    Number("security.flapping_connects", &Config::flapping_connects, Unit::kCount, {0, 1'000'000},
           "A client id that connects more often than this within security.flapping_window is "
           "banned for security.flapping_ban. 0: none is."),
    Number("security.flapping_window", &Config::flapping_window, Unit::kSeconds, {1, 86'400},
           "See security.flapping_connects."),
    Number("security.flapping_ban", &Config::flapping_ban, Unit::kSeconds, {1, 31'536'000},
           "See security.flapping_connects."),
    Number("security.worker_threads", &Config::worker_threads, Unit::kCount, {1, 256},
           "Threads that hash passwords."),
    Number("security.worker_queue", &Config::worker_queue, Unit::kCount, {1, 1'000'000},
           "Logins that wait for them. More: CONNACK 0x89."),
    Other(
        "reload.watch", &Config::reload_watch,
        "Whether a change of the configuration or of a file that it names takes effect by itself; "
        "SIGHUP does it in any case."),
    Other("shared_subscriptions.strategy", &Config::share_strategy,
          "How the member of a shared group is chosen that a message goes to, see above; the same "
          "on every node."),
    Other("shared_subscriptions.groups", &Config::share_groups,
          "Groups, by share name, with a strategy of their own."),
    Number("limits.max_packet_size", &Limits::max_packet_size, Unit::kBytes, {64, kLargestPacket},
           "Largest packet accepted. Larger: DISCONNECT 0x95, or the connection is closed."),
    Number("limits.max_connect_bytes", &Limits::max_connect_bytes, Unit::kBytes,
           {64, kLargestPacket}, "Largest CONNECT accepted. Larger: closed."),
    Number("limits.connect_timeout_ms", &Limits::connect_timeout_ms, Unit::kMilliseconds,
           {10, 3'600'000}, "From accept to a complete CONNECT. Later: closed."),
    Number("limits.max_connections", &Limits::max_connections, Unit::kCount, {1, UINT32_MAX},
           "Network connections of the node. More: closed at accept."),
    Number("limits.server_keep_alive", &Limits::server_keep_alive, Unit::kSeconds, {0, UINT16_MAX},
           "Keep alive imposed on a client that asks for more or for none; 0 leaves the client's."),
    Number("limits.max_output_bytes", &Limits::max_output_bytes, Unit::kBytes, {4 * kKiB, kGiB},
           "Output waiting for one connection. Beyond: QoS 0 is dropped, QoS 1 and 2 wait in the "
           "queue."),
    Number("limits.receive_maximum", &Limits::receive_maximum, Unit::kCount, {1, UINT16_MAX},
           "Unacknowledged QoS 1 and 2 PUBLISH from one client. Beyond: DISCONNECT 0x93."),
    Number("limits.max_inflight", &Limits::max_inflight, Unit::kCount, {1, UINT16_MAX},
           "QoS 1 and 2 PUBLISH in flight to one client, or its Receive Maximum if smaller. "
           "Beyond: they wait in the queue."),
    Number("limits.max_client_id_bytes", &Limits::max_client_id_bytes, Unit::kCount,
           {23, UINT16_MAX}, "Length of a client id in bytes. Beyond: CONNACK 0x85."),
    Number("limits.topic_alias_maximum", &Limits::topic_alias_maximum, Unit::kCount,
           {0, UINT16_MAX}, "Topic aliases a client may set. Beyond: DISCONNECT 0x94."),
    Number("limits.topic_alias_maximum_out", &Limits::topic_alias_maximum_out, Unit::kCount,
           {0, UINT16_MAX},
           "Topic aliases set towards a client that allows them. Beyond: full topic names."),
    Number("limits.max_topic_levels", &Limits::max_topic_levels, Unit::kCount, {1, UINT16_MAX},
           "Levels in a topic name or filter. Beyond: 0x90 for PUBLISH, 0x8F for SUBSCRIBE."),
    Number("limits.max_subscriptions_per_session", &Limits::max_subscriptions_per_session,
           Unit::kCount, {1, UINT32_MAX}, "Subscriptions of one session. Beyond: SUBACK 0x97."),
    Number("limits.max_subscriptions", &Limits::max_subscriptions, Unit::kCount, {1, kMany},
           "Subscriptions of the node. Beyond: SUBACK 0x97."),
    Number("limits.max_sessions", &Limits::max_sessions, Unit::kCount, {1, kMany},
           "Sessions of the node, connected or not. Beyond: CONNACK 0x97 for new ones."),
    OrUnlimited(Number(
        "limits.max_session_expiry", &Limits::max_session_expiry, Unit::kSeconds, {0, UINT32_MAX},
        "Longest Session Expiry Interval granted. A longer wish is cut, and CONNACK says so.")),
    Number("limits.max_queued_messages", &Limits::max_queued_messages, Unit::kCount,
           {1, UINT32_MAX},
           "Messages waiting for one session. Beyond: limits.queue_drop says which one goes."),
    Other("limits.queue_drop", &Limits::queue_drop,
          "Which message is dropped (and counted) when a session's queue is full."),
    Number("limits.queue_page_messages", &Limits::queue_page_messages, Unit::kCount, {1, 1'000'000},
           "A durable session's messages that are kept in memory for a connected client. Beyond: "
           "they stay in the store."),
    Number("limits.queue_page_bytes", &Limits::queue_page_bytes, Unit::kBytes, {kKiB, kGiB},
           "The same in bytes."),
    Number("limits.max_waiting_records", &Limits::max_waiting_records, Unit::kCount,
           {1'000, 100'000'000},
           "Records of one shard (a durable message a session is one) that wait for the disk. "
           "Beyond: the shard stops reading from its clients until some are durable."),
    Number("limits.max_loop_lag_ms", &Limits::max_loop_lag_ms, Unit::kMilliseconds, {10, 3'600'000},
           "A turn of a shard's loop that takes longer is an overload. Then: new connections are "
           "closed at accept."),
    Number("limits.max_queued_bytes", &Limits::max_queued_bytes, Unit::kBytes, {kKiB, kTiB},
           "Bytes of messages waiting for one session. Beyond: as above."),
    Number("limits.max_total_queued_bytes", &Limits::max_total_queued_bytes, Unit::kBytes,
           {kMiB, kTiB},
           "Bytes of messages waiting for all sessions of the node. Beyond: new ones are dropped."),
    Number("limits.max_outbox_bytes", &Limits::max_outbox_bytes, Unit::kBytes, {kMiB, kTiB},
           "Bytes of messages kept for durable sessions of nodes that cannot be reached. Beyond: "
           "their publishers are refused (0x97)."),
    Number(
        "limits.max_retained_messages", &Limits::max_retained_messages, Unit::kCount, {0, kMany},
        "Retained messages of the node. Beyond: delivered but not retained, 0x97 for QoS 1 and 2."),
    Number("limits.max_retained_bytes", &Limits::max_retained_bytes, Unit::kBytes, {0, kTiB},
           "Bytes of retained messages of the node, topics and properties included. Beyond: as "
           "above."),
    Number("limits.fanout_slice", &Limits::fanout_slice, Unit::kCount, {1, 1'000'000},
           "Subscribers served of one publish before a shard turns to other work."),
    Number("limits.read_slice_bytes", &Limits::read_slice_bytes, Unit::kBytes, {kKiB, 64 * kMiB},
           "Bytes read from one connection before a shard turns to the next."),
};

}  // namespace

std::span<const Key> Keys() {
  return kKeys;
}

const Key* FindKey(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kKeys), std::end(kKeys), [&](auto& key) { return key.name == name; });
  return found == std::end(kKeys) ? nullptr : found;
}

std::string NearestKey(std::string_view name) {
  const auto nearest =
      std::min_element(std::begin(kKeys), std::end(kKeys), [&](const Key& a, const Key& b) {
        return EditDistance(name, a.name) < EditDistance(name, b.name);
      });
  return std::string(nearest->name);
}

bool IsSection(std::string_view name) {
  const std::string prefix = std::string(name) + ".";
  return std::any_of(std::begin(kKeys), std::end(kKeys),
                     [&](const Key& key) { return key.name.starts_with(prefix); });
}

std::string EnvironmentName(std::string_view key) {
  std::string name = "SKEINMQ_";
  for (const char c : key) {
    const bool lower = c >= 'a' && c <= 'z';
    name += c == '.' || c == '-' ? '_' : lower ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

Config DefaultConfig() {
  Config config;
  config.listeners.push_back(FinishListener(ListenerDraft{.address = Address{"127.0.0.1", 1883}}));
  return config;
}

}  // namespace skein::config
