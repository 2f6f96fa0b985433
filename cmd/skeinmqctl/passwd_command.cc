// `skeinmqctl passwd`. The file is replaced as a whole, so that a broker never reads half of it.
#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <vector>

#include "broker/auth/password_file.h"
#include "broker/auth/password_hash.h"
#include "broker/auth/scram_conversation.h"
#include "broker/auth/scram_file.h"
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
  const auto read = [&](const char* prompt, std::string* line) {
    if (silence.terminal()) err << prompt << std::flush;
    const bool good = std::getline(std::cin, *line).good() || !line->empty();
    if (silence.terminal()) err << "\n";
    if (!good) err << "skeinmqctl: no password was given\n";
    return good;
  };
  if (!read("Password: ", &password)) return std::nullopt;
  if (!silence.terminal()) return password;
  if (!read("Again: ", &again)) return std::nullopt;
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
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    at += static_cast<size_t>(put);
  }
  return fsync(fd) == 0;
}

// The rename is on the disk.
bool SyncFolderOf(const std::string& file) {
  const size_t slash = file.rfind('/');
  const std::string folder = slash == file.npos ? "." : file.substr(0, slash + 1);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool good = fsync(fd) == 0;
  close(fd);
  return good;
}

// Beside the file, under a name that nobody can have prepared, then in its place. A file that was
// there keeps its mode and owner, or the replacement fails; a link to a file stays one.
bool Replace(const std::string& link, const std::string& text) {
  const std::unique_ptr<char, decltype(&std::free)> target(realpath(link.c_str(), nullptr),
                                                           &std::free);
  const std::string file = target == nullptr ? link : target.get();
  struct stat before {};
  const bool known = stat(file.c_str(), &before) == 0;
  std::string temporary = file + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);  // mode 0600
  if (fd < 0) return false;
  bool good = !known || (fchown(fd, before.st_uid, before.st_gid) == 0 &&
                         fchmod(fd, before.st_mode & 07777) == 0);
  good = good && WriteAll(fd, text);
  good = close(fd) == 0 && good;
  good = good && rename(temporary.c_str(), file.c_str()) == 0;
  const int error = errno;
  if (!good) unlink(temporary.c_str());
  errno = error;
  return good && SyncFolderOf(file);
}

bool ValidUser(const std::string& user) {
  return user.front() != '#' && user.find(':') == user.npos && auth::ScramUserFits(user);
}

// How many users a node would find in it.
absl::StatusOr<size_t> CountUsers(const PasswdOptions& options, const std::string* text) {
  if (options.scram) {
    const auth::ScramFileOptions read{options.file, auth::ScramFile::NewSecret()};
    const auto file =
        text == nullptr ? auth::ScramFile::Load(read) : auth::ScramFile::Parse(read, *text);
    if (!file.ok()) return file.status();
    return (*file)->size();
  }
  auth::PasswordFileOptions read;
  read.file = options.file;
  const auto file = text == nullptr ? auth::PasswordFile::Load(read, nullptr)
                                    : auth::PasswordFile::Parse(read, *text, nullptr);
  if (!file.ok()) return file.status();
  return (*file)->size();
}

int Fail(std::ostream& err, const std::string& what) {
  err << "skeinmqctl: " << what << "\n";
  return kExitProblem;
}

int Check(const PasswdOptions& options, std::ostream& out, std::ostream& err) {
  const absl::StatusOr<size_t> users = CountUsers(options, nullptr);
  if (!users.ok()) return Fail(err, std::string(users.status().message()));
  out << options.file << ": " << *users << (*users == 1 ? " user" : " users")
      << (*users == 0 ? ": it lets nobody in" : "") << "\n";
  return kExitOk;
}

// "user:hash". Nothing: the reason is on err.
std::optional<std::string> MakeLine(const PasswdOptions& options, std::ostream& err) {
  const std::optional<std::string> password = GetPassword(options, err);
  if (!password.has_value()) return std::nullopt;
  std::optional<std::string> hash;
  if (password->empty()) {
    err << "skeinmqctl: an empty password is not taken\n";
    return std::nullopt;
  }
  if (options.scram && !auth::ScramPasswordFits(*password)) {
    err << "skeinmqctl: a password for SCRAM is printable ASCII of at most 1024 characters\n";
    return std::nullopt;
  }
  if (options.scram) {
    const auto made = auth::ScramCredential::Make(*password, options.iterations);
    if (made.has_value()) hash = made->ToString();
  } else {
    hash = auth::PasswordHash::Make(*password);
  }
  if (!hash.has_value()) {
    err << "skeinmqctl: the password cannot be hashed\n";
    return std::nullopt;
  }
  return options.user + ":" + *hash;
}

// False: the reason is on err. A file that is not there has no lines.
bool ReadLines(const std::string& file, std::vector<std::string>* lines, std::ostream& err) {
  errno = 0;
  std::ifstream in(file);
  if (!in.is_open() && errno == ENOENT) return true;
  for (std::string line; std::getline(in, line);)
    lines->push_back(line);
  if (in.is_open() && !in.bad()) return true;
  Fail(err, file + ": cannot be read: " + std::strerror(errno != 0 ? errno : EIO));
  return false;
}

}  // namespace

int ChangePassword(const PasswdOptions& options, std::ostream& out, std::ostream& err) {
  if (options.check) return Check(options, out, err);
  if (options.user.empty() || !ValidUser(options.user)) {
    err << "skeinmqctl: a user name is UTF-8 of 1 to 1024 bytes without ':' and control "
           "characters, and does not begin with '#'\n";
    return kExitUsage;
  }
  std::vector<std::string> lines;
  if (!ReadLines(options.file, &lines, err)) return kExitProblem;
  std::optional<std::string> line = "";
  if (!options.remove) line = MakeLine(options, err);
  if (!line.has_value()) return kExitProblem;
  const bool known = SetUser(options.user, *line, &lines);
  if (options.remove && !known)
    return Fail(err, "no user '" + options.user + "' in " + options.file);
  std::string text;
  for (const std::string& each : lines)
    text += each + "\n";
  // To remove a user is allowed in a damaged file: it may be the damage.
  const absl::StatusOr<size_t> users = CountUsers(options, &text);
  if (!options.remove && !users.ok())
    return Fail(err, "nothing changed: " + std::string(users.status().message()));
  if (!Replace(options.file, text))
    return Fail(err, options.file + ": cannot be written: " + std::strerror(errno));
  out << "user '" << options.user << "' "
      << (options.remove ? "removed"
          : known        ? "changed"
                         : "added")
      << "\n";
  return kExitOk;
}

}  // namespace skein::ctl
