#include "storage/rocksdb/fatal.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace skein::storage {
namespace {

// What an operator can do about it. Without that the next start may end the same way.
std::string_view Advice(std::string_view why) {
  const bool damaged = why.substr(0, 10) == "Corruption";
  return damaged ? "; restore a backup, or run skeinmqd --repair, which keeps what it drops" : "";
}

}  // namespace

void Fatal(Logger* log, std::string_view doing, std::string_view why) {
  const std::string error = std::string(why).append(Advice(why));
  if (log != nullptr)
    log->Log(LogLevel::kError, "store.failed", {{"doing", doing}, {"error", error}});
  // The log's own thread may not get to it any more.
  std::fprintf(stderr, "skeinmqd: the store failed %.*s: %.*s; aborting\n",
               static_cast<int>(doing.size()), doing.data(), static_cast<int>(error.size()),
               error.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace skein::storage
