// Opens a store for tools (Database::OpenForInspection).
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/overlay_db.h"

namespace skein::storage {
namespace {

// RocksDB would else write its messages into the store's folder.
class SilentLog : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

bool StoreInUse(const std::string& data_dir) {
  const int fd = open((data_dir + "/LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool free = flock(fd, LOCK_SH | LOCK_NB) == 0;
  close(fd);
  return !free;
}

absl::StatusOr<std::unique_ptr<Database>> Database::OpenForInspection(const std::string& data_dir) {
  const absl::StatusOr<Format> format = ReadFormat(data_dir);
  if (!format.ok()) return format.status();
  if (format->version > kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(data_dir, " has format ", format->version,
                                                      ", this program reads up to ", kFormatVersion,
                                                      ": use the newer one"));
  }
  const std::string path = data_dir + "/db";
  rocksdb::DBOptions options;
  options.info_log = std::make_shared<SilentLog>();
  options.max_open_files = -1;  // a file that a broker deletes meanwhile can still be read
  std::vector<std::string> names;
  rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, path, &names);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const char* name : kFamilyNames)
    families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  std::string scratch;
  if (status.ok() && StoreInUse(data_dir)) {
    scratch = (std::filesystem::temp_directory_path() / "skeinmqctl.XXXXXX").string();
    if (mkdtemp(scratch.data()) == nullptr)
      return absl::UnavailableError(absl::StrCat("cannot make a folder like ", scratch));
    status = rocksdb::DB::OpenAsSecondary(options, path, scratch, families, &handles, &db);
  } else if (status.ok()) {
    status = rocksdb::DB::OpenForReadOnly(options, path, families, &handles, &db);
  }
  if (!status.ok()) {
    std::error_code ignored;
    if (!scratch.empty()) std::filesystem::remove_all(scratch, ignored);
    return absl::DataLossError(
        absl::StrCat("cannot read the database ", path, ": ", status.ToString()));
  }
  std::unique_ptr<Database> database(new Database);
  database->db_ = MakeOverlayDb(std::unique_ptr<rocksdb::DB>(db), handles, std::move(scratch));
  database->partitions_ = format->partitions;
  database->flush_at_end_ = false;
  std::copy(handles.begin(), handles.end(), database->families_.begin());
  return database;
}

}  // namespace skein::storage
