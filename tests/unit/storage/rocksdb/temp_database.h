// A folder for a database that goes with the test, and what the tests of the files below it share.
#pragma once

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/database.h"

namespace skein::storage {

class TempFolder {
 public:
  TempFolder() : path_((std::filesystem::temp_directory_path() / "skein-test-XXXXXX").string()) {
    SKEIN_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Keeps the names of the events.
class EventLog : public Logger {
 public:
  std::vector<std::string> events;

 protected:
  void Write(LogLevel, std::string_view event, std::initializer_list<LogField>) override {
    events.emplace_back(event);
  }
};

inline DatabaseOptions OptionsFor(const std::string& data_dir) {
  DatabaseOptions options;
  options.data_dir = data_dir;
  options.partitions = 4;
  options.block_cache_bytes = 1u << 20;
  options.write_buffer_bytes = 1u << 20;
  return options;
}

inline rocksdb::Status Put(Database* database, Family family, const std::string& key,
                           const std::string& value, bool sync = true, bool wal = true) {
  rocksdb::WriteOptions options;
  options.sync = sync && wal;
  options.disableWAL = !wal;
  return database->db()->Put(options, database->family(family), key, value);
}

// "" if there is none.
inline std::string Get(Database* database, Family family, const std::string& key) {
  std::string value;
  database->db()->Get(rocksdb::ReadOptions(), database->family(family), key, &value);
  return value;
}

inline std::string Text(const absl::Status& status) {
  return std::string(status.message());
}

}  // namespace skein::storage
