// See flags.h. CLI11 is slow to compile and stays in this file.
#include "cmd/skeinmqd/flags.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/loader.h"

namespace skein::config {
namespace {

constexpr char kFooter[] =
    "\nLater wins: defaults, --config, environment (SKEINMQ_LOG_LEVEL for log.level), --set, flags."
    "\nExit codes: 0 stopped cleanly, 1 failure while starting or running, 2 wrong command line or "
    "configuration.";

// The command line as it was typed.
struct CommandLine {
  std::string file;
  std::vector<std::string> sets;
  std::vector<std::string> listen;
  std::optional<std::string> data_dir;
  std::optional<std::string> admin;
  std::optional<std::string> node_id;
  std::optional<std::string> shards;
  std::optional<std::string> cluster_listen;
  std::optional<std::string> peers;
  std::optional<std::string> etcd;
  std::optional<std::string> advertise;
  bool check_config = false;
  bool print_config = false;
  bool print_keys = false;
  bool version = false;
  bool repair = false;
};

void Declare(CLI::App& app, CommandLine* line) {
  app.add_option("--config", line->file, "Read this YAML file")->type_name("FILE");
  app.add_option("--set", line->sets, "Set any key, repeatable; --print-keys lists them")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--listen", line->listen,
                 "Serve clients here instead of the configured listeners, repeatable: "
                 "tcp://127.0.0.1:1883, tcp://[::1]:1883, "
                 "'tcp://0.0.0.0:1883?allow_anonymous=true'")
      ->type_name("URL")
      ->allow_extra_args(false);
  app.add_option("--data-dir", line->data_dir, "Key data_dir")->type_name("DIR");
  app.add_option("--admin-listen", line->admin, "Key admin.listen; empty: nowhere")
      ->type_name("ADDR:PORT");
  app.add_option("--node-id", line->node_id, "Key node.id")->type_name("ID");
  app.add_option("--shards", line->shards, "Key shards")->type_name("N");
  app.add_option("--cluster-listen", line->cluster_listen, "Key cluster.listen")
      ->type_name("ADDR:PORT");
  app.add_option("--peers", line->peers, "Key cluster.peers: all nodes, this one among them")
      ->type_name("NODE=HOST:PORT,...");
  app.add_option("--etcd", line->etcd, "Key cluster.etcd: who belongs to the cluster is in etcd")
      ->type_name("URL,...");
  app.add_option("--cluster-advertise", line->advertise, "Key cluster.advertise")
      ->type_name("HOST:PORT");
  app.add_flag("--check-config", line->check_config, "Check the configuration and exit");
  app.add_flag("--print-config", line->print_config, "Print the resulting configuration and exit");
  app.add_flag("--print-keys", line->print_keys, "Print all keys as a Markdown table and exit");
  app.add_flag("--repair", line->repair,
               "Give up what is damaged in the data directory, write it to a file there, and exit");
  app.add_flag("--version", line->version, "Print the version and exit");
  app.footer(kFooter);
}

// The command line as sources of configuration.
Sources ToSources(const CommandLine& line, const char* const* environment, Problems* problems) {
  Sources sources;
  sources.file = line.file;
  sources.listen = line.listen;
  for (; *environment != nullptr; ++environment)
    sources.environment.emplace_back(*environment);
  for (const std::string& set : line.sets) {
    const size_t equals = set.find('=');
    if (equals == set.npos) {
      problems->errors.push_back("--set: got '" + set + "'; allowed: KEY=VALUE");
    } else {
      sources.sets.push_back({"--set", set.substr(0, equals), set.substr(equals + 1)});
    }
  }
  const auto flag = [&](const char* name, const char* key,
                        const std::optional<std::string>& value) {
    if (value) sources.flags.push_back({name, key, *value});
  };
  flag("--data-dir", "data_dir", line.data_dir);
  flag("--admin-listen", "admin.listen", line.admin);
  flag("--node-id", "node.id", line.node_id);
  flag("--shards", "shards", line.shards);
  flag("--cluster-listen", "cluster.listen", line.cluster_listen);
  flag("--peers", "cluster.peers", line.peers);
  flag("--etcd", "cluster.etcd", line.etcd);
  flag("--cluster-advertise", "cluster.advertise", line.advertise);
  return sources;
}

void Tell(const char* kind, const std::vector<std::string>& texts, std::ostream& err) {
  for (const std::string& text : texts)
    err << "skeinmqd: " << kind << ": " << text << "\n";
}

}  // namespace

const char* Version() {
  return SKEIN_VERSION;
}

std::optional<int> ParseCommandLine(int argc, const char* const* argv,
                                    const char* const* environment, std::ostream& out,
                                    std::ostream& err, Options* options) {
  CommandLine line;
  CLI::App app("skeinmqd, the SkeinMQ MQTT broker: 3.1, 3.1.1 and 5.0", "skeinmqd");
  Declare(app, &line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool help = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
    app.exit(error, out, err);
    return help ? kExitOk : kExitUsage;
  }
  if (line.version) {
    out << "skeinmqd " << Version() << "\n";
    return kExitOk;
  }
  if (line.print_keys) {
    out << PrintMarkdown();
    return kExitOk;
  }

  Problems problems;
  options->sources = ToSources(line, environment, &problems);
  options->config = Load(options->sources, &problems, &options->origins);
  options->warnings = problems.warnings;
  options->repair = line.repair;
  if (line.repair && options->config.data_dir.empty())
    problems.errors.push_back("--repair: needs a data directory (--data-dir or the key data_dir)");
  const bool only_asked = line.check_config || line.print_config;
  if (only_asked) Tell("warning", problems.warnings, err);
  Tell("error", problems.errors, err);
  if (!problems.errors.empty()) return kExitUsage;
  if (line.print_config) out << PrintYaml(options->config);
  options->check = line.check_config && !line.print_config;
  if (only_asked && !options->check) return kExitOk;
  return std::nullopt;
}

}  // namespace skein::config
