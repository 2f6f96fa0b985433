// Commands that ask a running node about clients and messages, and about its settings.
//
// Purpose: one function a command, over the admin API; an answer covers the whole cluster. Thread:
// called once, at start. Errors: one line on `err`; kExitRefused when the node says no. Nodes that
// are silent are told on `err`, and are no error.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cmd/skeinmqctl/ask.h"

namespace skein::ctl {

struct AdminOptions {
  ServerOptions server;
  bool json = false;  // what the node answers, as it is
};

// A list: its path, parameters, and how much of it.
struct ListOptions {
  std::vector<std::pair<std::string, std::string>> query;
  size_t rows = 100;
  bool all = false;
};

int ListClients(const AdminOptions& options, const ListOptions& list, std::ostream& out,
                std::ostream& err);
int ShowClient(const AdminOptions& options, const std::string& client_id, std::ostream& out,
               std::ostream& err);
int KickClient(const AdminOptions& options, const std::string& client_id, std::ostream& out,
               std::ostream& err);
int DeleteClient(const AdminOptions& options, const std::string& client_id, std::ostream& out,
                 std::ostream& err);
int ShowQueue(const AdminOptions& options, const std::string& client_id, size_t limit,
              std::ostream& out, std::ostream& err);
int ListSubscriptions(const AdminOptions& options, const ListOptions& list, std::ostream& out,
                      std::ostream& err);

int ListRetained(const AdminOptions& options, const ListOptions& list, std::ostream& out,
                 std::ostream& err);
// The payload as it is, as far as the node gives it.
int GetRetained(const AdminOptions& options, const std::string& topic, std::ostream& out,
                std::ostream& err);
int DeleteRetained(const AdminOptions& options, const std::string& filter, std::ostream& out,
                   std::ostream& err);

struct PublishOptions {
  std::string topic;
  std::optional<std::string> message;
  std::string file;  // "-": standard input
  uint32_t qos = 1;
  bool retain = false;
  std::string content_type;
  std::optional<uint32_t> expiry_seconds;
  std::vector<std::string> user_properties;  // NAME=VALUE
};
int Publish(const AdminOptions& options, const PublishOptions& publish, std::ostream& out,
            std::ostream& err);

struct BanOptions {
  std::string client_id, user_name, address;
  std::optional<uint64_t> seconds;
  std::string until;
  std::string note;
};
int ListBans(const AdminOptions& options, std::ostream& out, std::ostream& err);
int AddBan(const AdminOptions& options, const BanOptions& ban, std::ostream& out,
           std::ostream& err);
int RemoveBan(const AdminOptions& options, const BanOptions& ban, std::ostream& out,
              std::ostream& err);

// node: empty: the one that is asked. changed: without what has its default.
int ShowConfig(const AdminOptions& options, const std::string& node, bool changed,
               std::ostream& out, std::ostream& err);
int ReloadConfig(const AdminOptions& options, std::ostream& out, std::ostream& err);
// level: empty: show it.
int LogLevelOf(const AdminOptions& options, const std::string& level, std::ostream& out,
               std::ostream& err);
// follow: goes on until the process is ended.
int ShowEvents(const AdminOptions& options, const ListOptions& list, bool follow, std::ostream& out,
               std::ostream& err);
int Backup(const AdminOptions& options, const std::string& name, std::ostream& out,
           std::ostream& err);

// Once a second until the process is ended; once: one look, which needs no terminal.
int Top(const AdminOptions& options, bool once, std::ostream& out, std::ostream& err);

}  // namespace skein::ctl
