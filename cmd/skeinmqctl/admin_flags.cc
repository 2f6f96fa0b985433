#include "cmd/skeinmqctl/admin_flags.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>
#include <utility>
#include <vector>

#include "cmd/skeinmqctl/admin_command.h"

namespace skein::ctl {

struct AdminFlags::Line {
  using Command = std::function<int(std::ostream& out, std::ostream& err)>;

  CLI::App* Add(CLI::App* to, const char* name, const char* help, Command command) {
    CLI::App* const sub = to->add_subcommand(name, help);
    AddServerOptions(sub, &options.server);
    sub->add_flag("--json", options.json, "Print what the node answers");
    commands.emplace_back(sub, std::move(command));
    return sub;
  }
  void AddRows(CLI::App* command) {
    auto* const limit = command->add_option("--limit", list.rows, "At most so many (default: 100)")
                            ->type_name("N")
                            ->check(CLI::Range(1, 10'000'000));
    command->add_flag("--all", list.all, "All there are")->excludes(limit);
  }
  // A parameter of the request.
  CLI::Option* AddQuery(CLI::App* command, const char* flag, const char* name, const char* type,
                        const char* help) {
    const auto set = [this, name](const std::string& text) { list.query.emplace_back(name, text); };
    return command->add_option_function<std::string>(flag, set, help)->type_name(type);
  }

  AdminOptions options;
  ListOptions list;
  PublishOptions publish;
  BanOptions ban;
  std::string subject;  // a client, a topic, a node, a level, a backup
  size_t peeked = 20;
  bool connected = false;
  bool offline = false;
  bool by_queue = false;
  bool changed = false;
  bool follow = false;
  bool once = false;
  std::vector<std::pair<CLI::App*, Command>> commands;
};

void AddServerOptions(CLI::App* command, ServerOptions* server) {
  command
      ->add_option("--server", server->url,
                   "The node's admin.listen (default: http://127.0.0.1:9883)")
      ->type_name("URL");
  command
      ->add_option(
          "--token-file", server->token_file,
          "Show the first line of this file, as admin.token_file or admin.tokens ask for it")
      ->type_name("FILE");
  command
      ->add_option("--ca", server->ca_file,
                   "With https: the authority of the node's certificate (default: the system's)")
      ->type_name("FILE");
  auto* const cert =
      command->add_option("--cert", server->cert_file, "Show this certificate")->type_name("FILE");
  auto* const key = command->add_option("--key", server->key_file, "Its key")->type_name("FILE");
  cert->needs(key);
  key->needs(cert);
}

AdminFlags::AdminFlags(CLI::App* app) : line_(std::make_unique<Line>()) {
  AddClients(app);
  AddMessages(app);
  AddBans(app);
  AddSettings(app);
}

AdminFlags::~AdminFlags() = default;

void AdminFlags::AddClients(CLI::App* app) {
  Line& line = *line_;
  CLI::App* const clients = app->add_subcommand("clients", "Clients of the whole cluster");
  clients->require_subcommand(1);
  CLI::App* const list =
      line.Add(clients, "list", "Show clients, by client id", [&line](auto& out, auto& err) {
        if (line.connected) line.list.query.emplace_back("connected", "true");
        if (line.offline) line.list.query.emplace_back("connected", "false");
        if (line.by_queue) line.list.query.emplace_back("order", "queued");
        return ListClients(line.options, line.list, out, err);
      });
  line.AddQuery(list, "--prefix", "prefix", "TEXT", "Only client ids that begin with it");
  line.AddQuery(list, "--username", "username", "NAME", "Only this user's");
  line.AddQuery(list, "--listener", "listener", "NAME", "Only who is connected by it");
  line.AddQuery(list, "--node", "node", "ID", "Only who is connected to it");
  auto* const connected = list->add_flag("--connected", line.connected, "Only who is connected");
  list->add_flag("--offline", line.offline, "Only who is not")->excludes(connected);
  list->add_flag("--slow", line.by_queue, "Those with the longest queues first");
  line.AddRows(list);
  const auto add =
      [&](const char* name, const char* help,
          int (*command)(const AdminOptions&, const std::string&, std::ostream&, std::ostream&)) {
        line.Add(clients, name, help,
                 [&line, command](auto& out, auto& err) {
                   return command(line.options, line.subject, out, err);
                 })
            ->add_option("CLIENT", line.subject, "Its client id")
            ->required();
      };
  add("show", "Show one client and its subscriptions", &ShowClient);
  add("kick", "End its connection; it may come again", &KickClient);
  add("delete", "End its session, with subscriptions and queue", &DeleteClient);
  CLI::App* const queue =
      line.Add(app, "queue", "Show the first messages that wait for a client",
               [&line](auto& out, auto& err) {
                 return ShowQueue(line.options, line.subject, line.peeked, out, err);
               });
  queue->add_option("CLIENT", line.subject, "Its client id")->required();
  queue->add_option("--limit", line.peeked, "At most so many (default: 20)")
      ->type_name("N")
      ->check(CLI::Range(1, 100));
  CLI::App* const subscriptions =
      line.Add(app, "subscriptions", "Show who subscribes to what", [&line](auto& out, auto& err) {
        return ListSubscriptions(line.options, line.list, out, err);
      });
  line.AddQuery(subscriptions, "--filter", "filter", "FILTER", "Only this very filter");
  line.AddQuery(subscriptions, "--client", "client_id", "ID", "Only this client's");
  line.AddRows(subscriptions);
  CLI::App* const events =
      line.Add(app, "events", "Show clients that came, went and were refused",
               [&line](auto& out, auto& err) {
                 return ShowEvents(line.options, line.list, line.follow, out, err);
               });
  line.AddQuery(events, "--kind", "kind", "KIND", "Only these")
      ->check(CLI::IsMember({"client.connected", "client.disconnected", "client.refused"}));
  events->add_option("--limit", line.list.rows, "The newest so many (default: 100)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000));
  events->add_flag("--follow", line.follow, "Go on with what comes");
}

void AdminFlags::AddMessages(CLI::App* app) {
  Line& line = *line_;
  CLI::App* const retained = app->add_subcommand("retained", "Retained messages");
  retained->require_subcommand(1);
  CLI::App* const list =
      line.Add(retained, "list", "Show those that match a filter", [&line](auto& out, auto& err) {
        line.list.query.emplace_back("filter", line.subject);
        return ListRetained(line.options, line.list, out, err);
      });
  list->add_option("FILTER", line.subject, "A topic filter")->required();
  line.AddRows(list);
  line.Add(retained, "get", "Print the payload of one",
           [&line](auto& out, auto& err) {
             return GetRetained(line.options, line.subject, out, err);
           })
      ->add_option("TOPIC", line.subject, "Its topic")
      ->required();
  line.Add(retained, "delete", "Remove those that match a filter, everywhere",
           [&line](auto& out, auto& err) {
             return DeleteRetained(line.options, line.subject, out, err);
           })
      ->add_option("FILTER", line.subject, "A topic filter")
      ->required();
  CLI::App* const publish = line.Add(
      app, "publish", "Publish a message",
      [&line](auto& out, auto& err) { return Publish(line.options, line.publish, out, err); });
  publish->add_option("TOPIC", line.publish.topic, "Its topic")->required();
  auto* const message = publish->add_option("--message", line.publish.message, "The payload");
  message->type_name("TEXT");
  publish->add_option("--file", line.publish.file, "The payload is in this file; -: standard input")
      ->type_name("FILE")
      ->excludes(message);
  publish->add_option("--qos", line.publish.qos, "0, 1 or 2 (default: 1)")
      ->type_name("N")
      ->check(CLI::Range(0, 2));
  publish->add_flag("--retain", line.publish.retain, "Retain it");
  publish->add_option("--content-type", line.publish.content_type, "Its Content Type")
      ->type_name("TEXT");
  publish->add_option("--expiry", line.publish.expiry_seconds, "Its Message Expiry Interval")
      ->type_name("SECONDS");
  publish->add_option("--user-property", line.publish.user_properties, "Repeatable")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

void AdminFlags::AddBans(CLI::App* app) {
  Line& line = *line_;
  CLI::App* const bans = app->add_subcommand("bans", "Who may not connect");
  bans->require_subcommand(1);
  line.Add(bans, "list", "Show all bans",
           [&line](auto& out, auto& err) { return ListBans(line.options, out, err); });
  CLI::App* const add =
      line.Add(bans, "add", "Ban somebody on all nodes",
               [&line](auto& out, auto& err) { return AddBan(line.options, line.ban, out, err); });
  CLI::App* const remove = line.Add(
      bans, "remove", "Take a ban back",
      [&line](auto& out, auto& err) { return RemoveBan(line.options, line.ban, out, err); });
  for (CLI::App* const command : {add, remove}) {
    auto* const who = command->add_option_group("who");
    who->add_option("--client-id", line.ban.client_id, "A client id")->type_name("ID");
    who->add_option("--user-name", line.ban.user_name, "A user")->type_name("NAME");
    who->add_option("--address", line.ban.address, "An address or a range")->type_name("ADDRESS");
    who->require_option(1);
  }
  auto* const seconds =
      add->add_option("--seconds", line.ban.seconds, "For so long (default: for good)");
  seconds->type_name("N");
  add->add_option("--until", line.ban.until, "Until then, as 2027-01-31T12:00:00Z")
      ->type_name("TIME")
      ->excludes(seconds);
  add->add_option("--note", line.ban.note, "Why")->type_name("TEXT");
}

void AdminFlags::AddSettings(CLI::App* app) {
  Line& line = *line_;
  CLI::App* const config =
      line.Add(app, "config", "Show the configuration in force, and where each value comes from",
               [&line](auto& out, auto& err) {
                 return ShowConfig(line.options, line.subject, line.changed, out, err);
               });
  config->add_option("--node", line.subject, "Of this node (default: the one that is asked)")
      ->type_name("ID");
  config->add_flag("--changed", line.changed, "Without what has its default");
  line.Add(app, "reload", "Read the configuration again, on all nodes",
           [&line](auto& out, auto& err) { return ReloadConfig(line.options, out, err); });
  line.Add(app, "log-level", "Show the log level of all nodes, or set it until the next reload",
           [&line](auto& out, auto& err) {
             return LogLevelOf(line.options, line.subject, out, err);
           })
      ->add_option("LEVEL", line.subject, "trace, debug, info, warn or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  line.Add(app, "backup", "Make a backup of each node in its backup.directory",
           [&line](auto& out, auto& err) { return Backup(line.options, line.subject, out, err); })
      ->add_option("NAME", line.subject, "Of the backup")
      ->required();
  line.Add(app, "top", "Show all nodes, each second anew",
           [&line](auto& out, auto& err) { return Top(line.options, line.once, out, err); })
      ->add_flag("--once", line.once, "One look, without rates");
}

std::optional<int> AdminFlags::Run(std::ostream& out, std::ostream& err) const {
  for (const auto& [app, command] : line_->commands) {
    if (app->parsed()) return command(out, err);
  }
  return std::nullopt;
}

}  // namespace skein::ctl
