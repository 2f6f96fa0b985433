// Requests about how nodes are set up.
//
// Purpose: bans, configuration, reload, log level, backup. What changes nodes is done on all of
// them, and the answer says how each has taken it. Owner: Api. Thread: any of the API's.
#pragma once

#include <functional>
#include <string>

#include "broker/admin/node.h"
#include "broker/admin/peers.h"
#include "broker/admin/router.h"
#include "broker/admin/settings.h"

namespace skein::admin {

class ApiSettings {
 public:
  ApiSettings(Settings* settings, Node* node, Peers* peers)
      : settings_(*settings), node_(*node), peers_(peers) {}

  void AddTo(Router* router);

 private:
  Response Bans(const Request& request);
  Response AddBan(const Request& request);
  Response RemoveBan(const Request& request);
  Response Config(const Request& request);
  Response Reload(const Request& request);
  Response LogLevel(const Request& request);
  Response SetLogLevel(const Request& request);
  Response Backup(const Request& request);

  // For a request with ?node=NAME of another node: what that one says. Nothing: it is for this one.
  bool IsForOther(const Request& request) const;
  Response AskOther(const Request& request);
  // This node's answer and those of all others: {"nodes": [...], "silent_nodes": [...]}, each with
  // its name; 409 if one of them has refused.
  Response OnAll(const Request& request, const Response& mine);

  Settings& settings_;
  Node& node_;
  Peers* const peers_;
};

// "trace" to "error".
std::string_view NameOf(skein::LogLevel level);

}  // namespace skein::admin
