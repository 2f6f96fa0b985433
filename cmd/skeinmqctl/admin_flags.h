// The command line of what asks a running node about clients, messages and settings.
//
// Purpose: declares the commands, and runs the one that was given. Thread: called once, at start.
#pragma once

#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace skein::ctl {

struct ServerOptions;

// --server, --token-file, --ca, --cert and --key.
void AddServerOptions(CLI::App* command, ServerOptions* server);

class AdminFlags {
 public:
  // app: of skeinmqctl; it outlives this.
  explicit AdminFlags(CLI::App* app);
  ~AdminFlags();

  // The exit code; nothing if the command line names another command.
  std::optional<int> Run(std::ostream& out, std::ostream& err) const;

 private:
  struct Line;
  void AddClients(CLI::App* app);
  void AddMessages(CLI::App* app);
  void AddBans(CLI::App* app);
  void AddSettings(CLI::App* app);
  const std::unique_ptr<Line> line_;
};

}  // namespace skein::ctl
