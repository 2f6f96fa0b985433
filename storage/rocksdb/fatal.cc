#include "storage/rocksdb/fatal.h"

#include <cstdio>
#include <cstdlib>

namespace skein::storage {

void Fatal(Logger* log, std::string_view doing, std::string_view why) {
  if (log != nullptr)
    log->Log(LogLevel::kError, "store.failed", {{"doing", doing}, {"error", why}});
  // The log's own thread may not get to it any more.
  std::fprintf(stderr, "skeinmqd: the store failed %.*s: %.*s; aborting\n",
               static_cast<int>(doing.size()), doing.data(), static_cast<int>(why.size()),
               why.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace skein::storage
