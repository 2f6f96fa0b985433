// `skeinmqctl completion`: scripts by which a shell completes the command line.
//
// Purpose: made from the declared commands, so they cannot fall behind. Thread: called once, at
// start.
#pragma once

#include <iosfwd>
#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace skein::ctl {

// shell: bash or zsh.
void PrintCompletion(const CLI::App& app, const std::string& shell, std::ostream& out);

}  // namespace skein::ctl
