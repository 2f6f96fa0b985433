#include "cluster/link/grpc_log.h"

#include <grpc/support/log.h>

#include <atomic>
#include <string_view>

namespace skein::cluster {
namespace {

// gRPC takes a function without a context.
std::atomic<Logger*> current{nullptr};

void Write(gpr_log_func_args* line) {
  Logger* const log = current.load(std::memory_order_acquire);
  if (log == nullptr) return;
  // Its errors are the network's as a rule; what they mean for a link is told by the link.
  const LogLevel level = line->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kWarn
                         : line->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  const std::string_view file(line->file);
  log->Log(level, "grpc.said",
           {{"text", line->message},
            {"file", file.substr(file.find_last_of('/') + 1)},
            {"line", line->line}});
}

}  // namespace

GrpcLog::GrpcLog(Logger* log) {
  current.store(log, std::memory_order_release);
  gpr_set_log_function(&Write);
}

GrpcLog::~GrpcLog() {
  gpr_set_log_function(nullptr);
  current.store(nullptr, std::memory_order_release);
}

}  // namespace skein::cluster
