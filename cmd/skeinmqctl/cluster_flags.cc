#include "cmd/skeinmqctl/cluster_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <functional>
#include <ostream>
#include <utility>
#include <vector>

#include "cmd/skeinmqctl/admin_flags.h"
#include "cmd/skeinmqctl/cluster_command.h"

namespace skein::ctl {
namespace {

// As node.id: it becomes part of a URL. Empty: good.
std::string CheckNodeId(const std::string& text) {
  const bool good = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
  });
  return good && !text.empty() ? "" : "'" + text + "' is no node id";
}

}  // namespace

struct ClusterFlags::Line {
  using Command = std::function<int(std::ostream& out, std::ostream& err)>;

  ClusterOptions options;
  std::string output = "table";
  RoutesOptions routes;
  uint32_t wait_seconds = 0;
  LeaveOptions leave;
  bool lose_sessions = false;
  std::vector<std::pair<CLI::App*, Command>> commands;
};

ClusterFlags::ClusterFlags(CLI::App* app) : line_(std::make_unique<Line>()) {
  Line& line = *line_;
  CLI::App* const cluster =
      app->add_subcommand("cluster", "Ask a running node about its cluster, or to leave it");
  cluster->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, Line::Command command) {
    CLI::App* const sub = cluster->add_subcommand(name, help);
    AddServerOptions(sub, &line.options.server);
    sub->add_flag("--json", line.options.json, "As --output json");
    sub->add_option("--output", line.output, "table (the default) or json")
        ->type_name("FORM")
        ->check(CLI::IsMember({"table", "json"}));
    line.commands.emplace_back(sub, std::move(command));
    return sub;
  };
  add("status", "Show the nodes, and how this one stands",
      [&line](auto& out, auto& err) { return ClusterStatus(line.options, out, err); });
  add("ready", "Say whether the node is ready for clients, also as the exit code",
      [&line](auto& out, auto& err) { return ClusterReady(line.options, out, err); });
  add("partitions", "Show who owns each partition of the client ids",
      [&line](auto& out, auto& err) { return ClusterPartitions(line.options, out, err); });
  CLI::App* const routes = add(
      "routes", "Show where messages go, by topic filter",
      [&line](auto& out, auto& err) { return ClusterRoutes(line.options, line.routes, out, err); });
  routes->add_option("--prefix", line.routes.prefix, "Only filters that begin with this text")
      ->type_name("TEXT");
  routes->add_option("--node", line.routes.node, "Only what goes to this node")->type_name("ID");
  routes->add_option("--limit", line.routes.limit, "At most so many rows (default: 1000)")
      ->type_name("N")
      ->check(CLI::Range(1, 10'000));
  CLI::App* const drain = add("drain",
                              "Give all sessions of the node to the others and send its clients "
                              "away; it runs until it is stopped",
                              [&line](auto& out, auto& err) {
                                return ClusterDrain(line.options, line.wait_seconds, out, err);
                              });
  drain->add_option("--wait", line.wait_seconds, "Wait until it is done, at most so long")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400));
  CLI::App* const leave = add(
      "leave", "Drain the node, take it out of the cluster for good, and end it",
      [&line](auto& out, auto& err) { return ClusterLeave(line.options, line.leave, out, err); });
  auto* const lose = leave->add_flag("--lose-sessions", line.lose_sessions,
                                     "With --dead-node: yes, its sessions are lost");
  auto* const dead = leave->add_option("--dead-node", line.leave.dead_node,
                                       "Take out this one instead, which will not come back");
  dead->type_name("ID")->check(CheckNodeId)->needs(lose);
  lose->needs(dead);
  leave
      ->add_option("--wait", line.leave.wait_seconds,
                   "Wait until the node has ended, at most so long")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400))
      ->excludes(dead);
}

ClusterFlags::~ClusterFlags() = default;

std::optional<int> ClusterFlags::Run(std::ostream& out, std::ostream& err) const {
  line_->options.json |= line_->output == "json";
  for (const auto& [app, command] : line_->commands) {
    if (app->parsed()) return command(out, err);
  }
  return std::nullopt;
}

}  // namespace skein::ctl
