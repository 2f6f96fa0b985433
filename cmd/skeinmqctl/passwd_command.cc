// `skeinmqctl passwd`. The file is replaced as a whole, so that a broker never reads half of it.
#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "broker/auth/password_hash.h"
#include "cmd/skeinmqctl/commands.h"

namespace skein::ctl {
namespace {

// No echo while it lives, if standard input is a terminal.
class Silence {
 public:
  Silence() {
    terminal_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!terminal_) return;
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &now);
  }
  ~Silence() {
    if (terminal_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  bool terminal() const { return terminal_; }

 private:
  termios before_{};
  bool terminal_ = false;
};

std::optional<std::string> AskPassword(std::ostream& err) {
  const Silence silence;
  std::string password;
  std::string again;
  if (silence.terminal()) err << "Password: " << std::flush;
  if (!std::getline(std::cin, password)) return std::nullopt;
  if (!silence.terminal()) return password;
  err << "\nAgain: " << std::flush;
  if (!std::getline(std::cin, again)) return std::nullopt;
  err << "\n";
  if (again == password) return password;
  err << "skeinmqctl: the two differ\n";
  return std::nullopt;
}

std::optional<std::string> GetPassword(const PasswdOptions& options, std::ostream& err) {
  if (options.password_file.empty()) return AskPassword(err);
  std::ifstream in(options.password_file);
  std::string password;
  if (std::getline(in, password)) return password;
  err << "skeinmqctl: " << options.password_file << ": has no first line\n";
  return std::nullopt;
}

// Comments and order stay; true if the user was there.
bool SetUser(const std::string& user, const std::string& line, std::vector<std::string>* lines) {
  for (auto each = lines->begin(); each != lines->end(); ++each) {
    if (!each->starts_with(user + ":")) continue;
    if (line.empty()) {
      lines->erase(each);
    } else {
      *each = line;
    }
    return true;
  }
  if (!line.empty()) lines->push_back(line);
  return false;
}

bool WriteAll(int fd, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t put = write(fd, text.data() + at, text.size() - at);
    if (put < 0) return false;
    at += static_cast<size_t>(put);
  }
  return fsync(fd) == 0;
}

// Beside the file, then in its place. A file that was there keeps its mode and owner.
bool Replace(const std::string& file, const std::string& text) {
  const std::string temporary = file + ".new";
  struct stat before {};
  const bool known = stat(file.c_str(), &before) == 0;
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool good = true;
  if (known) {
    good = fchmod(fd, before.st_mode & 07777) == 0 &&
           (fchown(fd, before.st_uid, before.st_gid) == 0 || errno == EPERM);
  }
  good = good && WriteAll(fd, text);
  good = close(fd) == 0 && good;
  good = good && rename(temporary.c_str(), file.c_str()) == 0;
  const int error = errno;
  if (!good) unlink(temporary.c_str());
  errno = error;
  return good;
}

bool ValidUser(const std::string& user) {
  if (user.empty() || user.front() == '#' || user.find(':') != user.npos) return false;
  for (const char c : user) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') return false;
  }
  return true;
}

}  // namespace

int ChangePassword(const PasswdOptions& options, std::ostream& out, std::ostream& err) {
  const auto fail = [&](const std::string& what) {
    err << "skeinmqctl: " << what << "\n";
    return kExitProblem;
  };
  if (!ValidUser(options.user)) {
    err << "skeinmqctl: a user name has no ':' and no control characters, and does not begin with "
           "'#'\n";
    return kExitUsage;
  }
  std::vector<std::string> lines;
  std::ifstream in(options.file);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  const bool missing = !in.is_open() && access(options.file.c_str(), F_OK) != 0;
  if (in.bad() || (!in.is_open() && !missing))
    return fail(options.file + ": cannot be read: " + std::strerror(errno));
  std::string line;
  if (!options.remove) {
    const std::optional<std::string> password = GetPassword(options, err);
    if (!password.has_value()) return kExitProblem;
    if (password->empty()) return fail("an empty password is not taken");
    const std::optional<std::string> hash = auth::PasswordHash::Make(*password);
    if (!hash.has_value()) return fail("the password cannot be hashed");
    line = options.user + ":" + *hash;
  }
  const bool known = SetUser(options.user, line, &lines);
  if (options.remove && !known) return fail("no user '" + options.user + "' in " + options.file);
  std::string text;
  for (const std::string& each : lines)
    text += each + "\n";
  if (!Replace(options.file, text))
    return fail(options.file + ": cannot be written: " + std::strerror(errno));
  out << "user '" << options.user << "' "
      << (options.remove ? "removed"
          : known        ? "changed"
                         : "added")
      << "\n";
  return kExitOk;
}

}  // namespace skein::ctl
