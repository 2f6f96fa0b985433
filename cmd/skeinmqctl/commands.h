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
  kExitProblem = 1,  // the store or the node cannot be read, or verify found something
  kExitUsage = 2,    // a wrong command line
  kExitRefused = 3,  // the node says no: 401, 403, 404 or 409
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
// others can see. A file that a node would refuse afterwards is not written; of two such commands
// at a time on one file the later one counts.
struct PasswdOptions {
  std::string file;
  std::string user;
  std::string password_file;  // first line; empty: terminal or standard input
  bool remove = false;
  bool check = false;            // only read the file as a node would; no user
  bool scram = false;            // credentials for SCRAM-SHA-256 instead of argon2id hashes
  uint32_t iterations = 65'536;  // with scram
};
int ChangePassword(const PasswdOptions& options, std::ostream& out, std::ostream& err);

}  // namespace skein::ctl
