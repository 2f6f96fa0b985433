// What skeinmqctl can do.
//
// Purpose: one function a command, from its options to text on `out` and an exit code. Thread:
// called once, at start. Errors: one line each on `err`.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

namespace skein::ctl {

// Documented in docs/operations.md.
enum ExitCode : int {
  kExitOk = 0,
  kExitProblem = 1,  // the store cannot be read, or verify found something
  kExitUsage = 2,    // a wrong command line
};

struct InspectOptions {
  std::string data_dir;
  std::optional<std::string> client_id;
  std::optional<uint32_t> partition;
  bool json = false;
};
int InspectStore(const InspectOptions& options, std::ostream& out, std::ostream& err);

struct VerifyOptions {
  std::string data_dir;
  bool json = false;
};
int VerifyStore(const VerifyOptions& options, std::ostream& out, std::ostream& err);

struct ExportOptions {
  std::string data_dir;
  std::optional<std::string> client_id;  // only this session
  bool sessions = true;
  bool retained = true;
};
int ExportStore(const ExportOptions& options, std::ostream& out, std::ostream& err);

// Adds, changes or removes one user of a password file. The password comes from a file or, twice
// and without echo, from the terminal, or from standard input: never from the command line, which
// others can see.
struct PasswdOptions {
  std::string file;
  std::string user;
  std::string password_file;  // first line; empty: terminal or standard input
  bool remove = false;
};
int ChangePassword(const PasswdOptions& options, std::ostream& out, std::ostream& err);

}  // namespace skein::ctl
