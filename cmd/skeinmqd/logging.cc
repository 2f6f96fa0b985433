// See logging.h. spdlog is slow to compile and stays in this file.
#include "cmd/skeinmqd/logging.h"

#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <mutex>

#include "cmd/skeinmqd/log_format.h"

namespace skein::config {
namespace {

// Writes each rendered line with one system call. A line that cannot be written is lost: a full
// pipe or a closed terminal must not stop a broker.
class DescriptorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit DescriptorSink(int file_descriptor) : file_descriptor_(file_descriptor) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string line(message.payload.data(), message.payload.size());
    line.push_back('\n');
    size_t done = 0;
    while (done < line.size()) {
      const ssize_t n = write(file_descriptor_, line.data() + done, line.size() - done);
      if (n < 0 && errno != EINTR) return;
      if (n > 0) done += static_cast<size_t>(n);
    }
  }
  void flush_() override {}

 private:
  const int file_descriptor_;
};

class SpdlogLogger : public ProcessLogger {
 public:
  SpdlogLogger(LogLevel level, LogFormat format, int file_descriptor)
      : format_(format),
        pool_(std::make_shared<spdlog::details::thread_pool>(kLogQueue, 1)),
        logger_(std::make_shared<spdlog::async_logger>(
            "skeinmqd", std::make_shared<DescriptorSink>(file_descriptor), pool_,
            spdlog::async_overflow_policy::overrun_oldest)) {
    logger_->set_level(spdlog::level::trace);
    set_level(level);
  }

  // Joins the writing thread after the queue is empty, and only then frees what that thread uses.
  ~SpdlogLogger() override {
    pool_.reset();
    logger_.reset();
  }

  uint64_t dropped() const override { return pool_->overrun_counter(); }

 protected:
  void Write(LogLevel level, std::string_view event,
             std::initializer_list<LogField> fields) override {
    const LogTime now = std::chrono::system_clock::now();
    const std::string line = format_ == LogFormat::kJson
                                 ? FormatJsonLine(now, level, event, fields)
                                 : FormatTextLine(now, level, event, fields);
    logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  const LogFormat format_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

}  // namespace

std::unique_ptr<ProcessLogger> MakeLogger(LogLevel level, LogFormat format, int file_descriptor) {
  return std::make_unique<SpdlogLogger>(level, format, file_descriptor);
}

}  // namespace skein::config
