// See flags.h. CLI11 is slow to compile and stays in this file.
#include "cmd/skeinmqctl/flags.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "cmd/skeinmqctl/admin_flags.h"
#include "cmd/skeinmqctl/cluster_flags.h"
#include "cmd/skeinmqctl/commands.h"
#include "cmd/skeinmqctl/completion.h"
#include "cmd/skeinmqctl/trace_flags.h"

namespace skein::ctl {
namespace {

constexpr char kFooter[] =
    "\nExit codes: 0 done and nothing wrong, 1 something cannot be read, written or reached or has "
    "problems, 2 wrong command line, 3 the node refuses.";

struct CommandLine {
  bool version = false;
  InspectOptions inspect;
  VerifyOptions verify;
  ExportOptions copy;
  PasswdOptions passwd;
  bool only_retained = false;
  bool all = false;
};

CLI::App* AddCommand(CLI::App* to, const char* name, const char* help, std::string* data_dir) {
  CLI::App* command = to->add_subcommand(name, help);
  command->add_option("--data-dir", *data_dir, "The data directory of the node")
      ->type_name("DIR")
      ->required();
  return command;
}

struct Commands {
  CLI::App* inspect;
  CLI::App* verify;
  CLI::App* copy;
  CLI::App* passwd;
};

Commands Declare(CLI::App* app, CommandLine* line) {
  app->add_flag("--version", line->version, "Print the version and exit");
  app->require_subcommand(0, 1);
  app->footer(kFooter);
  CLI::App* store = app->add_subcommand(
      "store", "Look into the store of a stopped or running node; nothing is changed");
  store->require_subcommand(1);

  Commands commands;
  commands.inspect = AddCommand(store, "inspect", "Show what the store holds, or one session",
                                &line->inspect.data_dir);
  auto* id = commands.inspect
                 ->add_option("--client-id", line->inspect.client_id, "Show this session in detail")
                 ->type_name("ID");
  commands.inspect
      ->add_option("--partition", line->inspect.partition, "Show the sessions of this partition")
      ->type_name("N")
      ->excludes(id);
  commands.inspect->add_flag("--json", line->inspect.json, "Print one JSON object");

  commands.verify = AddCommand(store, "verify", "Read everything and check that it fits together",
                               &line->verify.data_dir);
  commands.verify->add_flag("--json", line->verify.json, "Print one JSON object");

  commands.copy =
      AddCommand(store, "export", "Print sessions, queues and retained messages as JSON lines",
                 &line->copy.data_dir);
  auto* one =
      commands.copy
          ->add_option("--client-id", line->copy.client_id, "Only this session and its queue")
          ->type_name("ID");
  auto* retained =
      commands.copy->add_flag("--retained", line->only_retained, "Only the retained messages");
  auto* all = commands.copy->add_flag("--all", line->all, "Everything (the default)");
  one->excludes(retained)->excludes(all);
  retained->excludes(all);

  commands.passwd = app->add_subcommand("passwd", "Add or change a user of a password file");
  commands.passwd->add_option("FILE", line->passwd.file, "The file; made if it is not there")
      ->required();
  auto* user = commands.passwd->add_option("USER", line->passwd.user, "The user name");
  auto* from = commands.passwd
                   ->add_option("--password-file", line->passwd.password_file,
                                "Take the password from the first line of this file")
                   ->type_name("FILE");
  auto* remove =
      commands.passwd->add_flag("--delete", line->passwd.remove, "Remove the user")->excludes(from);
  auto* scram = commands.passwd->add_flag("--scram", line->passwd.scram,
                                          "The file has credentials for SCRAM-SHA-256");
  commands.passwd
      ->add_option("--iterations", line->passwd.iterations,
                   "What a login costs the client, and a thief a guess (default: 65536)")
      ->type_name("N")
      ->check(CLI::Range(4096, 10'000'000))
      ->needs(scram)
      ->excludes(remove);
  commands.passwd
      ->add_flag("--check", line->passwd.check, "Only say whether a node would take the file")
      ->excludes(user)
      ->excludes(from)
      ->excludes(remove);
  return commands;
}

}  // namespace

int Run(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  CommandLine line;
  CLI::App app("skeinmqctl, the operator's command line of SkeinMQ", "skeinmqctl");
  const Commands commands = Declare(&app, &line);
  const ClusterFlags cluster(&app);
  const AdminFlags admin(&app);
  const TraceFlags trace(&app);
  std::string shell;
  CLI::App* const completion =
      app.add_subcommand("completion", "Print a script for the completion of this command line");
  completion->add_option("SHELL", shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool help = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
    app.exit(error, out, err);
    return help ? kExitOk : kExitUsage;
  }
  if (line.version) {
    out << "skeinmqctl " << SKEIN_VERSION << "\n";
    return kExitOk;
  }
  if (const std::optional<int> code = cluster.Run(out, err)) return *code;
  if (const std::optional<int> code = admin.Run(out, err)) return *code;
  if (const std::optional<int> code = trace.Run(out, err)) return *code;
  if (completion->parsed()) {
    PrintCompletion(app, shell, out);
    return kExitOk;
  }
  if (commands.inspect->parsed()) return InspectStore(line.inspect, out, err);
  if (commands.verify->parsed()) return VerifyStore(line.verify, out, err);
  if (commands.passwd->parsed()) return ChangePassword(line.passwd, out, err);
  if (commands.copy->parsed()) {
    line.copy.sessions = !line.only_retained;
    line.copy.retained = !line.copy.client_id.has_value();
    return ExportStore(line.copy, out, err);
  }
  err << app.help();
  return kExitUsage;
}

}  // namespace skein::ctl
