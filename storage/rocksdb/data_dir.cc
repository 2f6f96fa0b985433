#include "storage/rocksdb/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace skein::storage {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(const std::string& what, const std::string& path) {
  return absl::UnavailableError(absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

absl::Status SyncFolder(const fs::path& folder) {
  const int dir = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = dir >= 0 && fsync(dir) == 0;
  absl::Status status = synced ? absl::OkStatus() : Failed("cannot write", folder);
  if (dir >= 0) close(dir);
  return status;
}

// Written whole and durable, or not at all.
absl::Status WriteDurably(const std::string& path, const std::string& text) {
  const std::string draft = path + ".new";
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return Failed("cannot write", draft);
  const bool written =
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  close(fd);
  if (!written || rename(draft.c_str(), path.c_str()) != 0) return Failed("cannot write", path);
  return SyncFolder(fs::path(path).parent_path());
}

// Makes the folder and those above it, so that a power cut does not take them again.
absl::Status MakeFolders(const fs::path& path) {
  std::error_code error;
  if (path.empty() || fs::is_directory(path, error)) return absl::OkStatus();
  if (absl::Status above = MakeFolders(path.parent_path()); !above.ok()) return above;
  if (!fs::create_directory(path, error) && error) {
    return absl::UnavailableError(
        absl::StrCat("cannot make the data directory ", path.string(), ": ", error.message()));
  }
  return SyncFolder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

}  // namespace

absl::StatusOr<Format> ReadFormat(const std::string& data_dir) {
  const std::string path = data_dir + "/FORMAT";
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("no file ", path));
  Format format;
  std::string name;
  uint64_t value = 0;
  bool versioned = false;
  while (file >> name >> value) {
    if (name == "version") {
      format.version = static_cast<uint32_t>(value);
      versioned = true;
    } else if (name == "partitions") {
      format.partitions = static_cast<uint32_t>(value);
    }
  }
  if (!versioned) return absl::DataLossError(absl::StrCat(path, ": not a FORMAT file"));
  return format;
}

absl::StatusOr<std::unique_ptr<DataDir>> DataDir::Open(const std::string& path,
                                                       uint32_t partitions) {
  // Without a slash at the end, which would make the last folder one without a name.
  const fs::path folder = (fs::path(path) / "").lexically_normal().parent_path();
  if (absl::Status made = MakeFolders(folder); !made.ok()) return made;
  std::unique_ptr<DataDir> dir(new DataDir(path));
  if (absl::Status locked = dir->Lock(); !locked.ok()) return locked;
  if (absl::Status checked = dir->CheckFormat(partitions); !checked.ok()) return checked;
  return dir;
}

DataDir::~DataDir() {
  if (lock_ >= 0) close(lock_);
}

absl::Status DataDir::Lock() {
  const std::string path = path_ + "/LOCK";
  lock_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (lock_ < 0) return Failed("cannot open", path);
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed("cannot lock", path);
    char holder[32] = {};
    const ssize_t size = pread(lock_, holder, sizeof holder - 1, 0);
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory ", path_, " is in use by another process",
        size > 0 ? absl::StrCat(" (", absl::string_view(holder, static_cast<size_t>(size)), ")")
                 : std::string()));
  }
  const std::string self = absl::StrCat("pid ", getpid());
  if (ftruncate(lock_, 0) != 0 || pwrite(lock_, self.data(), self.size(), 0) < 0)
    return Failed("cannot write", path);
  return absl::OkStatus();
}

absl::Status DataDir::CheckFormat(uint32_t partitions) {
  const std::string path = path_ + "/FORMAT";
  absl::StatusOr<Format> format = ReadFormat(path_);
  if (absl::IsNotFound(format.status())) {
    std::error_code error;
    const bool made = fs::create_directory(db_path(), error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot make the folder ", db_path(), ": ", error.message()));
    }
    // An empty one is left by a crash between these two steps.
    if (!made && !fs::is_empty(db_path(), error)) {
      return absl::DataLossError(absl::StrCat(
          path_, " holds a database, but not the file FORMAT that says of which kind"));
    }
    // Its sync of the folder is also the one of db.
    return WriteDurably(
        path, absl::StrCat("version ", kFormatVersion, "\npartitions ", partitions, "\n"));
  }
  if (!format.ok()) return format.status();
  if (format->version > kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": the data directory has format ", format->version,
        ", this version of skeinmqd reads up to ", kFormatVersion, ": use the newer skeinmqd"));
  }
  if (format->partitions != partitions) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": the data directory has ", format->partitions,
                     " partitions, the configuration asks for ", partitions,
                     "; the number is fixed when the directory is first used"));
  }
  return absl::OkStatus();
}

}  // namespace skein::storage
