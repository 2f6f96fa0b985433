// See cluster_peers.h.
#include "cmd/skeinmqd/cluster_peers.h"

#include <algorithm>
#include <set>
#include <utility>

#include "cmd/skeinmqd/listener_url.h"
#include "cmd/skeinmqd/values.h"

namespace skein::config {

namespace {

constexpr unsigned kMostOfARange = 512;

// "a-{0..2}=h-{0..2}:1" -> a-0=h-0:1, a-1=h-1:1, a-2=h-2:1. All ranges of an entry have to be the
// same. Empty: they are not, or make no sense.
std::vector<std::string> ExpandRange(std::string_view entry) {
  const size_t open = entry.find('{');
  if (open == entry.npos) return {std::string(entry)};
  const size_t close = entry.find('}', open);
  if (close == entry.npos) return {};
  const std::string_view range = entry.substr(open, close - open + 1);
  const size_t dots = range.find("..");
  if (dots == range.npos) return {};
  const auto first = ParseNumber(range.substr(1, dots - 1), Unit::kCount);
  const auto last = ParseNumber(range.substr(dots + 2, range.size() - dots - 3), Unit::kCount);
  if (!first || !last || *last < *first || *last - *first >= kMostOfARange) return {};
  std::vector<std::string> expanded;
  for (uint64_t number = *first; number <= *last; ++number) {
    std::string one(entry);
    for (size_t at; (at = one.find(range)) != one.npos;)
      one.replace(at, range.size(), std::to_string(number));
    expanded.push_back(std::move(one));
  }
  return expanded;
}

std::optional<ClusterPeer> ParsePeer(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == text.npos || !IsNodeId(text.substr(0, equals))) return std::nullopt;
  const std::optional<Address> address = ParseAddress(text.substr(equals + 1), std::nullopt);
  if (!address || address->port == 0 || address->host.empty()) return std::nullopt;
  return ClusterPeer{std::string(text.substr(0, equals)), *address};
}

}  // namespace

bool IsNodeId(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

std::optional<std::vector<ClusterPeer>> ParsePeers(std::string_view text) {
  std::vector<ClusterPeer> peers;
  std::set<std::string> nodes;
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), entry.size() + 1));
    const std::vector<std::string> expanded = ExpandRange(entry);
    if (expanded.empty()) return std::nullopt;
    for (const std::string& one : expanded) {
      std::optional<ClusterPeer> peer = ParsePeer(one);
      if (!peer || !nodes.insert(peer->node).second) return std::nullopt;
      peers.push_back(std::move(*peer));
    }
  }
  return peers;
}

std::string FormatPeers(const std::vector<ClusterPeer>& peers) {
  std::string text;
  for (const ClusterPeer& peer : peers)
    text += (text.empty() ? "" : ",") + peer.node + "=" + FormatAddress(peer.address);
  return text;
}

std::optional<std::vector<std::string>> ParseEtcd(std::string_view text) {
  std::vector<std::string> urls;
  const bool tls = text.starts_with("https://");
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const std::string_view scheme = tls ? "https://" : "http://";
    if (!one.starts_with(scheme)) return std::nullopt;
    const std::optional<Address> address = ParseAddress(one.substr(scheme.size()), std::nullopt);
    if (!address || address->port == 0 || address->host.empty()) return std::nullopt;
    urls.emplace_back(one);
  }
  return urls;
}

namespace {

void CheckEtcd(const Config& config, Problems* problems) {
  const auto refuse = [&](const std::string& what) { problems->errors.push_back(what); };
  if (!config.cluster_peers.empty())
    refuse("cluster.etcd: cluster.peers is set too; a cluster has one of them");
  if (!config.cluster_listen) refuse("cluster.etcd: needs cluster.listen");
  if (config.cluster_etcd_cert_file.empty() != config.cluster_etcd_key_file.empty())
    refuse("cluster: etcd_cert_file and etcd_key_file go together");
  if (config.cluster_etcd_user.empty() != config.cluster_etcd_password_file.empty())
    refuse("cluster: etcd_user and etcd_password_file go together");
  const std::string& host = config.cluster_advertise ? config.cluster_advertise->host
                            : config.cluster_listen  ? config.cluster_listen->host
                                                     : std::string("-");
  if (host.empty() || host == "0.0.0.0" || host == "::") {
    refuse("cluster.advertise: must be set, for the other nodes cannot reach " +
           FormatAddress(
               *(config.cluster_advertise ? config.cluster_advertise : config.cluster_listen)));
  }
}

// What both kinds of cluster share, and what a fixed list needs.
void CheckLinks(const Config& config, Problems* problems) {
  const auto refuse = [&](const std::string& what) { problems->errors.push_back(what); };
  const auto self = [&](const ClusterPeer& peer) { return peer.node == config.node_id; };
  const bool fixed = config.cluster_etcd.empty();
  if (fixed && std::none_of(config.cluster_peers.begin(), config.cluster_peers.end(), self)) {
    refuse("cluster.peers: this node, '" + config.node_id + "' (node.id), is not among " +
           FormatPeers(config.cluster_peers));
  }
  if (fixed && !config.cluster_listen) refuse("cluster.peers: needs cluster.listen");
  const int files = int{!config.cluster_ca_file.empty()} + int{!config.cluster_cert_file.empty()} +
                    int{!config.cluster_key_file.empty()};
  if (files != 0 && files != 3) refuse("cluster: ca_file, cert_file and key_file go together");
  const bool open = config.cluster_listen && !IsLoopback(config.cluster_listen->host);
  if (files == 0 && open) {
    problems->warnings.push_back(
        "cluster.listen: without cluster.ca_file, cert_file and key_file everybody who reaches " +
        FormatAddress(*config.cluster_listen) + " can act as a node of the cluster");
  }
}

}  // namespace

void CheckCluster(const Config& config, Problems* problems) {
  const auto refuse = [&](const std::string& what) { problems->errors.push_back(what); };
  if (!config.cluster_etcd.empty()) {
    CheckEtcd(config, problems);
  } else if (config.cluster_peers.empty()) {
    if (config.cluster_listen) refuse("cluster.listen: needs cluster.peers or cluster.etcd");
    return;
  }
  CheckLinks(config, problems);
}

}  // namespace skein::config
