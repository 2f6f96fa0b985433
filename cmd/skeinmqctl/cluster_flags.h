// The command line of `skeinmqctl cluster`.
//
// Purpose: declares the commands, and runs the one that was given. Thread: called once, at start.
#pragma once

#include <iosfwd>
#include <memory>
#include <optional>

namespace CLI {
class App;
}  // namespace CLI

namespace skein::ctl {

class ClusterFlags {
 public:
  // app: of skeinmqctl; it outlives this.
  explicit ClusterFlags(CLI::App* app);
  ~ClusterFlags();

  // The exit code; nothing if the command line names another command.
  std::optional<int> Run(std::ostream& out, std::ostream& err) const;

 private:
  struct Line;
  const std::unique_ptr<Line> line_;
};

}  // namespace skein::ctl
