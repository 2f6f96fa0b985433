// The command line of skeinmqctl.
//
// Purpose: from argv to the command it names. Thread: called once, at start.
#pragma once

#include <iosfwd>

namespace skein::ctl {

// Runs the command; returns the exit code of the process.
int Run(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace skein::ctl
