// The command lines of `skeinmqctl trace` and `skeinmqctl explain`.
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

class TraceFlags {
 public:
  // app: of skeinmqctl; it outlives this.
  explicit TraceFlags(CLI::App* app);
  ~TraceFlags();

  // The exit code; nothing if the command line names another command.
  std::optional<int> Run(std::ostream& out, std::ostream& err) const;

 private:
  struct Line;
  const std::unique_ptr<Line> line_;
};

}  // namespace skein::ctl
