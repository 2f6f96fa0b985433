#include "storage/rocksdb/rocks_log.h"

#include <cstdarg>
#include <cstdio>

namespace skein::storage {
namespace {

class RocksLog final : public rocksdb::Logger {
 public:
  explicit RocksLog(skein::Logger* log)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), log_(*log) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    Write(LogLevel::kWarn, format, arguments);
  }
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < GetInfoLogLevel() || level == rocksdb::InfoLogLevel::HEADER_LEVEL) return;
    Write(level >= rocksdb::InfoLogLevel::ERROR_LEVEL ? LogLevel::kError : LogLevel::kWarn, format,
          arguments);
  }

 private:
  void Write(LogLevel level, const char* format, va_list arguments) {
    char text[1024];
    std::vsnprintf(text, sizeof text, format, arguments);
    log_.Log(level, "rocksdb", {{"text", text}});
  }

  skein::Logger& log_;
};

}  // namespace

std::shared_ptr<rocksdb::Logger> MakeRocksLog(Logger* log) {
  return std::make_shared<RocksLog>(log);
}

}  // namespace skein::storage
